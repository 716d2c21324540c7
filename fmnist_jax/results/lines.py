"""The result lines of a workdir: one JSON object for the seeds of a row that trained together.

A field with a number for each seed is a list of them, with null for a seed without that number.
"""

import itertools
import json
import pathlib

from fmnist_jax import files
from fmnist_jax.config.schema import is_number, is_whole
from fmnist_jax.config.settings import difference
from fmnist_jax.data.catalog import NAMES
from fmnist_jax.errors import ConfigError, one_line


def parse(text):
    """The object in a JSON text (str or bytes); ValueError for NaN, infinities and other texts."""

    def no_number(text):
        raise ValueError(f'{text} is no number')

    try:
        value = json.loads(text, parse_constant=no_number)
    except RecursionError as error:
        raise ValueError('nested too deeply') from error
    if not isinstance(value, dict):
        raise ValueError(f'a {type(value).__name__}, expected an object')
    return value


def _is_count(value):
    return is_whole(value) and value >= 0


def _is_list(values, length, is_right):
    return isinstance(values, list) and len(values) == length and all(map(is_right, values))


def _is_square(rows, is_right):
    return isinstance(rows, list) and all(_is_list(row, len(rows), is_right) for row in rows)


def _optional(is_right):
    return lambda value: value is None or is_right(value)


def _instance(kind):
    return lambda value: isinstance(value, kind)


is_fraction = _optional(lambda value: is_number(value, 0, 1))
_PER_SEED = {
    'seeds': _is_count,
    'test_accuracy': is_fraction,
    'test_loss': _optional(is_number),
    'diverged': _instance(bool),
    'tested_epoch': _optional(_is_count),
    'last_test_accuracy': is_fraction,
    'l2_penalty': _optional(is_number),
    'calibration_error': is_fraction,
    'calibration_error_tempered': is_fraction,
    'batch_accuracy_mean': is_fraction,
    'batch_accuracy_std': is_fraction,
    # Rows are true classes, columns predicted ones.
    'confusion': _optional(lambda m: _is_square(m, _is_count)),
}
_PER_LINE = {
    **dict.fromkeys(('row', 'config_hash'), _instance(str)),
    **dict.fromkeys(('config', 'history', 'device', 'replicas', 'versions'), _instance(dict)),
    'dataset': lambda value: isinstance(value, str) and value in NAMES,
    'also_reported': lambda v: isinstance(v, dict) and all(map(is_number, v.values())),
    'test_images': lambda value: _is_count(value) and value > 0,
    'train_images': _optional(lambda value: _is_count(value) and value > 0),
    'train_seconds': lambda value: is_number(value, 0),
    'compile_seconds': _optional(lambda value: is_number(value, 0)),
    'temperature': _optional(is_number),
    'pretrained': _optional(_instance(dict)),
    'resumed': _instance(list),
    **dict.fromkeys(('parameters', 'ensemble_seeds'), _optional(_is_count)),
    **dict.fromkeys(('reported', 'ensemble_accuracy', 'ensemble_calibration_error'), is_fraction),
    **dict.fromkeys(
        ('model', 'predictions', 'parameters_file', 'commit', 'finished'),
        _optional(_instance(str)),
    ),
}
_EMPTY = {'resumed': [], **{k: {} for k in ('also_reported', 'device', 'replicas', 'versions')}}


def dataset_of(result):
    """The data set of a result line as the functions of data.catalog take it: a dict."""
    return (result['config'].get('dataset') or {}) | {'name': result['dataset']}


def completed(line):
    """A result line with null, or empty, for missing fields; ValueError names a wrong field."""
    result = dict.fromkeys([*_PER_LINE, *_PER_SEED]) | _EMPTY | line
    count = len(result['test_accuracy']) if isinstance(result['test_accuracy'], list) else 0
    for name in _PER_SEED:
        result[name] = [None] * count if result[name] is None else result[name]
    right = {k: ok(result[k]) for k, ok in _PER_LINE.items()}
    right |= {k: count and _is_list(result[k], count, ok) for k, ok in _PER_SEED.items()}
    for name in right:
        if not right[name]:
            raise ValueError(f'{"wrong" if name in line else "no"} {name}')
    for name, epochs in result['history'].items():
        if not isinstance(epochs, list) or not all(
            _is_list(epoch, count, _optional(is_number)) for epoch in epochs
        ):
            raise ValueError(f'wrong history of {name}')
    # All seeds are tested on the same images: the rows of every confusion matrix sum alike.
    counts = {tuple(map(sum, matrix)) for matrix in result['confusion'] if matrix}
    if len(counts) > 1 or any(sum(count) != result['test_images'] for count in counts):
        raise ValueError('wrong confusion: its rows do not sum to the test images of each class')
    return result


def _check_lines_of_a_row(lines):
    """Refuses lines of one row that share a seed or differ in their settings."""
    seeds = [seed for line in lines for seed in line['seeds']]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise ValueError(f'seed {", ".join(map(str, twice))} occurs twice')
    own = {'seed': None, 'num_seeds': None}  # fields in which lines of a row may differ
    for line in lines[1:]:
        changes = difference(lines[0]['config'] | own, line['config'] | own)
        if changes:
            raise ValueError(f'different settings: {", ".join(changes)}')
        if line['history'].keys() != lines[0]['history'].keys():
            raise ValueError('different fields in history')


def read(workdir):
    """The results of `workdir`, one for each row, in the order of their first lines.

    Raises:
      ConfigError: a line is not a result line, or does not go with the other lines of its row.
    """
    path = pathlib.Path(workdir) / 'results.jsonl'
    if not path.exists():
        return []
    rows = {}
    try:
        for number, line in enumerate(files.whole_lines(path.read_bytes()), 1):
            problem, advice = f', line {number}: not a result line', 'mend or delete that line'
            result = completed(parse(line))
            rows.setdefault(result['row'], []).append(result)
        for row, lines in rows.items():
            problem = f': {len(lines)} lines of the row {row!r} do not belong together'
            advice = 'delete the wrong ones'
            _check_lines_of_a_row(lines)
    except ValueError as error:
        raise ConfigError(
            f'{path}{problem} ({one_line(error)}); {advice}, or choose another --workdir'
        ) from error
    return [_joined(lines) for lines in rows.values()]


def _joined(lines):
    """The lines of one row as one line; fields that are not named here are of its first seed.

    `predictions` becomes a list of the files; `parameters_file` and `temperature` become lists with
    an item for each line.
    """
    newest, lines = lines[-1], sorted(lines, key=lambda line: line['seeds'][0])
    joined = dict(lines[0])
    joined['predictions'] = [line['predictions'] for line in lines if line['predictions']]
    for name in ('parameters_file', 'temperature'):
        joined[name] = [line[name] for line in lines]
    if len(lines) == 1:
        return joined
    for name in _PER_SEED:
        joined[name] = [value for line in lines for value in line[name]]
    for name in ('train_seconds', 'compile_seconds'):
        joined[name] = round(sum(line[name] or 0 for line in lines), 2)
    has_all = newest['ensemble_seeds'] == len(joined['seeds'])
    for name in ('ensemble_accuracy', 'ensemble_seeds'):
        joined[name] = newest[name] if has_all else None
    joined['ensemble_calibration_error'] = None
    joined['history'] = {}
    for name in lines[0]['history']:
        # Seeds may stop at different epochs: None for the epochs after that.
        columns = [column for line in lines for column in zip(*line['history'][name], strict=True)]
        joined['history'][name] = [list(epoch) for epoch in itertools.zip_longest(*columns)]
    return joined


def append(workdir, result):
    """Adds one line, all of it or nothing: it is on the disk when this returns."""
    line = json.dumps(result, allow_nan=False).encode() + b'\n'
    files.append_line(pathlib.Path(workdir) / 'results.jsonl', line)
