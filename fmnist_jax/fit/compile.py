"""What a row compiles and puts on the devices: its programs, the data set, the seeds' splits."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax.config.settings import with_hparams
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import memory, mesh
from fmnist_jax.models.batch import devices_per_seed
from fmnist_jax.train import epoch as epoch_steps
from fmnist_jax.train import evaluate, step
from fmnist_jax.train.losses import Metrics


class Programs(NamedTuple):
    """The compiled functions of one architecture, for all seeds at once."""

    init: Any
    train_steps: Any
    train_head: Any  # the same for the epochs in which the dense layer alone learns; or None
    validate: Any  # None without a validation set
    test: Any
    validation_logits: Any  # of the validation images in the end; None without such images
    seconds: float  # compile time


class DeviceData(NamedTuple):
    """What the programs read, on the devices."""

    train: tuple  # (images uint8 [N, 28, 28], labels int32 [N])
    validation: tuple  # the same for the images that validation draws from
    test: tuple
    train_indices: Any  # int32 [n] per seed
    validation_indices: Any
    pretrained: Any  # variables that do not start at random, {} for none


def _shapes(settings):
    """The state of one seed, as shapes."""
    return jax.eval_shape(lambda: step.init(settings, 0, settings.batch_size))


def devices_sharing_a_seed(settings, num_seeds, available):
    """Devices that share a seed's batches when `num_seeds` have `available` devices.

    Raises:
      ConfigError: config.devices_per_seed cannot be had.
    """
    state = _shapes(settings)
    each = max(1, available // num_seeds)
    try:
        return devices_per_seed(settings, state.params, state.batch_stats, each)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def make_layout(settings, devices=None):
    """Seeds over devices as the settings ask: placement.Replicas.

    Raises:
      ConfigError: config.devices_per_seed cannot be had, more seeds than the memory holds, or some
        hosts would have nothing to do.
    """
    available = len(jax.devices() if devices is None else devices)
    each = devices_sharing_a_seed(settings, settings.num_seeds, available)
    try:
        layout = mesh.arrange(
            settings.num_seeds, settings.replicas, settings.replicas_chunk, devices, each
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    memory.check_state(settings, _shapes(settings), layout)
    return layout


def place(settings, dataset, layout, pretrained=None, seeds=None):
    """Puts the data set on the devices once, with each seed's split as indices.

    pretrained: {'params', 'batch_stats'} to start from (pretrained.Pretrained.variables).
    seeds: [S] int, whose splits they are; those of the settings if None.
    """
    total = len(dataset.train_labels)
    if seeds is None:
        seeds = range(settings.seed, settings.seed + settings.num_seeds)
    splits = [datasets.split(total, settings.dataset.num_validation, int(seed)) for seed in seeds]
    train_indices, validation_indices = (np.stack(part) for part in zip(*splits, strict=True))
    train_set = mesh.replicate(layout, (dataset.train_images, dataset.train_labels))
    test_set = mesh.replicate(layout, (dataset.test_images, dataset.test_labels))
    validation_set = train_set
    if settings.dataset.validate_on_test:
        validation_set = test_set
        everything = np.arange(len(dataset.test_labels), dtype=np.int32)
        validation_indices = np.stack([everything] * settings.num_seeds)
    return DeviceData(
        train_set,
        validation_set,
        test_set,
        mesh.shard(layout, train_indices),
        mesh.shard(layout, validation_indices),
        mesh.replicate(layout, pretrained or {}),
    )


def no_metrics(layout):
    """Metrics of no image for every seed, on the devices."""
    zeros = np.zeros(layout.count, np.int32)
    return mesh.shard(layout, Metrics(zeros.astype(np.float32), zeros, zeros))


def compile_programs(settings, hparams, layout, arrays):
    """Compiles the programs for these settings' architecture and the arrays' shapes.

    Args:
      settings: a row's settings.
      numbers: its numbers as float32; where seeds differ in them, arrays from `parallel.spread`.
      replicas: placement.Replicas.
      arrays: Arrays.

    Raises:
      memory.TooLarge: one of them needs more memory than a device has.
    """
    num_train = arrays.train_indices.shape[-1]
    functions = _functions(settings, layout.share, num_train)
    init, train_steps, validate, test, validation_logits = functions
    build = _Builder(layout)
    seeds = mesh.shard(layout, np.zeros(layout.count, np.int32))
    own = 0 if any(np.ndim(number) for number in hparams.values()) else 'same'
    epoch = np.int32(1)
    start = (hparams, seeds, arrays.pretrained)
    first = build(init, (own, 0, None), *start, runs_once=True)
    state = first(*start)
    step_axes = (own, 0, 0, 0, 0, None, 'same', 'same', 'same')
    inputs = (hparams, state, no_metrics(layout), seeds, arrays.train_indices, arrays.train)
    step_args = (*inputs, epoch, epoch, epoch)
    steps = build(train_steps, step_axes, *step_args, donate=(1,))
    head = None
    if settings.head_epochs:
        head_settings = step.head_only(settings)
        _, head_steps, *_ = _functions(head_settings, layout.share, num_train)
        head = build(head_steps, step_axes, *step_args, donate=(1,))
    finish = None
    if arrays.validation_indices.shape[-1]:
        validation = (arrays.validation_indices, arrays.validation)
        axes = (own, 0, 0, None, 'same')
        finish = build(validate, axes, hparams, state, *validation, epoch, donate=(1,))
    last = build(test, (own, 0, None), hparams, state, arrays.test)
    validation_program = None
    if settings.dataset.num_validation and not settings.dataset.validate_on_test:
        images, _ = arrays.validation
        validation = (arrays.validation_indices, images)
        validation_program = build(
            validation_logits, (own, 0, 0, None), hparams, state, *validation
        )
    return Programs(first, steps, head, finish, last, validation_program, build.seconds)


class _Builder:
    """Compiles functions for all seeds, holds them against the memory, adds up the seconds."""

    def __init__(self, layout):
        self._replicas = layout
        self.seconds = 0.0

    def __call__(self, function, axes, *args, **options):
        program, seconds = mesh.compile_for(self._replicas, function, axes, *args, **options)
        memory.check_program(program, self._replicas.devices)
        self.seconds += seconds
        return program


def _functions(settings, share, num_train):
    """The pure functions of one seed that are compiled, with numbers as their first argument."""
    bound = partial(with_hparams, settings)

    def init(hparams, seed, pretrained):
        return step.init(bound(hparams), seed, num_train, pretrained)

    def train_steps(hparams, state, measured, seed, indices, data, epoch, start, stop):
        return epoch_steps.train_steps(
            *(bound(hparams), state, measured, seed, indices, *data, epoch, start, stop, share)
        )

    def validate(hparams, state, indices, data, epoch):
        return evaluate.validate(bound(hparams), state, indices, *data, epoch, share)

    def test(hparams, state, data):
        return evaluate.test(bound(hparams), state, *data, share)

    def validation_logits(hparams, state, indices, images):
        return evaluate.validation_logits(bound(hparams), state, indices, images, share)

    return init, train_steps, validate, test, validation_logits
