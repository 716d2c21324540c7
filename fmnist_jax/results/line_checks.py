"""What a result line and a workdir's config must look like to be read: types, lengths, ranges.

They are JSON without a checksum: a changed digit cannot be told, everything else is.
"""

import json
import math

from fmnist_jax.config.settings import difference


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
