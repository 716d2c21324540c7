"""A table's file: what it is made of, how it is loaded, and what is refused.

from fmnist_jax.config.table import claim, default_config, row

def get_config():
    config = default_config()
    config.title = 'Two learning rates'
    config.rows = tuple(row(f'sgd_{r}', {'optimizer.learning_rate': r}) for r in (0.1, 0.01))
    config.claims = (claim('0.1 is better', ('sgd_0.1', 'sgd_0.01')),)
    return config
"""

import json
import pathlib
import runpy
import sys

from ml_collections import ConfigDict

from fmnist_jax.config.schema import default_config, is_number
from fmnist_jax.config.settings import TABLE_ONLY, resolve
from fmnist_jax.errors import ConfigError, one_line, show
from fmnist_jax.files import file_name


def row(name, change, reported=None, also_reported=None, repeats=False, calibrated_on=''):
    """One row of a table.

    Args:
      name: shown in the table; `--rows` selects by it.
      change: {'section.field': value}, what this row sets.
      reported: the report's test accuracy as a fraction, None where it prints none.
      also_reported: other numbers that the report prints for this row, by name; accuracies as
        fractions, losses in nats, times in seconds.
      repeats: `reported` is the number of another row. The row is compared with it, but the number
        counts once among the reports' numbers.
      calibrated_on: the setting that we chose by this number because the report leaves it open,
        such as 'L2'. The number is compared, but counted apart.
    """
    return {
        'name': name,
        'change': change,
        'reported': reported,
        'also_reported': also_reported or {},
        'repeats': repeats,
        'calibrated_on': calibrated_on,
    }


def claim(text, *comparisons, measure='test_accuracy'):
    """A conclusion of a report that the rows of its tables can test.

    The claim holds if the first side is higher than the second in every comparison. Its p-value is
    corrected for the claims of all tables with the same `config.report`. A side is one of these:
      - a row's name, or a glob over names: the mean of the rows that match;
      - a list [a, b]: what a gains over b;
      - 'tuning_2_layers:*': rows of that config's results.

    Args:
      text: the conclusion, close to the report's words.
      comparisons: pairs (higher, lower), and the results of `not_worse` and `same`.
      measure: what is compared, a name in results/measures.py: 'test_accuracy',
        'validation_accuracy', or 'early_validation_accuracy', which shows what learns faster.
    """
    comparisons = [list(comparison) for comparison in comparisons]
    return {'text': text, 'comparisons': comparisons, 'measure': measure}


def not_worse(side, other, margin=0.005):
    """A comparison of a claim: `side` is at most `margin` (a fraction) below `other`."""
    return (side, other, margin)


def same(a, b, margin=0.005):
    """A comparison of a claim, in a tuple: neither side is more than `margin` below the other."""
    return ((a, b, margin, 'same'),)


def uniform(field, low, high, log=False):
    """A number that a search draws from an interval: whole if both ends are.

    Args:
      field: 'section.field'.
      low, high: the ends, both included.
      log: draw the logarithm uniformly.
    """
    return {'field': field, 'low': low, 'high': high, 'log': log}


def choice(field, *values):
    """A field that a search sets to one of the values."""
    return {'field': field, 'values': list(values)}


def find_config(name):
    """The path of a config: a file, or the name of one in the folder `configs`.

    Raises:
      ConfigError: there is no such file; names those that there are.
    """
    folder = pathlib.Path('configs')
    file = pathlib.Path(name).expanduser()
    for candidate in (file, folder / f'{name}.py'):
        if candidate.is_file():
            return candidate
    known = sorted(str(path) for path in folder.glob('*.py') if path.stem != 'base')
    hint = f'; there are {", ".join(known)}' if known else '; give the path of a Python file'
    raise ConfigError(f'--config={name}: no such file{hint}')


def load_config(name):
    """The config of a file, checked.

    Args:
      name: path of the file, or the name of one in `configs`, such as 'lenet'.

    Raises:
      ConfigError: the file does not exist, fails, or does not return a config.
    """
    file = find_config(name)
    # A table may import its neighbours as configs.NAME, from any working folder.
    sys.path.insert(0, str(file.resolve().parent.parent))
    try:
        get_config = runpy.run_path(str(file)).get('get_config')
        if not callable(get_config):
            raise ConfigError('the file has no get_config()')
        config = get_config()
        check_table(config)
    except ConfigError as error:
        raise ConfigError(f'--config={name}: {error}') from error
    except (Exception, SystemExit) as error:  # whatever a user's own code raises
        raise ConfigError(f'--config={name}: {type(error).__name__}: {one_line(error)}') from error
    return config


def make_settings(changes=None, config=None, row=None):
    """Settings of a training.

    Args:
      changes: {'section.field': value}, such as {'model.name': 'lenet5', 'epochs': 3}.
      config: a table's file, such as 'configs/lenet.py'; None for the defaults.
      row: the name of one of its rows, whose changes come before `changes`.

    Returns:
      ConfigDict.

    Raises:
      ConfigError: no such config, row or field, or settings that cannot train.
    """
    from fmnist_jax.config import checks, machine  # imports JAX

    machine.use_all_cores()
    table = default_config() if config is None else load_config(config)
    changes_of = {one_row['name']: one_row['change'] for one_row in table.rows}
    if row is not None and row not in changes_of:
        raise ConfigError(f'row={row!r}: no such row; the rows are {", ".join(changes_of)}')
    of_row = changes_of.get(row, {})
    settings = resolve(table, of_row | (changes or {}))
    checks.check(settings)
    return settings


MOST_DECIMALS = 6  # of a reported number in per cent
_EXPECTED = "expected row(name, {'section.field': value}, reported=0.91)"
_ROW = row('', {}).keys()


def check_table(config):
    """Refuses a config without a usable title and rows, in one line (ConfigError)."""
    if not isinstance(config, ConfigDict):
        raise ConfigError(
            f'get_config() gave {show(config)}; expected a ConfigDict, as from default_config()'
        )
    missing = [name for name in TABLE_ONLY if name not in config]
    if missing:
        raise ConfigError(f'the config has no {missing[0]}; start from default_config()')
    for name, kind, expected in (
        ('title', str, 'a text'),
        ('report', str, 'a text'),
        ('decimals', int, 'a whole number'),
        ('grid', bool, 'True or False'),
        ('rows', (tuple, list), 'a tuple of rows'),
        ('claims', (tuple, list), 'a tuple of claims'),
    ):
        if not isinstance(config[name], kind):
            raise ConfigError(f'config.{name}={show(config[name])}: expected {expected}')
    if not 0 <= config.decimals <= MOST_DECIMALS:
        raise ConfigError(f'config.decimals={config.decimals}: expected 0 to {MOST_DECIMALS}')
    if not config.rows:
        raise ConfigError(f'config.rows is empty; {_EXPECTED}')
    for number, one_row in enumerate(config.rows, 1):
        _check_row(one_row, number)
    _check_names([one_row['name'] for one_row in config.rows])
    _check_search(config.search)
    try:
        json.dumps(config.to_dict())
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f'the config cannot be written as JSON: {error}') from error


def _check_search(search):
    """Refuses what `uniform` or `choice` would not give, or an empty range."""
    entries = search if isinstance(search, (tuple, list)) else [search]
    for number, entry in enumerate(entries, 1):
        match entry:
            case {'field': str(), 'values': [_, *_]}:
                right = True
            case {'field': str(), 'low': low, 'high': high, 'log': bool(log)}:
                right = is_number(low) and is_number(high) and low < high and (low > 0 or not log)
            case _:
                right = False
        if not right:
            raise ConfigError(
                f'config.search, entry {number}: {show(entry)}; expected choice(field, value, ...) '
                'or uniform(field, low, high) with low < high, and 0 < low with log=True'
            )


_LONGEST_NAME = 150  # bytes; file systems allow 255, with what our files add


def _check_row(row, number):
    if not isinstance(row, dict) or row.keys() != _ROW:
        raise ConfigError(f'config.rows, row {number}: {show(row)}; {_EXPECTED}')
    name = row['name']
    # The name is a part of file names. A name that is too long would fail only after training.
    right = isinstance(name, str) and file_name(name) and name.isprintable()
    if not right or len(name.encode()) > _LONGEST_NAME:
        raise ConfigError(
            f'config.rows, row {number}: name={show(name)}; expected printable letters, 1 to '
            f'{_LONGEST_NAME} bytes of them'
        )
    for field, is_right, expected in _ROW_CHECKS:
        if not is_right(row[field]):
            raise ConfigError(f'row {name!r}: {field}={show(row[field])}; expected {expected}')


def _is_dict(value, is_right):
    return isinstance(value, dict) and all(
        isinstance(name, str) and is_right(one) for name, one in value.items()
    )


_ROW_CHECKS = (
    ('change', lambda v: _is_dict(v, lambda _: True), "a dict {'section.field': value}"),
    ('reported', lambda v: v is None or is_number(v, 0, 1), 'a fraction, 0 to 1, or None'),
    ('also_reported', lambda v: _is_dict(v, is_number), 'a dict of numbers'),
    ('repeats', lambda v: isinstance(v, bool), 'True or False'),
    ('calibrated_on', lambda v: isinstance(v, str), 'a text'),
)


def _check_names(names):
    """Refuses two rows with the same name, or with the same name of their files."""
    files = {}
    for name in names:
        stem = file_name(name).lower()
        other = files.get(stem)
        if other == name:
            raise ConfigError(f'row {name!r} is there twice: give each row its own name')
        if other is not None:
            raise ConfigError(
                f'rows {other!r} and {name!r}: their files would have the same name; rename one'
            )
        files[stem] = name
