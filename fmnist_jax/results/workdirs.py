"""The owner of a workdir: one config (its config.json), and one process at a time (a lock)."""

import contextlib
import json
import pathlib
import re
import shutil

import filelock

from fmnist_jax import files
from fmnist_jax.config.schema import is_number
from fmnist_jax.config.settings import NOT_COMPARED, TABLE_ONLY, difference, plain
from fmnist_jax.config.table import MOST_DECIMALS
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.results.lines import is_fraction, parse

_KINDS = {'title': str, 'report': str, 'decimals': int, 'rows': list, 'claims': list}
_KINDS |= {'dataset': dict}
_OLDER = {'claims': [], 'report': '', 'decimals': 2, 'dataset': {}}  # fields may be younger


def _is_row(row):
    has_name = isinstance(row, dict) and isinstance(row.get('name'), str)
    has_texts = has_name and isinstance(row.get('calibrated_on', ''), str)
    others = row.get('also_reported', {}) if has_texts else None
    has_others = isinstance(others, dict) and all(map(is_number, others.values()))
    return has_others and is_fraction(row.get('reported', ''))


def read_config(workdir):
    """The config of a workdir as nested dicts; ConfigError if it is missing or damaged."""
    path = pathlib.Path(workdir) / 'config.json'
    try:
        config = _OLDER | parse(path.read_bytes())
        for field, kind in _KINDS.items():
            if not isinstance(config.get(field), kind):
                raise ValueError(field)
        if not 0 <= config['decimals'] <= MOST_DECIMALS:
            raise ValueError('decimals')
        if not all(map(_is_row, config['rows'])):
            raise ValueError('rows')
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
    """A context for one process at a time; `wait` waits for another one instead of raising Busy."""
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
_ROW_FIELDS = ('name', 'reported', 'also_reported', 'repeats', 'calibrated_on', 'changed')
# The space of a search is compared: its trials are drawn from it.
_NOT_COMPARED = NOT_COMPARED | dict.fromkeys(set(TABLE_ONLY) - {'search'})


def check_owner(workdir, config):
    """Refuses another config's workdir; returns config.json as it is, or None, and as it should be.

    Rows, title, claims and the number of seeds may change.
    """
    ours = plain(config)
    ours['rows'] = [{k: row[k] for k in _ROW_FIELDS if k in row} for row in ours['rows']]
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
    """Writes this config to config.json of the workdir, unless `check_owner` refuses."""
    theirs, ours = check_owner(workdir, config)
    if theirs != ours:
        path = pathlib.Path(workdir) / 'config.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, json.dumps(ours, indent=1) + '\n')


def check_row(workdir, result, settings, config_hash):
    """Refuses a finished row that ran with other settings.

    A field that is younger than the row counts as off in it (`settings.difference`).
    """
    changes = difference(result['config'] | NOT_COMPARED, plain(settings) | NOT_COMPARED)
    if changes and result['config_hash'] != config_hash:
        raise ConfigError(
            f'{workdir} holds the row {result["row"]!r} of another config; choose another '
            '--workdir or delete its line in results.jsonl. Theirs -> yours:\n  '
            + '\n  '.join(changes)
        )


def check_pretrained(workdir, result, source):
    """Refuses seeds that start from other weights (Pretrained.source) than those of their row."""
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
    """Deletes the checkpoints that a killed run left of finished seeds, {row's name: its seeds}."""
    for name, seeds in done.items():
        of_row = checkpoint_folder(workdir, name)
        for folder in of_row.glob('seeds_*_to_*'):
            first, last = (int(number) for number in re.findall(r'\d+', folder.name))
            if set(range(first, last + 1)) <= set(seeds):
                shutil.rmtree(folder, ignore_errors=True)
        files.remove_empty(of_row, of_row.parent)
