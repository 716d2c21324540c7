"""A config file's rows as settings that a training run can use.

A row's settings are the config with the row's changes. They fall into two parts: what decides
the program (names, whole numbers, which floats are zero) and its numbers (every other float).
The numbers are arguments of the compiled program, so rows that differ in nothing else, such
as learning rates, share one compilation.
"""

import fnmatch
import hashlib
import json

from ml_collections import ConfigDict

from fmnist_jax.errors import ConfigError, one_line

# What a config says about its table, and no run depends on.
TABLE_ONLY = ('title', 'rows', 'claims', 'grid', 'search')
# What says how a run is kept and no result depends on; nor do a seed's numbers on `num_seeds`.
NO_RESULT = ('checkpoint_epochs', 'checkpoints_kept', 'debug_nans')
NOT_COMPARED = dict.fromkeys((*NO_RESULT, 'num_seeds'))


def plain(config):
    """A ConfigDict as nested dicts that JSON can hold."""
    return json.loads(json.dumps(config.to_dict()))


def from_plain(tree):
    """The ConfigDict that `plain` was given: JSON made lists of its tuples."""

    def restored(value):
        if isinstance(value, dict):
            return {name: restored(inner) for name, inner in value.items()}
        return tuple(map(restored, value)) if isinstance(value, list) else value

    return ConfigDict(restored(tree))


def select_rows(config, pattern):
    """The config's rows whose name matches the glob `pattern`, in their order.

    Raises:
      ConfigError: no row matches.
    """
    rows = [r for r in config.rows if fnmatch.fnmatchcase(r['name'], pattern)]
    if not rows:
        names = ', '.join(r['name'] for r in config.rows)
        raise ConfigError(f'--rows={pattern}: no row matches; the rows are {names}')
    return rows


def resolve(config, row):
    """The settings of a row: the config without its table (TABLE_ONLY), the row's changes in.

    Raises:
      ConfigError: the row names a field that is not there, or a value of the wrong type.
    """
    settings = ConfigDict(config.copy_and_resolve_references())
    settings.unlock()
    for field in TABLE_ONLY:
        del settings[field]
    settings.lock()
    for path, value in row['change'].items():
        *sections, field = path.split('.')
        try:
            section = settings
            for name in sections:
                section = section[name]
            if isinstance(section[field], ConfigDict):
                raise TypeError('a group of fields: set one of them')
            if isinstance(value, bool) and isinstance(section[field], float):
                raise TypeError(f'{value} is no number')  # ConfigDict would make 1.0 of it
            section[field] = value
        except (KeyError, AttributeError) as error:
            raise ConfigError(
                f'row {row["name"]!r}, field {path}: no such field; {one_line(error)}'
            ) from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f'row {row["name"]!r}, field {path}: {one_line(error)}') from error
    return settings


def refuse_row_fields(rows, overridden):
    """A field that a row sets is what the row is about: it cannot come from the command line.

    Args:
      rows: the selected rows.
      overridden: dotted names of the fields given as `--config.field=`.

    Raises:
      ConfigError: with the field and the rows that set it.
    """
    for path in overridden:
        owners = [r['name'] for r in rows if path in r['change']]
        if owners:
            raise ConfigError(
                f'--config.{path}: set by the rows {", ".join(owners)}; choose other rows with '
                '--rows or change it in the config file'
            )


def settings_hash(settings):
    """Twelve hexadecimal digits that tell settings apart, whatever the number of seeds."""
    fields = {name: v for name, v in plain(settings).items() if name not in NO_RESULT}
    text = json.dumps(fields | {'num_seeds': None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# A field younger than a committed result counts there as off (0, no, empty) or as one of these.
_BEFORE = {'compute': 'float32', 'optimizer.l2_on': 'all'}


def flatten(tree, prefix=''):
    """Nested dicts -> {'section.field': value}."""
    flat = {}
    for name, value in tree.items():
        path = f'{prefix}{name}'
        flat.update(flatten(value, f'{path}.') if isinstance(value, dict) else {path: value})
    return flat


def difference(old, new):
    """What differs between two configs as nested dicts, one 'field: old -> new' a line.

    A field that the old one is too old to have counts as off there, or as `_BEFORE` says.
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


def split_static(settings):
    """Settings -> (key, numbers): what decides the program, and its arguments.

    Returns:
      key: text, equal for two settings that can share a compiled program.
      numbers: {'section.field': float} for every float that is not zero, but those that decide
        shapes.
    """
    flat = flatten(plain(settings))
    decides_shapes = {'model.width_multiplier'}
    hparams = {
        path: v
        for path, v in flat.items()
        if isinstance(v, float) and v != 0 and path not in decides_shapes
    }
    not_program = {'seed', 'dataset.name', 'dataset.fallback', 'pretrained', *NO_RESULT}
    fixed = {path: v for path, v in flat.items() if path not in hparams.keys() | not_program}
    return json.dumps([fixed, sorted(hparams)], sort_keys=True), hparams


def with_hparams(settings, hparams):
    """The settings with (traced) numbers in the place of its floats."""
    bound = ConfigDict(settings.to_dict(), type_safe=False)
    for path, value in hparams.items():
        *sections, field = path.split('.')
        section = bound
        for name in sections:
            section = section[name]
        section[field] = value
    return bound
