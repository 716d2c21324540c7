"""All seeds of a row: compile once, then epochs in Python and steps on the device."""

import math
import time
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax import parallel, train
from fmnist_jax.programs import compile_programs, place
from fmnist_jax.settings import split_numbers

# A call of the compiled loop lasts about this long, so that the bar moves and Ctrl-C is heard.
_SECONDS_PER_CALL = 1.0
# And at least so many steps: each call gets its working memory anew from the system, which costs
# CNN_2 a quarter of its speed in calls of a single step.
_STEPS_PER_CALL = 8


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


def fit(settings, dataset, replicas, cache=None, progress=None, pretrained=None):
    """Trains all seeds of a row and tests each: an Outcome.

    Args:
      settings: a row's settings.
      dataset: data.Dataset.
      replicas: parallel.Replicas for settings.num_seeds.
      cache: dict that keeps compiled programs for rows that differ in numbers alone.
      progress: has `steps(count, Metrics of numpy [S])` and `epoch(number, history)`; or None.
      pretrained: {'params', 'batch_stats'} that all seeds start from, any part of each; or None.
    """
    cache = {} if cache is None else cache
    key, numbers = split_numbers(settings)
    numbers = {path: np.float32(value) for path, value in numbers.items()}
    arrays = place(settings, dataset, replicas, pretrained)
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
        sum(math.prod(leaf.shape[2:]) for leaf in jax.tree.leaves(state.params)),
        train_seconds,
        compile_seconds,
    )


def _epochs(settings, numbers, programs, arrays, replicas, progress):
    """The epoch loop: (final state, history, epochs that each seed ran [S])."""
    first = settings.seed
    seeds = np.arange(first, first + replicas.count, dtype=np.int32)
    seeds = parallel.spread(replicas, seeds)
    state = programs.init(numbers, seeds, arrays.pretrained)
    steps = train.steps_per_epoch(settings, arrays.train_indices.shape[-1])
    history, epochs_run, pace = {}, np.zeros(replicas.count, int), 1

    def advance(state, epoch, start, stop):
        head_only = epoch <= settings.head_epochs
        program = programs.train_head if head_only else programs.train_steps
        state, measured = program(
            *(numbers, state, seeds, arrays.train_indices, arrays.train),
            *(np.int32(epoch), np.int32(start), np.int32(stop)),
        )
        return state, parallel.gather(replicas, measured)  # waits until it is done

    for epoch in range(1, settings.epochs + 1):
        active = ~parallel.gather(replicas, state.stopped)
        if not active.any():
            break
        epochs_run += active
        state, measured, pace = _run_epoch(
            *(advance, state, epoch, steps, pace, progress, partial(parallel.slowest, replicas))
        )
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


def _run_epoch(advance, state, epoch, steps, pace, progress, slowest):
    """One epoch in calls of about a second: (state, summed Metrics [S], steps per call)."""
    start, total = 0, None
    while start < steps:
        stop = min(steps, start + max(_STEPS_PER_CALL, int(pace)))
        began = time.perf_counter()
        state, measured = advance(state, epoch, start, stop)
        seconds = slowest(time.perf_counter() - began)
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
