"""Refuses settings that cannot train, in one line that names the field."""

import math

import jax
from flax.traverse_util import flatten_dict

from fmnist_jax.config.schema import check_fields
from fmnist_jax.config.settings import flatten
from fmnist_jax.data import catalog
from fmnist_jax.errors import ConfigError, one_line, show
from fmnist_jax.models import frozen, model_fields, variable_shapes
from fmnist_jax.train.optimizers import has_convolution, make_optimizer
from fmnist_jax.train.schedules import make_schedule
from fmnist_jax.train.step import model_of

_MOST = 2**31 - 1  # steps and seeds are int32
_MOST_PARAMETERS = 2**31  # of one network
_TRAINING_IMAGES = 60_000  # of most data sets


def check(settings):
    """Refuses unknown fields, values out of their range or choice, and contradictions.

    Accepted settings can be trained if the data set is large enough for
    `dataset.num_validation` and the devices for the rest (fit/mesh.py, fit/memory.py).

    Args:
      settings: a row's settings (settings.resolve).

    Raises:
      ConfigError: one line with the field, its value and what was expected.
    """
    check_fields(flatten(settings.to_dict()))
    _check_classes(settings)
    _check_together(settings)


def _check_classes(settings):
    """Refuses own images without the names of at least two classes."""
    count = len(catalog.class_names(settings.dataset))
    if count < 2:
        raise ConfigError(
            f'config.dataset.classes={settings.dataset.classes!r}: own images need the names of '
            'two classes or more; fmnist_jax.load_images(PATH).class_names has them'
        )


def check_weights(settings, variables):
    """Refuses pretrained weights without layers that the settings freeze: they would stay random.

    Args:
      settings: accepted by `check`.
      variables: {'params', 'batch_stats'} of the pretrained weights (Pretrained.variables).

    Raises:
      ConfigError: one line with the field that freezes them and the layers' names in Keras.
    """
    for field, value, model in _freezing(settings):
        fixed = flatten_dict(frozen(model, _shapes(model, settings)['params']))
        random = {path for path in fixed if fixed[path]} - flatten_dict(variables['params']).keys()
        layers = sorted({f'{name}_bn' if 'norm' in rest else name for name, *rest in random})
        if layers:
            raise ConfigError(
                f'config.{field}={value!r} freezes {one_line(", ".join(layers), 300)}, which would '
                'stay random: give weights that have them (no --fresh), or do not freeze them'
            )


def _freezing(settings):
    """The fields that freeze layers of a MobileNet: [(field, its value, the network with it)]."""
    if 'frozen_blocks' not in model_fields(settings.model.name):
        return []
    model = model_of(settings)
    return [
        (field, value, model.clone(**change))
        for field, value, change in (
            ('head_epochs', settings.head_epochs, {'frozen_blocks': model.blocks}),
            ('model.frozen_blocks', model.frozen_blocks, {'frozen_batch_norm': False}),
            ('model.frozen_batch_norm', model.frozen_batch_norm, {'frozen_blocks': 0}),
        )
        if value
    ]


def _shapes(model, settings):
    """The shapes of a network's variables."""
    return variable_shapes(model, catalog.input_shape(settings.dataset), settings.compute)


_SIZES = ('widths', 'dense', 'kernel_size', 'width_multiplier', 'blocks')


def _check_network(settings):
    """Refuses a network that the image is too small for, or with too many parameters."""
    fields, model = settings.model.to_dict(), model_of(settings)
    sizes = [f'model.{name}={show(fields[name])}' for name in _SIZES if fields[name] is not None]
    side, *_ = catalog.input_shape(settings.dataset)
    cause = ', config.'.join([*sizes, f'dataset.image_size={side}'])
    try:
        shapes = _shapes(model, settings)
        if not all(leaf.size for leaf in jax.tree.leaves(shapes)):  # jax 0.12 raises no error
            raise ValueError('feature maps without pixels')
    except (ValueError, TypeError, ZeroDivisionError) as error:
        if str(error).startswith(('model.', 'dataset.')):
            raise
        raise ValueError(
            f'{cause}: no network {settings.model.name!r} can be made of these; expected smaller '
            'kernels, fewer layers or larger images'
        ) from error
    if settings.optimizer.name == 'muon' and not has_convolution(shapes['params']):
        raise ValueError(
            f"optimizer.name='muon' with model.name={settings.model.name!r}: it is for kernels of "
            'convolutions and trains everything else as sgd does; set optimizer.name=sgd'
        )
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    if count >= _MOST_PARAMETERS:
        raise ValueError(
            f'{cause}: the network would have {count:,} parameters; expected fewer than '
            f'{_MOST_PARAMETERS:,}'
        )


_MOVES = ('rotation', 'shear', 'zoom', 'shift')
_DRAWN = ('flip', 'crop_padding', 'erase', 'cutout', *_MOVES)  # what a copy may differ in


def _check_augment(settings):
    """Refuses augmentations that have no effect, or that leave nothing of an image."""
    augment, (side, *_) = settings.augment, catalog.image_shape(settings.dataset)
    if augment.copies and not any(augment[name] for name in _DRAWN):
        raise ConfigError(
            f'config.augment.copies={augment.copies}: the copies would equal the images; set one '
            f'of config.augment.{", ".join(_DRAWN)}, or no copies'
        )
    if augment.alternate_flip and augment.flip:
        raise ConfigError(
            'config.augment.alternate_flip and config.augment.flip: the random flips would undo '
            'the alternating ones; set one of them'
        )
    if augment.fill != 'black' and not any(augment[name] for name in _MOVES):
        raise ConfigError(
            f'config.augment.fill={augment.fill!r}: no image is moved; set one of '
            f'config.augment.{", ".join(_MOVES)}, or fill=black (crop_padding is always black)'
        )
    if augment.cutout >= 2 * side:
        raise ConfigError(
            f'config.augment.cutout={augment.cutout} would blacken all images of {side} pixels a '
            f'side; expected less than {2 * side}'
        )


def _check_counts(settings):
    """Refuses more seeds or steps than int32 can count."""
    last = settings.seed + settings.num_seeds - 1
    if last > _MOST:
        raise ConfigError(
            f'config.seed={settings.seed}: the last of config.num_seeds={settings.num_seeds} '
            f'would be {last}; expected at most {_MOST}'
        )
    steps = settings.epochs * -(-_TRAINING_IMAGES // settings.batch_size)
    if steps > _MOST:
        raise ConfigError(
            f'config.epochs={settings.epochs}: up to {steps:,} steps with config.batch_size='
            f'{settings.batch_size}; expected at most {_MOST:,}'
        )


def _check_transfer(settings):
    """Refuses pretrained weights and training in two phases for other networks than MobileNets."""
    separable = 'frozen_blocks' in model_fields(settings.model.name)
    for field in ('pretrained', 'head_epochs'):
        if settings[field] and not separable:
            raise ConfigError(
                f'config.{field}={settings[field]!r}: {settings.model.name} has none; '
                'expected model.name=mobilenet or simplified_mobilenet'
            )
    if settings.pretrained and catalog.input_shape(settings.dataset)[2] != 3:
        raise ConfigError(
            f'config.dataset.channels={settings.dataset.channels}: the pretrained weights need 3'
        )
    if settings.head_epochs >= settings.epochs:
        raise ConfigError(
            f'config.head_epochs={settings.head_epochs}: expected less than config.epochs, '
            f'{settings.epochs}'
        )
    freezing = _freezing(settings)
    if freezing and not settings.pretrained:
        field, value, _ = freezing[0]
        raise ConfigError(
            f'config.{field}={value!r} would freeze random layers: set config.pretrained=imagenet, '
            'or do not freeze them'
        )


def _check_together(settings):
    """Refuses fields that contradict each other."""
    try:
        _check_network(settings)
        schedule = make_schedule(
            settings.schedule, settings.optimizer.learning_rate, 1, settings.epochs
        )
        make_optimizer(settings.optimizer, schedule)
    except ValueError as error:
        raise ConfigError(f'config.{error}') from error
    _check_augment(settings)
    _check_transfer(settings)
    _check_counts(settings)
    warmup = settings.schedule.warmup_epochs
    if warmup >= settings.epochs - settings.head_epochs:
        raise ConfigError(
            f'config.schedule.warmup_epochs={warmup!r}: expected less than config.epochs '
            f'(without config.head_epochs), {settings.epochs - settings.head_epochs}'
        )
    if warmup and warmup >= settings.head_epochs > 0:
        raise ConfigError(
            f'config.schedule.warmup_epochs={warmup!r}: expected less than config.head_epochs, '
            f'{settings.head_epochs}, which have a warm-up of their own'
        )
    if settings.dataset.num_validation and settings.dataset.validate_on_test:
        raise ConfigError(
            f'config.dataset.num_validation={settings.dataset.num_validation} with '
            'config.dataset.validate_on_test: no training image is needed for validation; set '
            'config.dataset.num_validation=0'
        )
    validates = settings.dataset.num_validation > 0 or settings.dataset.validate_on_test
    if settings.selection != 'last' and not validates:
        raise ConfigError(
            f'config.selection={settings.selection!r} needs a validation set: '
            'set config.dataset.num_validation, or config.selection=last'
        )
    if settings.accuracy == 'exact' and settings.loss != 'sigmoid':
        raise ConfigError(
            f"config.accuracy='exact' with config.loss={settings.loss!r}: expected loss=sigmoid, "
            'whose outputs are decisions of their own'
        )
    if settings.patience > 0 and settings.selection == 'last':
        raise ConfigError(
            'config.patience needs config.selection=val_loss or val_accuracy: '
            'early stopping watches that score'
        )
