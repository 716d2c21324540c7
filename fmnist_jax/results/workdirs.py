"""The owner of a workdir: one config (its config.json), and one process at a time (a lock)."""

import contextlib
import json
import pathlib
import re
import shutil

import filelock

from fmnist_jax import files
from fmnist_jax.config.settings import NOT_COMPARED, TABLE_ONLY, difference, plain
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.results.lines import is_fraction, parse


def _check_config(config):
    """Raises ValueError, with the field, if this is not the config of a workdir."""
    if not isinstance(config.get('title'), str):
        raise ValueError('title')
    rows = config.get('rows')
    if not isinstance(rows, list) or not all(
        isinstance(row, dict)
        and isinstance(row.get('name'), str)
        and is_fraction(row.get('reported', ''))
        for row in rows
    ):
        raise ValueError('rows')
    if not isinstance(config.get('claims', []), list):
        raise ValueError('claims')


def read_config(workdir):
    """The config of a workdir as nested dicts; a row has its name and the report's numbers.

    Raises:
      ConfigError: config.json is missing or damaged.
    """
    path = pathlib.Path(workdir) / 'config.json'
    try:
        config = parse(path.read_bytes())
        _check_config(config)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'{path}: not the config of a workdir ({one_line(error)}); delete it, and the next '
            'run of its config writes it again'
        ) from error
    return config


class Busy(ConfigError):
    """Another process holds the lock of the workdir."""


@contextlib.contextmanager
def lock(workdir, wait=False):
    """A context that only one process at a time can be in; the lock of a killed process ends.

    Args:
      workdir: folder, made if missing.
      wait: wait for another process instead of raising Busy.

    Raises:
      Busy: another process holds the lock.
    """
    path = pathlib.Path(workdir) / '.lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = filelock.FileLock(path).acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        raise Busy(
            f'{workdir}: another process is writing there; wait for it, stop it, or choose another '
            '--workdir'
        ) from None
    with held:
        yield


# Fields of a row in config.json; its settings are in the result lines.
_ROW_FIELDS = ('name', 'reported', 'also_reported', 'repeats', 'changed')
# The space of a search is compared: its trials are drawn from it.
_NOT_COMPARED = NOT_COMPARED | dict.fromkeys(set(TABLE_ONLY) - {'search'})


def check_owner(workdir, config):
    """Checks that the workdir is unused or belongs to this config.

    Rows, title, claims and the number of seeds may change: they are not compared. `check_row`
    compares the settings of a row.

    Returns:
      (config.json as it is, None if missing; config.json as it should be).

    Raises:
      ConfigError: the workdir belongs to another config; with the differences.
    """
    ours = plain(config)
    ours['rows'] = [
        {name: row[name] for name in _ROW_FIELDS if name in row} for row in ours['rows']
    ]
    if not (pathlib.Path(workdir) / 'config.json').exists():
        return None, ours
    theirs = read_config(workdir)
    changes = difference(theirs | _NOT_COMPARED, ours | _NOT_COMPARED)
    if changes:
        raise ConfigError(
            f'{workdir} holds results of another config; choose another --workdir or delete '
            'it. Theirs -> yours:\n  ' + '\n  '.join(changes)
        )
    return theirs, ours


def acquire(workdir, config):
    """Writes this config to config.json of the workdir.

    Raises:
      ConfigError: as `check_owner`.
    """
    theirs, ours = check_owner(workdir, config)
    if theirs == ours:
        return
    path = pathlib.Path(workdir) / 'config.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, json.dumps(ours, indent=1) + '\n')


def check_row(workdir, result, settings, config_hash):
    """Refuses a finished row that ran with other settings.

    Raises:
      ConfigError: with the differences.
    """
    if result['config_hash'] == config_hash:
        return
    changes = difference(result['config'] | NOT_COMPARED, plain(settings) | NOT_COMPARED)
    if not changes:
        return  # the line is older than a field of the settings
    raise ConfigError(
        f'{workdir} holds the row {result["row"]!r} of another config; choose another --workdir '
        'or delete its line in results.jsonl. Theirs -> yours:\n  ' + '\n  '.join(changes)
    )


def check_pretrained(workdir, result, source):
    """Refuses seeds that would join a row but start from other weights than its seeds.

    Args:
      workdir: where the row's result is.
      result: the row's result.
      source: pretrained.Pretrained.source of the new seeds.

    Raises:
      ConfigError: with both sources.
    """
    theirs = result['pretrained'] or {}
    # Different files may hold the same arrays for a network: the arrays are compared.
    if any(theirs.get(name) != source.get(name) for name in ('ported_sha256', 'fresh_in_network')):
        raise ConfigError(
            f'{workdir}: the seeds of {result["row"]!r} started from {result["pretrained"]}, '
            f'these would start from {source}; give the same --pretrained and --fresh, or choose '
            'another --workdir'
        )


def checkpoint_folder(workdir, name):
    """The folder of a row's checkpoints: a folder `seeds_0_to_4` for seeds that train together."""
    return pathlib.Path(workdir) / 'checkpoints' / files.file_name(name)


def discard_finished(workdir, done):
    """Deletes the checkpoints of seeds that have a result, which a killed run left behind.

    Args:
      workdir: folder of the results.
      done: {row's name: its seeds}.
    """
    for name, seeds in done.items():
        of_row = checkpoint_folder(workdir, name)
        for folder in of_row.glob('seeds_*_to_*'):
            first, last = (int(number) for number in re.findall(r'\d+', folder.name))
            if set(range(first, last + 1)) <= set(seeds):
                shutil.rmtree(folder, ignore_errors=True)
        files.remove_empty(of_row, of_row.parent)
