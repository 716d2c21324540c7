"""The result lines of a workdir: one JSON object for each finished row."""

import json
import math
import pathlib

from fmnist_jax import files
from fmnist_jax.config.settings import difference
from fmnist_jax.errors import ConfigError, one_line

# What a result line and a workdir's config must look like to be read: types, lengths, ranges.


def _no_number(text):
    raise ValueError(f'{text} is no number')


def parse(text):
    """The object that a JSON text (str or bytes) holds.

    Raises:
      ValueError: it is no JSON, holds NaN or an infinity, or is no object.
    """
    try:
        found = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError('nested too deeply') from error
    if not isinstance(found, dict):
        raise ValueError(f'a {type(found).__name__}, expected an object')
    return found


def _is_number(value, least=-math.inf, most=math.inf):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < math.inf and least <= value <= most


def _is_fraction(value):
    return value is None or _is_number(value, 0, 1)


def _is_number_or_none(value):
    return value is None or _is_number(value)


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value):
    return isinstance(value, str)


def _is_dict(value):
    return isinstance(value, dict)


_PER_SEED = {
    'test_accuracy': _is_fraction,
    'test_loss': _is_number_or_none,
    'seeds': _is_whole,
    'diverged': lambda value: isinstance(value, bool),
    'tested_epoch': lambda value: value is None or _is_whole(value),
    'last_test_accuracy': _is_fraction,
    'l2_penalty': _is_number_or_none,
}
_MAY_BE_MISSING = {
    *('ensemble_accuracy', 'ensemble_seeds', 'test_images', 'pretrained'),
    *('last_test_accuracy', 'l2_penalty'),
}
_REQUIRED = ('row', 'config_hash', 'test_accuracy')
_FIELDS = {
    'row': _is_text,
    'config_hash': _is_text,
    'dataset': _is_text,
    'model': _is_text,
    'reported': _is_fraction,
    'ensemble_accuracy': _is_fraction,
    'also_reported': lambda value: _is_dict(value) and all(map(_is_number, value.values())),
    'predictions': _is_text,
    'config': _is_dict,
    'history': _is_dict,
    'train_seconds': lambda value: _is_number(value, 0),
    'compile_seconds': lambda value: _is_number(value, 0),
    'test_images': lambda value: _is_whole(value) and value > 0,
    'train_images': lambda value: _is_whole(value) and value > 0,
}


def check_line(result):
    """Refuses what is no result line; fields that older lines lack may be missing.

    Raises:
      ValueError: names the field.
    """
    for name in _REQUIRED:
        if name not in result:
            raise ValueError(f'no {name}')
    for name, is_right in _FIELDS.items():
        if name in result and not is_right(result[name]):
            raise ValueError(name)
    seeds = result['test_accuracy']
    if not isinstance(seeds, list) or not seeds:
        raise ValueError('test_accuracy')
    for name, is_right in _PER_SEED.items():
        if name in result and not _is_list(result[name], len(seeds), is_right):
            raise ValueError(name)
    for name, epochs in result.get('history', {}).items():
        if not isinstance(epochs, list) or not all(
            _is_list(epoch, len(seeds), _is_number_or_none) for epoch in epochs
        ):
            raise ValueError(f'history, {name}')


def _is_list(values, length, is_right):
    return isinstance(values, list) and len(values) == length and all(map(is_right, values))


def check_lines_of_a_row(lines):
    """Refuses lines of one row that have a seed in common, or other settings.

    Raises:
      ValueError: says what.
    """
    seeds = [seed for line in lines for seed in line.get('seeds', ())]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise ValueError(f'seed {", ".join(map(str, twice))} is there twice')
    own = {'seed': None, 'num_seeds': None}  # what lines of a row differ in
    first = lines[0].get('config', {}) | own
    for line in lines[1:]:
        changes = difference(first, line.get('config', {}) | own)
        if 'config' in lines[0] and 'config' in line and changes:
            raise ValueError(f'its lines have other settings: {", ".join(changes)}')
    for fields in (lines, [line.get('history', {}) for line in lines]):
        missing = fields[0].keys() - set.intersection(*map(set, fields)) - _MAY_BE_MISSING
        if missing:
            raise ValueError(f'only some of its lines have {", ".join(sorted(missing))}')


def check_config(config):
    """Refuses what is not the config of a workdir.

    Raises:
      ValueError: names the field.
    """
    rows = config.get('rows')
    if not _is_text(config.get('title')):
        raise ValueError('title')
    if not isinstance(rows, list) or not all(
        _is_dict(row) and _is_text(row.get('name')) and _is_fraction(row.get('reported', ''))
        for row in rows
    ):
        raise ValueError('rows')
    if not isinstance(config.get('claims', []), list):
        raise ValueError('claims')


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
_lines_PER_SEED = ('seeds', 'test_accuracy', 'test_loss', 'diverged', 'tested_epoch')
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
    for name in (name for name in _lines_PER_SEED if name in joined):
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
