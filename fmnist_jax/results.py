"""The result lines of a workdir: one JSON object for each finished row."""

import contextlib
import datetime
import functools
import json
import os
import pathlib
import subprocess
from importlib import metadata

import filelock

from fmnist_jax import files
from fmnist_jax.line_checks import check_config, check_line, check_lines_of_a_row, parse
from fmnist_jax.settings import (
    NOT_COMPARED,
    TABLE_ONLY,
    ConfigError,
    difference,
    one_line,
    plain,
)

_LIBRARIES = ('fmnist_jax', 'jax', 'jaxlib', 'flax', 'optax', 'numpy')


def read(workdir):
    """The results of `workdir`, one for each row, oldest first.

    A row may have several lines, each with other seeds: they come as one (`_joined`).
    A last line without its end was cut off by a kill while it was written: it does not count,
    and `append` writes over it.

    Raises:
      ConfigError: a line that is no result, with its file and number, or that does not go with
        the other lines of its row.
    """
    path = pathlib.Path(workdir) / 'results.jsonl'
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b'\n')
    rows = {}
    for number, line in enumerate(lines, 1):
        try:
            result = parse(line)
            check_line(result)
        except ValueError as error:
            raise ConfigError(
                f'{path}, line {number}: not a result line ({one_line(error)}); '
                'mend or delete that line, or choose another --workdir'
            ) from error
        rows.setdefault(result['row'], []).append(result)
    for row, lines in rows.items():
        try:
            check_lines_of_a_row(lines)
        except ValueError as error:
            raise ConfigError(
                f'{path}: {len(lines)} lines of the row {row!r} do not belong together '
                f'({one_line(error)}); delete the wrong ones, or choose another --workdir'
            ) from error
    return [_joined(lines) for lines in rows.values()]


# What a result line holds for each seed; what counts once for the line; the rest is the first's.
_PER_SEED = ('seeds', 'test_accuracy', 'test_loss', 'diverged', 'tested_epoch')
_CALIBRATION = ('calibration_error', 'calibration_error_tempered')  # so, if all lines have it
_PER_LINE = ('train_seconds', 'compile_seconds')


def _joined(lines):
    """The lines of one row as one, by their first seed, with `predictions` as the list of files.

    Likewise `parameters_file` and, for each of those files, `temperature`: of lines that have them.
    """
    newest, lines = lines[-1], sorted(lines, key=lambda line: line.get('seeds', [0])[0])
    joined = dict(lines[0])
    if 'predictions' in joined:
        joined['predictions'] = [line['predictions'] for line in lines]
    kept = [line for line in lines if line.get('parameters_file')]
    if kept:
        joined['parameters_file'] = [line['parameters_file'] for line in kept]
        joined['temperature'] = [line.get('temperature') for line in kept]
    if len(lines) == 1:
        return joined
    if newest.get('ensemble_seeds') == sum(len(line['seeds']) for line in lines):
        joined['ensemble_accuracy'] = newest['ensemble_accuracy']
    else:
        joined.pop('ensemble_accuracy', None)  # it was of the first line's seeds alone
    for name in (name for name in _PER_SEED if name in joined):
        joined[name] = [value for line in lines for value in line[name]]
    joined.pop('ensemble_calibration_error', None)  # nor is there one for all seeds
    for name in _CALIBRATION:
        joined.pop(name, None)
        if all(line.get(name) for line in lines):
            joined[name] = [value for line in lines for value in line[name]]
    for name in (name for name in _PER_LINE if name in joined):
        joined[name] = round(sum(line[name] for line in lines), 2)
    joined['history'] = {}
    for name in lines[0]['history']:
        # Seeds may have stopped at different epochs: None where one had.
        length = max(len(line['history'][name]) for line in lines)
        columns = [column for line in lines for column in zip(*line['history'][name], strict=True)]
        padded = [[*column, *[None] * (length - len(column))] for column in columns]
        joined['history'][name] = [list(epoch) for epoch in zip(*padded, strict=True)]
    return joined


def append(workdir, result):
    """Adds one line, all of it or nothing: it is on the disk when this returns."""
    line = json.dumps(result, allow_nan=False).encode() + b'\n'
    files.append_line(pathlib.Path(workdir) / 'results.jsonl', line)


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
def lock(workdir):
    """While this lasts no other process can take the workdir; a killed one's hold ends with it.

    Raises:
      Busy: another process has it.
    """
    path = pathlib.Path(workdir) / '.lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(path)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        raise Busy(
            f'{workdir}: another process is writing there; wait for it, stop it, or choose another '
            '--workdir'
        ) from None
    try:
        yield
    finally:
        held.release()


# A search's space is compared: its trials are drawn from it.
_NOT_COMPARED = NOT_COMPARED | dict.fromkeys(set(TABLE_ONLY) - {'search'})


def check_claim(workdir, config):
    """Finds that `workdir` is nobody's or this config's own, up to what does not count.

    Rows may join or leave a table, its title and its claims may change and more seeds may be asked
    for: they are not compared here (but see `check_row`).

    Returns:
      (config.json as it is, None if it is not there; as it should be).

    Raises:
      ConfigError: the workdir holds results of another config; with the difference.
    """
    ours = plain(config)
    ours['rows'] = [{'name': r['name'], 'reported': r['reported']} for r in ours['rows']]
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


def claim(workdir, config):
    """Makes `workdir` this config's own, in its config.json, or finds that it is.

    Raises:
      ConfigError: as `check_claim`.
    """
    theirs, ours = check_claim(workdir, config)
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
    if result.get('pretrained') != source:
        raise ConfigError(
            f'{workdir}: the seeds of {result["row"]!r} started from {result.get("pretrained")}, '
            f'these would start from {source}; give the same --pretrained and --fresh, or choose '
            'another --workdir'
        )


@functools.cache
def code_commit():
    """The git commit of the code, with '+' if files differ from it; None outside git.

    Cached: called when a run starts, it names what the run imported even if the folder moves on.
    """
    here = pathlib.Path(__file__).parent
    try:
        git = ['git', '-C', str(here)]
        head = subprocess.run([*git, 'rev-parse', 'HEAD'], capture_output=True, text=True)
        changed = subprocess.run(
            [*git, 'status', '--porcelain', '-uno', '.'], capture_output=True, text=True
        )
    except OSError:
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ('+' if changed.stdout.strip() else '')


def versions():
    """{library: its version, None if it is not installed}."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def provenance(replicas):
    """How and when numbers were made: devices, versions, commit, time."""
    device = replicas.devices[0]
    now = datetime.datetime.now(datetime.UTC)
    return {
        'device': {
            'platform': device.platform,
            'kind': device.device_kind,
            'count': len(replicas.devices),
            'hosts': len({device.process_index for device in replicas.devices}),
            'cpu_cores': os.cpu_count(),
        },
        'replicas': {
            'mode': replicas.mode,
            'chunk': replicas.chunk,
            'per_device': replicas.per_device,
            'devices_per_seed': replicas.share.parts,
        },
        'versions': versions(),
        'commit': code_commit(),
        'finished': now.isoformat(timespec='seconds'),
    }
