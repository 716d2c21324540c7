"""Every field of a config: its type and the values it may have.

A new field of configs/base.py goes into one of the dicts here: what is in none of them is refused
as unknown, so that a misspelt name in a config file is told and not silently without effect.
"""

import difflib

import numpy as np

from fmnist_jax.config.settings import flatten
from fmnist_jax.errors import ConfigError, show
from fmnist_jax.models import MODELS
from fmnist_jax.models.layers import ACTIVATIONS, KERNEL_INITIALIZERS
from fmnist_jax.train.losses import LOSSES
from fmnist_jax.train.optimizers import L2_ON, OPTIMIZERS
from fmnist_jax.train.schedules import SCHEDULES

_CHOICES = {
    'loss': tuple(LOSSES),
    'selection': ('last', 'val_loss', 'val_accuracy'),
    'replicas': ('auto', 'vmap', 'map'),
    'compute': ('float32', 'bfloat16'),
    'pretrained': ('', 'imagenet'),
    'dataset.name': ('fashion_mnist', 'mnist', 'synthetic'),
    'dataset.fallback': ('', 'synthetic'),
    'dataset.channels': (1, 3),
    'model.name': tuple(MODELS),
    'model.activation': tuple(ACTIVATIONS),
    'model.pooling': ('max', 'average'),
    'model.dropout_after': ('each', 'last'),
    'model.initialization': tuple(KERNEL_INITIALIZERS),
    'optimizer.name': tuple(OPTIMIZERS),
    'optimizer.framework': ('pytorch', 'keras'),
    'optimizer.l2_on': tuple(L2_ON),
    'schedule.name': tuple(SCHEDULES),
}

_SWITCHES = (
    'debug_nans',
    'dataset.validate_on_test',
    'augment.flip',
    'model.batch_norm',
    'model.frozen_batch_norm',
    'optimizer.nesterov',
)

_WHOLE = {  # (least, most)
    'seed': (0, 2**31 - 1),
    'num_seeds': (1, 10_000),
    'epochs': (1, 100_000),
    'batch_size': (1, 60_000),
    'patience': (0, 100_000),
    'head_epochs': (0, 100_000),
    'micro_batch': (0, 60_000),
    'eval_batch_size': (1, 60_000),
    'replicas_chunk': (0, 10_000),
    'devices_per_seed': (0, 65_536),
    'checkpoint_epochs': (0, 100_000),
    'checkpoints_kept': (0, 100),
    'dataset.num_validation': (0, 59_999),
    'dataset.image_size': (28, 512),
    'augment.crop_padding': (0, 28),
    'model.dense': (1, 65_536),
    'model.kernel_size': (1, 28),
    'model.blocks': (1, 13),
    'model.frozen_blocks': (0, 13),
    'schedule.every_epochs': (1, 100_000),
}

_INTERVALS = {
    'a number': lambda value: True,
    '0 or more': lambda value: value >= 0,
    '0 to 1': lambda value: 0 <= value <= 1,
    'more than 0': lambda value: value > 0,
    '0 to below 1': lambda value: value >= 0 and np.float32(value) < 1,
    '0.1 to 4': lambda value: 0.1 <= value <= 4,
}
_NUMBERS = {
    'label_smoothing': '0 to below 1',
    'dataset.mean': 'a number',
    'dataset.std': 'more than 0',
    'augment.rotation': '0 or more',
    'augment.erase': '0 to 1',
    'model.dropout': '0 to below 1',
    'model.width_multiplier': '0.1 to 4',
    'optimizer.learning_rate': '0 or more',
    'optimizer.momentum': '0 to below 1',
    'optimizer.l2': '0 or more',
    'optimizer.weight_decay': '0 or more',
    'optimizer.clip_norm': '0 or more',
    'schedule.decay_rate': '0 or more',
    'schedule.warmup_epochs': '0 or more',
}

_WIDTHS = 'model.widths'
_MOST_LAYERS = 100
_KNOWN = (*_CHOICES, *_SWITCHES, *_WHOLE, *_NUMBERS, _WIDTHS)
# What is computed is float32: other numbers would become infinite or zero there.
_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


def _refuse(path, value, expected):
    raise ConfigError(f'config.{path}={show(value)}: expected {expected}')


def _check_choice(path, value):
    choices = _CHOICES[path]
    # True == 1, but is no number of channels.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        _refuse(path, value, f'one of {", ".join(map(repr, choices))}')


def _check_whole(path, value):
    least, most = _WHOLE[path]
    if not _is_whole(value):
        _refuse(path, value, f'a whole number, {least} to {most}')
    if not least <= value <= most:
        _refuse(path, value, f'{least} to {most}')


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _check_number(path, value):
    expected = _NUMBERS[path]
    if not (_is_whole(value) or isinstance(value, float)) or value != value:
        _refuse(path, value, expected)
    if value != 0 and not _SMALLEST <= abs(value) <= _LARGEST:
        _refuse(path, value, f'{expected}, within float32 ({_SMALLEST:.2g} to {_LARGEST:.2g})')
    if not _INTERVALS[expected](value):
        _refuse(path, value, expected)


def _check_widths(path, value):
    if not isinstance(value, (tuple, list)) or not all(
        _is_whole(width) and 1 <= width <= 65_536 for width in value
    ):
        _refuse(path, value, 'whole numbers, 1 to 65536, as in (400, 400)')
    if len(value) > _MOST_LAYERS:
        _refuse(path, value, f'at most {_MOST_LAYERS} of them')


def _check_switch(path, value):
    if not isinstance(value, bool):
        _refuse(path, value, 'True or False')


def check_fields(settings):
    """Refuses unknown and missing fields, values of another type and values out of range.

    Args:
      settings: a row's settings (settings.resolve).

    Raises:
      ConfigError: one line with the field, its value and what was expected.
    """
    flat = flatten(settings.to_dict())
    for path in flat:
        if path not in _KNOWN:
            close = difflib.get_close_matches(path, _KNOWN)
            hint = f'did you mean {", ".join(close)}?' if close else 'see configs/base.py'
            raise ConfigError(f'config.{path}: the config has no such field; {hint}')
    for path in _KNOWN:
        if path not in flat:
            raise ConfigError(f'config.{path}: missing; start from configs/base.py')
        value = flat[path]
        # An empty model field keeps the model's own value.
        if value is None and path.startswith('model.') and path != 'model.name':
            continue
        if path in _CHOICES:
            _check_choice(path, value)
        elif path in _SWITCHES:
            _check_switch(path, value)
        elif path in _WHOLE:
            _check_whole(path, value)
        elif path in _NUMBERS:
            _check_number(path, value)
        else:
            _check_widths(path, value)
