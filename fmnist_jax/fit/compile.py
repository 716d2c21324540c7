"""Compiles a row's programs and puts its data set on the devices."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.config.machine import cores
from fmnist_jax.config.settings import split_static, with_hparams
from fmnist_jax.data import datasets
from fmnist_jax.fit import memory, mesh
from fmnist_jax.fit.program_files import ProgramFiles
from fmnist_jax.train import epoch as epochs
from fmnist_jax.train import step
from fmnist_jax.train.augment import fixed_copies
from fmnist_jax.train.losses import Metrics

_IMAGES_AT_START = 5_000  # of a seed, whose statistics a network may start from


class Programs(NamedTuple):
    """The compiled functions of one architecture, for all seeds at once."""

    init: Any
    train_steps: Any
    test: Any
    seconds: float  # to compile or read them
    train_head: Any = None  # train_steps of the `head_epochs`; None without such epochs
    validate: Any = None  # None without a validation set
    validation_logits: Any = None  # at the end; None without held-out training images


class DeviceData(NamedTuple):
    """The programs' data, on the devices."""

    train: tuple  # (images uint8 [N, H, W] or [N, H, W, 3], labels int32 [N])
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
        return step.steps_per_epoch(self.settings, self.data.train_indices.shape[-1])


def prepare(settings, hparams, seeds, dataset, layout, cache, pretrained=None):
    """The Run of seeds (int32 [S]); compiles its programs unless `cache` holds them.

    hparams: float32, or arrays from `mesh.shard` if seeds differ in them; the rest: as for `fit`.
    """
    data = place(settings, dataset, layout, pretrained, seeds)
    key = (split_static(settings)[0], layout, str(jax.tree.map(jnp.shape, (hparams, data))))
    new = key not in cache
    if new:
        memory.forget_old_programs(cache)
        cache[key] = compile_programs(settings, hparams, layout, data)
    seeds, seconds = mesh.shard(layout, seeds), cache[key].seconds if new else 0.0
    return Run(settings, hparams, seeds, cache[key], data, layout, seconds)


def place(settings, dataset, layout, pretrained=None, seeds=None):
    """Puts the data set on the devices once, and the split of each seed as indices: DeviceData."""
    if seeds is None:
        seeds = range(settings.seed, settings.seed + settings.num_seeds)
    splits = [datasets.split_of(settings, dataset.train_labels, int(seed)) for seed in seeds]
    train_indices, validation_indices = (np.stack(part) for part in zip(*splits, strict=True))
    images, labels, copies = dataset.train_images, dataset.train_labels, settings.augment.copies
    total = len(labels)
    if copies:
        images = np.concatenate([images, fixed_copies(images, settings.augment)])
        labels = np.tile(labels, copies + 1)
        train_indices = np.hstack([train_indices + i * total for i in range(copies + 1)])
    train_set = mesh.replicate(layout, (images, labels))
    test_set = mesh.replicate(layout, (dataset.test_images, dataset.test_labels))
    on_test = settings.dataset.validate_on_test
    if on_test:
        everything = np.arange(len(dataset.test_labels), dtype=np.int32)
        validation_indices = np.stack([everything] * len(splits))
    return DeviceData(
        train=train_set,
        validation=test_set if on_test else train_set,
        test=test_set,
        train_indices=mesh.shard(layout, train_indices),
        validation_indices=mesh.shard(layout, validation_indices),
        pretrained=mesh.replicate(layout, pretrained or {}),
    )


def epoch_metrics(layout, measured=None):
    """Metrics of an epoch's first steps on the devices, from lists [S]; of no step if None."""
    loss, correct, count = np.zeros((3, layout.count)) if measured is None else measured
    return mesh.shard(layout, Metrics(np.float32(loss), np.int32(correct), np.int32(count)))


def init_args(seeds, data):
    """The arguments of Programs.init after the hyper-parameters; seeds: int32 on the devices."""
    return seeds, data.pretrained, data.train_indices, data.train[0]


def compile_programs(settings, hparams, layout, data):
    """Compiles the Programs, or reads them; raises memory.TooLarge if one does not fit."""
    start = time.perf_counter()
    kept = ProgramFiles(settings, layout, (hparams, data))
    programs = kept.read()
    if programs is None:
        programs = _compile(kept, layout, _lower(settings, hparams, layout, data))
        kept.write(programs)
    for program in programs.values():
        memory.check_program(program, layout.devices)
    seconds = time.perf_counter() - start
    return Programs(**programs, seconds=seconds)


def _compile(kept, layout, lowered):
    """{name: program} of (name, jax.stages.Lowered, options)s; XLA compiles while Python traces."""
    workers = 1 if mesh.several_hosts(layout) else cores()
    with kept.only(), ThreadPoolExecutor(workers) as pool:
        try:
            programs = {one[0]: pool.submit(kept.compile, *one) for one in lowered}
            return {name: program.result() for name, program in programs.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _lower(settings, hparams, layout, data):
    """Traces the Programs: yields (name, jax.stages.Lowered, XLA's options) of each."""
    own = 0 if any(np.ndim(number) for number in hparams.values()) else 'same'
    optimized, fast = mesh.compiler_options(layout), mesh.compiler_options(layout, runs_once=True)

    def lower(function, axes, *args, settings=settings, donate=()):
        """Traces function(config, *args, ...) with the hyper-parameters as first argument."""

        @functools.wraps(function)
        def of_hparams(hparams, *args):
            return function(with_hparams(settings, hparams), *args, share=layout.share)

        return mesh.lower_for(layout, of_hparams, (own, *axes), hparams, *args, donate=donate)

    def init(config, seed, pretrained, indices, images, share):
        images = images[indices[:_IMAGES_AT_START]]
        return step.init(config, seed, indices.shape[-1], pretrained, images)

    seeds, epoch = mesh.shard(layout, np.zeros(layout.count, np.int32)), np.int32(1)
    lowered = lower(init, (0, None, 0, None), *init_args(seeds, data))
    yield 'init', lowered, fast
    state = mesh.result_shapes(layout, lowered)
    axes = (0, 0, 0, 0, None, 'same', 'same', 'same')
    metrics, indices = epoch_metrics(layout), data.train_indices
    args = (state, metrics, seeds, indices, data.train, epoch, epoch, epoch)
    yield 'train_steps', lower(epochs.train_steps, axes, *args, donate=(1,)), optimized
    if settings.head_epochs:
        head = epochs.head_only(settings)
        lowered = lower(epochs.train_steps, axes, *args, settings=head, donate=(1,))
        yield 'train_head', lowered, optimized
    indices = data.validation_indices
    if indices.shape[-1]:
        args = (state, indices, data.validation, epoch)
        lowered = lower(epochs.validate, (0, 0, None, 'same'), *args, donate=(1,))
        yield 'validate', lowered, optimized
    yield 'test', lower(epochs.test, (0, None), state, data.test), optimized
    if settings.dataset.num_validation and not settings.dataset.validate_on_test:
        args = (state, indices, data.validation[0])
        lowered = lower(epochs.validation_logits, (0, 0, None), *args)
        yield 'validation_logits', lowered, optimized
