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
    evaluate: Any  # for validation and test
    seconds: float  # to compile or read them
    train_head: Any = None  # train_steps of the `head_epochs`; None without such epochs
    keep_best: Any = None  # None if the last epoch is tested


class Part(NamedTuple):
    """Images that a seed is evaluated on."""

    indices: Any  # int32 [n] per seed; all Parts have the same n, so one program serves them
    count: Any  # np.int32, how many of the first indices count; zeros fill the rest


class DeviceData(NamedTuple):
    """The programs' data, on the devices."""

    examples: tuple  # (images uint8 [N, H, W] or [N, H, W, 3], labels int32 [N]); test images last
    train_indices: Any  # int32 [n] per seed
    validation: Part | None
    test: Part
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
    total, tests = len(labels), len(dataset.test_labels)
    if copies:
        images = np.concatenate([images, fixed_copies(images, settings.augment)])
        labels = np.tile(labels, copies + 1)
        train_indices = np.hstack([train_indices + i * total for i in range(copies + 1)])
    test_indices = np.tile(np.arange(len(labels), len(labels) + tests), (len(splits), 1))
    if settings.dataset.validate_on_test:
        validation_indices = test_indices
    longest = max(validation_indices.shape[1], tests)

    def part(indices):
        count = indices.shape[1]
        padded = np.pad(indices, ((0, 0), (0, longest - count)))
        return Part(mesh.shard(layout, np.int32(padded)), np.int32(count)) if count else None

    images = np.concatenate([images, dataset.test_images])
    labels = np.concatenate([labels, dataset.test_labels])
    return DeviceData(
        examples=mesh.replicate(layout, (images, labels)),
        train_indices=mesh.shard(layout, train_indices),
        validation=part(validation_indices),
        test=part(test_indices),
        pretrained=mesh.replicate(layout, pretrained or {}),
    )


def epoch_metrics(layout, measured=None):
    """Metrics of an epoch's first steps on the devices, from lists [S]; of no step if None."""
    loss, correct, count = np.zeros((3, layout.count)) if measured is None else measured
    return mesh.shard(layout, Metrics(np.float32(loss), np.int32(correct), np.int32(count)))


def init_args(seeds, data):
    """The arguments of Programs.init after the hyper-parameters; seeds: int32 on the devices."""
    return seeds, data.pretrained, data.train_indices, data.examples[0]


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
    optimized, fast = mesh.compiler_options(layout), mesh.compiler_options(layout, fast=True)

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
    args = (state, metrics, seeds, indices, data.examples, epoch, epoch, epoch)
    yield 'train_steps', lower(epochs.train_steps, axes, *args, donate=(1,)), optimized
    if settings.head_epochs:
        head = epochs.head_only(settings)
        lowered = lower(epochs.train_steps, axes, *args, settings=head, donate=(1,))
        yield 'train_head', lowered, optimized
    args = (*step.evaluated(state), *data.test, data.examples)
    lowered = lower(epochs.evaluate, (0, 0, 0, 'same', None), *args)
    yield 'evaluate', lowered, optimized
    if state.best is not None:
        _, metrics = mesh.result_shapes(layout, lowered)
        lowered = lower(epochs.keep_best, (0, 0, 'same'), state, metrics, epoch, donate=(1,))
        yield 'keep_best', lowered, fast
