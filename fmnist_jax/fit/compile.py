"""Compiles a row's programs and puts its data set on the devices."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.config.settings import split_static, with_hparams
from fmnist_jax.data import datasets
from fmnist_jax.fit import memory, mesh
from fmnist_jax.train import epoch as epochs
from fmnist_jax.train import evaluate, step
from fmnist_jax.train.losses import Metrics


class Programs(NamedTuple):
    """The compiled functions of one architecture, for all seeds at once."""

    init: Any
    train_steps: Any
    train_head: Any  # train_steps of the `head_epochs`; None without such epochs
    validate: Any  # None without a validation set
    test: Any
    validation_logits: Any  # at the end; None without held-out training images
    seconds: float  # compile time


class DeviceData(NamedTuple):
    """The programs' data, on the devices."""

    train: tuple  # (images uint8 [N, 28, 28], labels int32 [N])
    validation: tuple  # images and labels that `validation_indices` point into
    test: tuple
    train_indices: Any  # int32 [n] per seed
    validation_indices: Any
    pretrained: Any  # variables that do not start at random, {} for none


class Run(NamedTuple):
    """Everything that one training needs."""

    settings: Any
    hparams: dict  # arguments of the programs (settings.split_static)
    seeds: Any  # int32 [devices, seeds per device]
    programs: Programs
    data: DeviceData
    layout: mesh.Layout
    compile_seconds: float  # 0 if the programs come from the cache

    @property
    def steps_per_epoch(self):
        """Optimizer steps in an epoch."""
        return step.steps_per_epoch(self.settings, self.data.train_indices.shape[-1])


def prepare(settings, hparams, seeds, dataset, layout, cache, pretrained=None):
    """The Run of these seeds; compiles its programs unless `cache` holds them.

    Args:
      settings: a row's settings.
      hparams: its hyper-parameters, float32; or arrays from `mesh.shard` if seeds differ in them.
      seeds: int32 [S].
      dataset: datasets.Dataset.
      layout: mesh.Layout of the seeds.
      cache: dict of compiled programs.
      pretrained: {'params', 'batch_stats'} to start from, any part of each; or None.

    Raises:
      memory.TooLarge: a program needs more memory than a device has.
    """
    data = place(settings, dataset, layout, pretrained, seeds)
    key = (split_static(settings)[0], layout, str(jax.tree.map(jnp.shape, (hparams, data))))
    seconds = 0.0
    if key not in cache:
        cache[key] = compile_programs(settings, hparams, layout, data)
        seconds = cache[key].seconds
    return Run(settings, hparams, mesh.shard(layout, seeds), cache[key], data, layout, seconds)


def place(settings, dataset, layout, pretrained=None, seeds=None):
    """Puts the data set on the devices once, and each seed's split as indices: DeviceData.

    seeds: int [S], which decide the splits; those of the settings if None.
    """
    if seeds is None:
        seeds = range(settings.seed, settings.seed + settings.num_seeds)
    total, num_validation = len(dataset.train_labels), settings.dataset.num_validation
    splits = [datasets.split(total, num_validation, int(seed)) for seed in seeds]
    train_indices, validation_indices = (np.stack(part) for part in zip(*splits, strict=True))
    train_set = mesh.replicate(layout, (dataset.train_images, dataset.train_labels))
    test_set = mesh.replicate(layout, (dataset.test_images, dataset.test_labels))
    validation_set = train_set
    if settings.dataset.validate_on_test:
        validation_set = test_set
        everything = np.arange(len(dataset.test_labels), dtype=np.int32)
        validation_indices = np.stack([everything] * len(splits))
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


def compile_programs(settings, hparams, layout, data):
    """Compiles the Programs for these settings' architecture and the data's shapes.

    Args and Raises: as for `prepare`; data: DeviceData.
    """
    seconds = 0.0

    def build(function, axes, *args, **options):
        nonlocal seconds
        program, taken = mesh.compile_for(layout, function, axes, *args, **options)
        memory.check_program(program, layout.devices)
        seconds += taken
        return program

    num_train = data.train_indices.shape[-1]
    functions = _functions(settings, layout.share, num_train)
    own = 0 if any(np.ndim(number) for number in hparams.values()) else 'same'
    seeds, epoch = mesh.shard(layout, np.zeros(layout.count, np.int32)), np.int32(1)
    start = (hparams, seeds, data.pretrained)
    init = build(functions['init'], (own, 0, None), *start, runs_once=True)
    state = init(*start)

    def build_steps(function):
        axes = (own, 0, 0, 0, 0, None, 'same', 'same', 'same')
        metrics, indices = no_metrics(layout), data.train_indices
        args = (hparams, state, metrics, seeds, indices, data.train, epoch, epoch, epoch)
        return build(function, axes, *args, donate=(1,))

    train_steps = build_steps(functions['train_steps'])
    train_head = validate = validation_logits = None
    if settings.head_epochs:
        head = _functions(epochs.head_only(settings), layout.share, num_train)
        train_head = build_steps(head['train_steps'])
    if data.validation_indices.shape[-1]:
        args = (hparams, state, data.validation_indices, data.validation, epoch)
        validate = build(functions['validate'], (own, 0, 0, None, 'same'), *args, donate=(1,))
    test = build(functions['test'], (own, 0, None), hparams, state, data.test)
    if settings.dataset.num_validation and not settings.dataset.validate_on_test:
        args = (hparams, state, data.validation_indices, data.validation[0])
        validation_logits = build(functions['validation_logits'], (own, 0, 0, None), *args)
    return Programs(init, train_steps, train_head, validate, test, validation_logits, seconds)


def _functions(settings, share, num_train):
    """{name: pure function of one seed}, with the hyper-parameters as first argument."""
    bound = partial(with_hparams, settings)

    def init(hparams, seed, pretrained):
        return step.init(bound(hparams), seed, num_train, pretrained)

    def train_steps(hparams, state, metrics, seed, indices, data, epoch, start, stop):
        images, labels = data
        return epochs.train_steps(
            bound(hparams), state, metrics, seed, indices, images, labels, epoch, start, stop, share
        )

    def validate(hparams, state, indices, data, epoch):
        images, labels = data
        return evaluate.validate(bound(hparams), state, indices, images, labels, epoch, share)

    def test(hparams, state, data):
        images, labels = data
        return evaluate.test(bound(hparams), state, images, labels, share)

    def validation_logits(hparams, state, indices, images):
        return evaluate.validation_logits(bound(hparams), state, indices, images, share)

    functions = (init, train_steps, validate, test, validation_logits)
    return {function.__name__: function for function in functions}
