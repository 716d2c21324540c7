"""The result lines of a workdir: one JSON object for each finished row."""

import json
import pathlib

from fmnist_jax import files
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.results.line_checks import check_line, check_lines_of_a_row, parse


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
# So, if all lines have it.
_IF_ALL_HAVE = (
    *('calibration_error', 'calibration_error_tempered'),
    *('last_test_accuracy', 'l2_penalty'),
)
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
    for name in _IF_ALL_HAVE:
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
