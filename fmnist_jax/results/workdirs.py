"""Whose a workdir is: one config's, by its config.json, and one process's at a time."""

import contextlib
import json
import pathlib
import re
import shutil

import filelock

from fmnist_jax import files
from fmnist_jax.config.settings import NOT_COMPARED, TABLE_ONLY, difference, plain
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.results.lines import check_config, parse


def read_config(workdir):
    """The config that a workdir belongs to, as nested dicts; `rows` are name and report's number.

    Raises:
      ConfigError: config.json is not there or damaged.
    """
    path = pathlib.Path(workdir) / 'config.json'
    try:
        config = parse(path.read_bytes())
        check_config(config)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'{path}: not the config of a workdir ({one_line(error)}); delete it, and the next '
            'run of its config writes it again'
        ) from error
    return config


class Busy(ConfigError):
    """Another process has the workdir."""


@contextlib.contextmanager
def lock(workdir, wait=False):
    """While this lasts no other process can take the workdir; a killed one's hold ends with it.

    wait: until another process lets it go.

    Raises:
      Busy: another process has it.
    """
    path = pathlib.Path(workdir) / '.lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(path)
    try:
        held.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        raise Busy(
            f'{workdir}: another process is writing there; wait for it, stop it, or choose another '
            '--workdir'
        ) from None
    try:
        yield
    finally:
        held.release()


# Of the config's rows; their settings are in the result lines.
_OF_A_ROW = ('name', 'reported', 'also_reported', 'repeats')
# A search's space is compared: its trials are drawn from it.
_NOT_COMPARED = NOT_COMPARED | dict.fromkeys(set(TABLE_ONLY) - {'search'})


def check_owner(workdir, config):
    """Finds that `workdir` is nobody's or this config's own, up to what does not count.

    Rows may join or leave a table, its title and its claims may change and more seeds may be asked
    for: they are not compared here (but see `check_row`).

    Returns:
      (config.json as it is, None if it is not there; as it should be).

    Raises:
      ConfigError: the workdir holds results of another config; with the difference.
    """
    ours = plain(config)
    ours['rows'] = [
        {field: row[field] for field in _OF_A_ROW if field in row} for row in ours['rows']
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
    """Makes `workdir` this config's own, in its config.json, or finds that it is.

    Raises:
      ConfigError: as `check_claim`.
    """
    theirs, ours = check_owner(workdir, config)
    if theirs == ours:
        return
    path = pathlib.Path(workdir) / 'config.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, json.dumps(ours, indent=1) + '\n')


def check_row(workdir, result, settings, config_hash):
    """Refuses a finished row that was run with other settings.

    Raises:
      ConfigError: with the difference.
    """
    if result['config_hash'] == config_hash:
        return
    theirs = result.get('config', {})
    changes = difference(theirs | NOT_COMPARED, plain(settings) | NOT_COMPARED)
    if not changes:
        return  # written before some field was there
    raise ConfigError(
        f'{workdir} holds the row {result["row"]!r} of another config; choose another --workdir '
        'or delete its line in results.jsonl. Theirs -> yours:\n  ' + '\n  '.join(changes)
    )


def check_pretrained(workdir, result, source):
    """Refuses seeds that would join a row but start from other weights than its seeds did.

    Args:
      workdir, result: where the row's result is, and the result.
      source: pretrained.Pretrained.source of the seeds to come.

    Raises:
      ConfigError: with both.
    """
    theirs = result.get('pretrained')
    theirs = theirs if isinstance(theirs, dict) else {}
    # Several files hold the same arrays for a short network. Older lines do not say which arrays.
    told = 'ported_sha256' in theirs and 'ported_sha256' in source
    names = ('ported_sha256', 'fresh_in_network') if told else ('file', 'sha256', 'fresh')
    if any(theirs.get(name) != source.get(name) for name in names):
        raise ConfigError(
            f'{workdir}: the seeds of {result["row"]!r} started from {result.get("pretrained")}, '
            f'these would start from {source}; give the same --pretrained and --fresh, or choose '
            'another --workdir'
        )


def checkpoint_folder(workdir, name):
    """Folder of a row's checkpoints: in it one, `seeds_0_to_4`, for all that train together."""
    return pathlib.Path(workdir) / 'checkpoints' / files.file_name(name)


def discard_finished(workdir, done):
    """Deletes the checkpoints of seeds that have a result: a kill kept their run from it.

    done: {row's name: its seeds}.
    """
    for name, seeds in done.items():
        of_row = checkpoint_folder(workdir, name)
        for folder in of_row.glob('seeds_*_to_*'):
            first, last = (int(number) for number in re.findall(r'\d+', folder.name))
            if set(range(first, last + 1)) <= set(seeds):
                shutil.rmtree(folder, ignore_errors=True)
        files.remove_empty(of_row, of_row.parent)
