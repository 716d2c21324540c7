"""Refuses settings that cannot train, with one line that names the field."""

import jax

from fmnist_jax.layers import ACTIVATIONS, KERNEL_INITIALIZERS
from fmnist_jax.losses import LOSSES
from fmnist_jax.models import MODELS, make_model, model_fields
from fmnist_jax.optimizers import OPTIMIZERS, make_optimizer
from fmnist_jax.schedules import SCHEDULES, make_schedule
from fmnist_jax.settings import ConfigError, flatten, plain

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
    'schedule.name': tuple(SCHEDULES),
}

_RANGES = {  # field: (least, most); a bound of None is open, 'below 1' excludes 1
    'seed': (0, 2**31 - 1),
    'num_seeds': (1, 10_000),
    'epochs': (1, 100_000),
    'batch_size': (1, 60_000),
    'label_smoothing': (0, 'below 1'),
    'patience': (0, None),
    'head_epochs': (0, None),
    'micro_batch': (0, None),
    'eval_batch_size': (1, 60_000),
    'replicas_chunk': (0, None),
    'devices_per_seed': (0, None),
    'checkpoint_epochs': (0, None),
    'checkpoints_kept': (0, 100),
    'dataset.num_validation': (0, None),
    'dataset.image_size': (28, 512),
    'augment.rotation': (0, None),
    'augment.crop_padding': (0, 28),
    'model.dropout': (0, 'below 1'),
    'model.dense': (1, 65_536),
    'model.kernel_size': (1, 28),
    'model.blocks': (1, 13),
    'model.frozen_blocks': (0, 13),
    'model.width_multiplier': (0.1, 4),
    'optimizer.learning_rate': (0, None),
    'optimizer.momentum': (0, 'below 1'),
    'optimizer.l2': (0, None),
    'optimizer.weight_decay': (0, None),
    'optimizer.clip_norm': (0, None),
    'schedule.decay_rate': (0, None),
    'schedule.every_epochs': (1, None),
    'schedule.warmup_epochs': (0, None),
}


def _in_range(value, least, most):
    if most == 'below 1':
        return least <= value < 1
    return least <= value and (most is None or value <= most) and value != float('inf')


def check(settings):
    """Refuses values out of their range or choice, and settings that contradict each other.

    Args:
      settings: a row's settings (settings.resolve).

    Raises:
      ConfigError: one line with the field, its value and what was expected.
    """
    flat = flatten(plain(settings))
    for path, choices in _CHOICES.items():
        if flat[path] is not None and flat[path] not in choices:
            expected = ', '.join(repr(choice) for choice in choices)
            raise ConfigError(f'config.{path}={flat[path]!r}: expected one of {expected}')
    for path, (least, most) in _RANGES.items():
        value = flat[path]
        if value is not None and not _in_range(value, least, most):
            bounds = f'{least} or more' if most is None else f'{least} to {most}'
            raise ConfigError(f'config.{path}={value!r}: expected {bounds}')
    if not flat['dataset.std'] > 0:
        raise ConfigError(f'config.dataset.std={flat["dataset.std"]!r}: expected more than 0')
    for width in flat['model.widths'] or ():
        if not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise ConfigError(
                f'config.model.widths={flat["model.widths"]!r}: expected whole numbers, 1 or more'
            )
    _check_together(settings)


def _trace(settings):
    """Makes the network's shapes, so that an image too small for it is told before training."""
    fields = settings.model.to_dict()
    model = make_model(fields.pop('name'), **fields)
    side = settings.dataset.image_size
    images = jax.ShapeDtypeStruct((1, side, side, settings.dataset.channels), settings.compute)
    jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)


def _check_transfer(settings):
    """Pretrained weights and training in two phases are for the MobileNets."""
    separable = 'frozen_blocks' in model_fields(settings.model.name)
    for field in ('pretrained', 'head_epochs'):
        if settings[field] and not separable:
            raise ConfigError(
                f'config.{field}={settings[field]!r}: {settings.model.name} has none; '
                'expected model.name=mobilenet or simplified_mobilenet'
            )
    if settings.pretrained and settings.dataset.channels != 3:
        raise ConfigError(
            f'config.dataset.channels={settings.dataset.channels}: the pretrained weights need 3'
        )
    if settings.head_epochs >= settings.epochs:
        raise ConfigError(
            f'config.head_epochs={settings.head_epochs}: expected less than config.epochs, '
            f'{settings.epochs}'
        )


def _check_together(settings):
    """Fields that are fine alone but not together."""
    try:
        _trace(settings)
        schedule = make_schedule(
            settings.schedule, settings.optimizer.learning_rate, 1, settings.epochs
        )
        make_optimizer(settings.optimizer, schedule)
    except ValueError as error:
        raise ConfigError(f'config.{error}') from error
    _check_transfer(settings)
    warmup = settings.schedule.warmup_epochs
    if warmup >= settings.epochs - settings.head_epochs:
        raise ConfigError(
            f'config.schedule.warmup_epochs={warmup!r}: expected less than config.epochs '
            f'(without config.head_epochs), {settings.epochs - settings.head_epochs}'
        )
    validates = settings.dataset.num_validation > 0 or settings.dataset.validate_on_test
    if settings.selection != 'last' and not validates:
        raise ConfigError(
            f'config.selection={settings.selection!r} needs a validation set: '
            'set config.dataset.num_validation, or config.selection=last'
        )
    if settings.patience > 0 and settings.selection == 'last':
        raise ConfigError(
            'config.patience needs config.selection=val_loss or val_accuracy: '
            'early stopping watches that score'
        )
