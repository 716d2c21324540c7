"""A row's settings, and what of them decides the compiled program.

A row's settings are the config with the row's changes. They split into two parts. The static part
decides the program: names, whole numbers, and which floats are zero. The other floats are
hyper-parameters: arguments of the program. Rows that differ only in hyper-parameters, such as
learning rates, share one compilation.
"""

import fnmatch
import hashlib
import json

from ml_collections import ConfigDict

from fmnist_jax.config.schema import BY_PATH, default_config, unknown_field
from fmnist_jax.data import catalog
from fmnist_jax.errors import ConfigError, one_line, show

# Fields that describe the table. They are no settings.
TABLE_ONLY = ('title', 'report', 'decimals', 'rows', 'claims', 'grid', 'search')
# Fields that never change a result. The hash leaves them out, and `num_seeds`.
NO_RESULT = ('checkpoint_epochs', 'checkpoints_kept', 'debug_nans')
NOT_COMPARED = dict.fromkeys((*NO_RESULT, 'num_seeds'))
# Fields that change a result by rounding or by chance alone. They keep a row comparable.
_SAME_EXPERIMENT = (
    *NO_RESULT,
    'seed',
    'num_seeds',
    'micro_batch',
    'eval_batch_size',
    'replicas',
    'replicas_chunk',
    'devices_per_seed',
    'dataset.fallback',
)


def plain(config):
    """A ConfigDict as nested dicts that JSON can hold."""
    return json.loads(json.dumps(config.to_dict()))


def from_plain(tree):
    """The ConfigDict that was given to `plain`. JSON turned its tuples into lists.

    A field of the schema that is missing gets its default: the tree may be older than the field.
    """

    def restored(value):
        if isinstance(value, dict):
            return {name: restored(inner) for name, inner in value.items()}
        return tuple(map(restored, value)) if isinstance(value, list) else value

    return ConfigDict(restored(_merged(plain(default_config()), tree)))


def _merged(defaults, tree):
    """Nested dicts: those of `tree`, and the defaults that it lacks."""
    return {name: v for name, v in defaults.items() if name not in TABLE_ONLY} | {
        name: _merged(defaults.get(name, {}), v) if isinstance(v, dict) else v
        for name, v in tree.items()
    }


def select_rows(config, pattern):
    """The config's rows whose names match `pattern`, in the config's order.

    Args:
      config: the table's config.
      pattern: globs separated by commas, as in 'relu_max*,tanh*'.

    Raises:
      ConfigError: no row matches one of the globs.
    """
    selected = set()
    for glob in pattern.split(','):
        names = [r['name'] for r in config.rows if fnmatch.fnmatchcase(r['name'], glob.strip())]
        if not names:
            known = ', '.join(r['name'] for r in config.rows)
            raise ConfigError(f'--rows={glob}: no row matches; the rows are {known}')
        selected.update(names)
    return [r for r in config.rows if r['name'] in selected]


def set_field(settings, path, value):
    """Sets 'section.field' of a ConfigDict.

    Raises:
      ConfigError: no such field, or a value of another type.
    """
    *sections, field = path.split('.')
    try:
        section = settings
        for name in sections:
            section = section[name]
        if isinstance(section[field], ConfigDict):
            raise TypeError('a group of fields: set one of them')
        if isinstance(value, bool) and isinstance(section[field], float):
            raise TypeError(f'{value} is no number')  # ConfigDict would store 1.0
        section[field] = value
    except (KeyError, AttributeError) as error:
        raise ConfigError(f'field {path}: {unknown_field(path)}') from error
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f'field {path}={show(value)}: {one_line(error)}') from error


def resolve(config, row):
    """The settings of a row: the config's fields with the row's changes.

    Args:
      config: a table's config.
      row: the row (fmnist_jax.config.table.row), or its changes {'section.field': value}.

    Raises:
      ConfigError: a change names no field, or has a value of the wrong type.
    """
    settings = ConfigDict(config.copy_and_resolve_references())
    settings.unlock()
    for field in TABLE_ONLY:
        del settings[field]
    settings.lock()
    is_row = 'change' in row
    for path, value in (row['change'] if is_row else row).items():
        try:
            set_field(settings, path, value)
        except ConfigError as error:
            where = f'row {row["name"]!r}, ' if is_row else ''
            raise ConfigError(f'{where}{error}') from error
    return settings


def override(config, overrides):
    """The config with values from the command line, which come before its own and its rows'.

    Args:
      config: a table's config.
      overrides: {'section.field': value}.

    Returns:
      (config, lines for the user). Rows that differ from their own settings have a field
      'changed': {'section.field': [their own value, the value now]}; such rows are not judged.

    Raises:
      ConfigError: no such field, or a value of another type.
    """
    changed, notes = ConfigDict(config.copy_and_resolve_references()), []
    changed.lock()
    for path, value in overrides.items():
        set_field(changed, path, value)
    rows, replaced, dropped = [], {}, {}
    for row in config.rows:
        own = flatten(plain(resolve(config, row)))
        own |= {path: old for path, (old, _) in row.get('changed', {}).items()}
        change = {path: value for path, value in row['change'].items() if path not in overrides}
        for path in filter(row['change'].__contains__, overrides):
            replaced.setdefault(path, []).append(row['name'])
        new = row | {'change': change}
        if 'model.name' in overrides:
            for path in _fields_of_other_networks(changed, new, overrides):
                change[path] = None
                dropped.setdefault(path, []).append(row['name'])
        now = flatten(plain(resolve(changed, new)))
        differs = {
            path: [own[path], now[path]]
            for path in now
            if path not in _SAME_EXPERIMENT and own[path] != now[path]
        }
        rows.append(new | ({'changed': differs} if differs else {}))
    for path, names in replaced.items():
        notes.append(f'--config.{path} replaces the value of {one_line(", ".join(names), 200)}')
    for path, names in dropped.items():
        network = overrides['model.name']
        notes.append(
            f'config.{path} is left out of {one_line(", ".join(names), 200)}: '
            f'{network} has no such field'
        )
    changed.unlock()
    changed.rows = tuple(rows)
    changed.lock()
    return changed, notes


def _fields_of_other_networks(config, row, overrides):
    """Model fields that are set for the table's networks and that the new network lacks."""
    from fmnist_jax.models import MODELS, model_fields  # imports JAX

    if overrides['model.name'] not in MODELS:
        return []
    known = {f'model.{name}' for name in model_fields(overrides['model.name'])} | {'model.name'}
    flat = flatten(resolve(config, row).to_dict())
    return [
        path
        for path, value in flat.items()
        if path.startswith('model.') and value is not None and path not in known | overrides.keys()
    ]


def settings_hash(settings):
    """Twelve hexadecimal digits that tell settings apart, whatever the number of seeds."""
    fields = {name: v for name, v in plain(settings).items() if name not in NO_RESULT}
    text = json.dumps(fields | {'num_seeds': None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def experiment_key(settings):
    """Text that is equal for settings (nested dicts) that differ by rounding or chance alone."""
    # A younger field's default is what older results were made with.
    flat = {path: field.default for path, field in BY_PATH.items()} | flatten(settings)
    return json.dumps({path: flat[path] for path in sorted(flat) if path not in _SAME_EXPERIMENT})


# Results that are older than a field were made with its feature off (0, no, empty) or like this.
_BEFORE = {'compute': 'float32', 'optimizer.l2_on': 'all', 'test_views': 'one'}
_BEFORE |= {'accuracy': 'argmax', 'dataset.split': 'random', 'augment.fill': 'black'}


def flatten(tree, prefix=''):
    """Nested dicts -> {'section.field': value}."""
    flat = {}
    for name, value in tree.items():
        path = f'{prefix}{name}'
        flat.update(flatten(value, f'{path}.') if isinstance(value, dict) else {path: value})
    return flat


def difference(old, new):
    """The differences of two configs as nested dicts, one 'field: old -> new' a line.

    A field that is younger than the old config counts as off there, or as `_BEFORE` says.
    """
    old, new = flatten(old), flatten(new)
    for path in new.keys() - old.keys():
        old[path] = _BEFORE.get(path, None if new[path] else new[path])
    missing = '(none)'
    return [
        f'{path}: {old.get(path, missing)} -> {new.get(path, missing)}'
        for path in sorted(old)
        if path not in NO_RESULT and old[path] != new.get(path, missing)
    ]


# Of these fields only the shape of the images and the number of classes decide the program.
_WHICH_IMAGES = ('name', 'fallback', 'classes', 'fingerprint', 'test_seed', 'bootstrap')


def split_static(settings):
    """Splits settings into what decides the compiled program and its arguments.

    Returns:
      key: text, equal for two settings that can share a compiled program.
      hparams: {'section.field': float}: every float that is not zero, without those that decide
        shapes or make `augment.copies`, which all seeds of a program share. A float of 0.0 turns
        its feature off, which decides the program.
    """
    flat = flatten(plain(settings))
    fixed = ('model.width_multiplier', *('augment.',) * bool(settings.augment.copies))
    hparams = {
        path: v
        for path, v in flat.items()
        if isinstance(v, float) and v != 0 and not path.startswith(fixed)
    }
    not_program = {'seed', 'pretrained', *NO_RESULT}
    not_program |= {f'dataset.{name}' for name in _WHICH_IMAGES}
    static = {path: v for path, v in flat.items() if path not in hparams.keys() | not_program}
    images = catalog.image_shape(settings.dataset), len(catalog.class_names(settings.dataset))
    return json.dumps([static, images, sorted(hparams)], sort_keys=True), hparams


def with_hparams(settings, hparams):
    """The settings with (traced) hyper-parameters in the place of their floats."""
    bound = ConfigDict(settings.to_dict(), type_safe=False)
    for path, value in hparams.items():
        *sections, field = path.split('.')
        section = bound
        for name in sections:
            section = section[name]
        section[field] = value
    return bound
