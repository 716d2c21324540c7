"""Refuses a config file whose table cannot be used: its title, its rows."""

import json
import math

from ml_collections import ConfigDict

from fmnist_jax.config.settings import TABLE_ONLY
from fmnist_jax.errors import ConfigError, show
from fmnist_jax.files import file_name

_EXPECTED = "expected row(name, {'section.field': value}, reported=0.91), as in configs/base.py"
_ROW = {'name', 'change', 'reported', 'also_reported', 'repeats'}


def check_table(config):
    """Refuses what is no config, and rows that are none or cannot be told apart.

    Args:
      config: what a file's get_config() returned.

    Raises:
      ConfigError: one line with the row and what was expected.
    """
    if not isinstance(config, ConfigDict):
        raise ConfigError(
            f'get_config() gave {show(config)}; expected a ConfigDict, as from base.get_config()'
        )
    missing = [name for name in TABLE_ONLY if name not in config]
    if missing:
        raise ConfigError(f'the config has no {missing[0]}; start from base.get_config()')
    if not isinstance(config.title, str):
        raise ConfigError(f'config.title={show(config.title)}: expected a text')
    if not isinstance(config.grid, bool):
        raise ConfigError(f'config.grid={show(config.grid)}: expected True or False')
    for name in ('rows', 'claims'):
        if not isinstance(config[name], (tuple, list)):
            raise ConfigError(f'config.{name}={show(config[name])}: expected a tuple of {name}')
    if not config.rows:
        raise ConfigError(f'config.rows is empty; {_EXPECTED}')
    for number, row in enumerate(config.rows, 1):
        _check_row(row, number)
    _check_names([row['name'] for row in config.rows])
    try:
        json.dumps(config.to_dict())
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f'the config cannot be written as JSON: {error}') from error


def _check_row(row, number):
    if not isinstance(row, dict) or row.keys() != _ROW:
        raise ConfigError(f'config.rows, row {number}: {show(row)}; {_EXPECTED}')
    name = row['name']
    # It is part of the names of files: a too long one would be told only after the training.
    if not isinstance(name, str) or not file_name(name) or not name.isprintable() or len(name) > 99:
        raise ConfigError(
            f'config.rows, row {number}: name={show(name)}; expected 1 to 99 printable letters'
        )
    where = f'row {name!r}'
    change = row['change']
    if not isinstance(change, dict) or not all(isinstance(path, str) for path in change):
        raise ConfigError(
            f"{where}: change={show(change)}; expected a dict {{'section.field': value}}"
        )
    reported = row['reported']
    if reported is not None and not (_is_number(reported) and 0 <= reported <= 1):
        raise ConfigError(
            f'{where}: reported={show(reported)}; expected a fraction, 0 to 1, or None'
        )
    also = row['also_reported']
    if not isinstance(also, dict) or not all(
        isinstance(name, str) and _is_number(value) for name, value in also.items()
    ):
        raise ConfigError(f'{where}: also_reported={show(also)}; expected a dict of numbers')
    if not isinstance(row['repeats'], bool):
        raise ConfigError(f'{where}: repeats={show(row["repeats"])}; expected True or False')


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def _check_names(names):
    """Two rows need two names, and two files for their predictions."""
    files = {}
    for name in names:
        stem = file_name(name).lower()
        other = files.get(stem)
        if other == name:
            raise ConfigError(f'row {name!r} is there twice: a row is told by its name')
        if other is not None:
            raise ConfigError(
                f'rows {other!r} and {name!r}: their files would have one name; rename one'
            )
        files[stem] = name
