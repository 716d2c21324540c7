"""All seeds of a row: compile once, then epochs in Python and steps on the device."""

import math
import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax import data, evaluate, parallel, train
from fmnist_jax.settings import ConfigError, split_numbers, with_numbers
from fmnist_jax.share import devices_per_seed

# A call of the compiled loop lasts about this long, so that the bar moves and Ctrl-C is heard.
_SECONDS_PER_CALL = 1.0
# And at least so many steps: each call gets its working memory anew from the system, which costs
# CNN_2 a quarter of its speed in calls of a single step.
_STEPS_PER_CALL = 8


class Programs(NamedTuple):
    """The compiled functions of one architecture, for all seeds at once."""

    init: Any
    train_steps: Any
    finish_epoch: Any  # None without a validation set
    test: Any
    seconds: float  # compile time


class Arrays(NamedTuple):
    """What the programs read, on the devices."""

    train: tuple  # (images uint8 [N, 28, 28], labels int32 [N])
    validation: tuple  # the same for the images that validation draws from
    test: tuple
    train_indices: Any  # int32 [n] per seed
    validation_indices: Any


class Outcome(NamedTuple):
    """What training gave; every array's first axis is the seed."""

    logits: np.ndarray  # [S, test images, 10]
    test_loss: np.ndarray  # [S]
    test_accuracy: np.ndarray  # [S]
    tested_epoch: np.ndarray  # [S] the epoch whose parameters were tested
    history: dict  # name -> one list of S numbers per epoch (None where a seed had stopped)
    parameters: int  # trainable, of one network
    train_seconds: float
    compile_seconds: float


def lay_out(settings, devices=None):
    """Seeds over devices as the settings ask: parallel.Replicas.

    Raises:
      ConfigError: config.devices_per_seed cannot be had.
    """
    available = len(jax.local_devices() if devices is None else devices)
    state = jax.eval_shape(lambda: train.init(settings, 0, settings.batch_size))
    try:
        sharing = devices_per_seed(
            *(settings, state.params, state.batch_stats, max(1, available // settings.num_seeds))
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return parallel.make_replicas(
        settings.num_seeds, settings.replicas, settings.replicas_chunk, devices, sharing
    )


def place(settings, dataset, replicas):
    """Puts the data set on the devices once, with each seed's split as indices."""
    total = len(dataset.train_labels)
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    splits = [data.split(total, settings.dataset.num_validation, seed) for seed in seeds]
    train_indices, validation_indices = (np.stack(part) for part in zip(*splits, strict=True))
    train_set = parallel.share(replicas, (dataset.train_images, dataset.train_labels))
    test_set = parallel.share(replicas, (dataset.test_images, dataset.test_labels))
    validation_set = train_set
    if settings.dataset.validate_on_test:
        validation_set = test_set
        everything = np.arange(len(dataset.test_labels), dtype=np.int32)
        validation_indices = np.stack([everything] * settings.num_seeds)
    return Arrays(
        train_set,
        validation_set,
        test_set,
        parallel.spread(replicas, train_indices),
        parallel.spread(replicas, validation_indices),
    )


def compile_programs(settings, numbers, replicas, arrays):
    """Compiles the four programs for these settings' architecture and the arrays' shapes."""
    bound = partial(with_numbers, settings)
    num_train = arrays.train_indices.shape[-1]
    build = partial(parallel.compile_for, replicas)
    seeds = parallel.spread(replicas, np.zeros(replicas.count, np.int32))
    epoch = np.int32(1)

    def init(numbers, seed):
        return train.init(bound(numbers), seed, num_train)

    def train_steps(numbers, state, seed, indices, data, epoch, start, stop):
        return train.train_steps(
            *(bound(numbers), state, seed, indices, *data, epoch, start, stop, replicas.share)
        )

    def finish_epoch(numbers, state, indices, data, epoch):
        return evaluate.finish_epoch(
            *(bound(numbers), state, indices, *data, epoch, replicas.share)
        )

    def test(numbers, state, data):
        return evaluate.test(bound(numbers), state, *data, replicas.share)

    first, seconds = build(init, ('same', 0), numbers, seeds, runs_once=True)
    state = first(numbers, seeds)
    steps, more = build(
        train_steps,
        ('same', 0, 0, 0, None, 'same', 'same', 'same'),
        *(numbers, state, seeds, arrays.train_indices, arrays.train, epoch, epoch, epoch),
        donate=(1,),
    )
    seconds += more
    finish = None
    if arrays.validation_indices.shape[-1]:
        finish, more = build(
            finish_epoch,
            ('same', 0, 0, None, 'same'),
            *(numbers, state, arrays.validation_indices, arrays.validation, epoch),
            donate=(1,),
        )
        seconds += more
    last, more = build(test, ('same', 0, None), numbers, state, arrays.test)
    return Programs(first, steps, finish, last, seconds + more)


def fit(settings, dataset, replicas, cache=None, progress=None):
    """Trains all seeds of a row and tests each: an Outcome.

    Args:
      settings: a row's settings.
      dataset: data.Dataset.
      replicas: parallel.Replicas for settings.num_seeds.
      cache: dict that keeps compiled programs for rows that differ in numbers alone.
      progress: has `steps(count, Metrics of numpy [S])` and `epoch(number, history)`; or None.
    """
    cache = {} if cache is None else cache
    key, numbers = split_numbers(settings)
    numbers = {path: np.float32(value) for path, value in numbers.items()}
    arrays = place(settings, dataset, replicas)
    key = (key, replicas, str(jax.tree.map(jnp.shape, arrays)))
    compile_seconds = 0.0
    if key not in cache:
        cache[key] = compile_programs(settings, numbers, replicas, arrays)
        compile_seconds = cache[key].seconds
    programs = cache[key]
    began = time.perf_counter()
    state, history, epochs_run = _epochs(settings, numbers, programs, arrays, replicas, progress)
    train_seconds = time.perf_counter() - began
    logits, measured = parallel.gather(replicas, programs.test(numbers, state, arrays.test))
    tested = epochs_run if state.best is None else parallel.gather(replicas, state.best.epoch)
    return Outcome(
        logits,
        measured.loss / measured.count,
        measured.correct / measured.count,
        tested,
        history,
        sum(leaf[0, 0].size for leaf in jax.tree.leaves(state.params)),
        train_seconds,
        compile_seconds,
    )


def _epochs(settings, numbers, programs, arrays, replicas, progress):
    """The epoch loop: (final state, history, epochs that each seed ran [S])."""
    first = settings.seed
    seeds = np.arange(first, first + replicas.count, dtype=np.int32)
    seeds = parallel.spread(replicas, seeds)
    state = programs.init(numbers, seeds)
    steps = train.steps_per_epoch(settings, arrays.train_indices.shape[-1])
    history, epochs_run, pace = {}, np.zeros(replicas.count, int), 1

    def advance(state, epoch, start, stop):
        state, measured = programs.train_steps(
            *(numbers, state, seeds, arrays.train_indices, arrays.train),
            *(np.int32(epoch), np.int32(start), np.int32(stop)),
        )
        return state, parallel.gather(replicas, measured)  # waits until it is done

    for epoch in range(1, settings.epochs + 1):
        active = ~parallel.gather(replicas, state.stopped)
        if not active.any():
            break
        epochs_run += active
        state, measured, pace = _run_epoch(advance, state, epoch, steps, pace, progress)
        entries = _means('train', measured, active)
        if programs.finish_epoch is not None:
            state, measured = programs.finish_epoch(
                *(numbers, state, arrays.validation_indices, arrays.validation, np.int32(epoch))
            )
            entries |= _means('validation', parallel.gather(replicas, measured), active)
        for name, values in entries.items():
            history.setdefault(name, []).append(values)
        if progress:
            progress.epoch(epoch, history)
    return state, history, epochs_run


def _run_epoch(advance, state, epoch, steps, pace, progress):
    """One epoch in calls of about a second: (state, summed Metrics [S], steps per call)."""
    start, total = 0, None
    while start < steps:
        stop = min(steps, start + max(_STEPS_PER_CALL, int(pace)))
        began = time.perf_counter()
        state, measured = advance(state, epoch, start, stop)
        seconds = time.perf_counter() - began
        # At most doubled a call: the first one may be slow for reasons of its own.
        pace = min(2 * (stop - start), (stop - start) * _SECONDS_PER_CALL / seconds)
        total = measured if total is None else jax.tree.map(np.add, total, measured)
        if progress:
            progress.steps(stop - start, measured)
        start = stop
    return state, total, pace


def _means(name, measured, active):
    """Loss and accuracy per seed as JSON can hold them: None for no number."""

    def numbers(sums):
        with np.errstate(divide='ignore', invalid='ignore'):
            means = sums / measured.count
        return [
            float(f'{m:.6g}') if on and math.isfinite(m) else None
            for m, on in zip(means, active, strict=True)
        ]

    return {f'{name}_loss': numbers(measured.loss), f'{name}_accuracy': numbers(measured.correct)}
