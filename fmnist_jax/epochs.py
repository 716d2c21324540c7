"""The epoch loop: epochs in Python, steps on the device, for all seeds of a row at once."""

import math
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax import nan_search, parallel, train
from fmnist_jax.checkpoint import Checkpoint
from fmnist_jax.placement import Replicas
from fmnist_jax.programs import Arrays, Programs, no_metrics

# A call of the compiled loop lasts about this long, so that the bar moves and Ctrl-C is heard.
_SECONDS_PER_CALL = 1.0
# And at least so many steps: each call gets its working memory anew from the system, which costs
# CNN_2 a quarter of its speed in calls of a single step.
_STEPS_PER_CALL = 8


class Run(NamedTuple):
    """What trains: every seed's program, arrays and numbers."""

    settings: Any
    numbers: dict  # of the settings, arguments of the programs (settings.split_numbers)
    seeds: Any  # [devices, seeds per device] int32
    programs: Programs
    arrays: Arrays
    replicas: Replicas


def run_epochs(run, progress=None, checkpoints=None, stop=None):
    """Trains all seeds to their end.

    Args:
      run: Run.
      progress, checkpoints: see fit.fit.
      stop: (epoch, history) -> bool [S], seeds that are to stop after this epoch; or None.

    Returns:
      (final train.State on the devices, Checkpoint of where it ended, without its state).
    """
    began = time.perf_counter()
    state, here = _start(run, progress, checkpoints)
    began -= here.seconds
    pace = 1
    for epoch in range(here.epoch + 1, run.settings.epochs + 1):
        active = ~parallel.gather(run.replicas, state.stopped)
        if not active.any():
            break
        state, measured, pace = _train(run, state, epoch, pace, progress)
        entries = means('train', measured, active)
        if run.programs.finish_epoch is not None:
            state, measured = _validate(run, state, epoch)
            entries |= means('validation', measured, active)
        for name, values in entries.items():
            here.history.setdefault(name, []).append(values)
        epochs_run = [int(n + on) for n, on in zip(here.epochs_run, active, strict=True)]
        seconds = time.perf_counter() - began
        here = here._replace(epoch=epoch, epochs_run=epochs_run, seconds=seconds)
        if progress:
            progress.epoch(epoch, here.history)
        if stop:
            stopped = parallel.gather(run.replicas, state.stopped) | stop(epoch, here.history)
            state = state._replace(stopped=parallel.spread(run.replicas, stopped))
        due = bool(checkpoints and checkpoints.due(epoch))
        if parallel.of_first_host(run.replicas, due):
            whole = here._replace(state=parallel.gather(run.replicas, state))
            if checkpoints:
                checkpoints.save(whole)
    return state, here._replace(seconds=time.perf_counter() - began)


def _start(run, progress, checkpoints):
    """The state before the first epoch, or after the last one of an earlier run."""
    state = run.programs.init(run.numbers, run.seeds, run.arrays.pretrained)
    like = parallel.gather(run.replicas, state)
    found = parallel.of_first_host(run.replicas, checkpoints and checkpoints.restore(like))
    if not found:
        return state, Checkpoint(0, None, {}, [0] * run.replicas.count, 0.0, [])
    if progress:
        progress.resume(found.epoch)
    return parallel.spread(run.replicas, found.state), found._replace(state=None)


def _train(run, state, epoch, pace, progress):
    """One epoch in calls of about a second: (state, summed Metrics [S], steps per call)."""
    start, steps = 0, train.steps_per_epoch(run.settings, run.arrays.train_indices.shape[-1])
    measured = no_metrics(run.replicas)
    while start < steps:
        stop = min(steps, start + max(_STEPS_PER_CALL, int(pace)))
        began = time.perf_counter()
        before = nan_search.keep(run.replicas, state) if run.settings.debug_nans else None
        state, measured = _call(run, state, measured, epoch, start, stop)
        seen = parallel.gather(run.replicas, measured)  # waits until it is done
        if before is not None:
            _search_nans(run, before, state, seen, epoch, start, stop)
        seconds = parallel.slowest(run.replicas, time.perf_counter() - began)
        # At most doubled a call: the first one may be slow for reasons of its own.
        pace = min(2 * (stop - start), (stop - start) * _SECONDS_PER_CALL / seconds)
        if progress:
            progress.steps(stop - start, seen)
        start = stop
    return state, seen, pace


def _call(run, state, measured, epoch, start, stop):
    """The steps `start` to `stop` of an epoch, on the devices: (state, Metrics so far)."""
    head_only = epoch <= run.settings.head_epochs
    program = run.programs.train_head if head_only else run.programs.train_steps
    return program(
        *(run.numbers, state, measured, run.seeds, run.arrays.train_indices, run.arrays.train),
        *(np.int32(epoch), np.int32(start), np.int32(stop)),
    )


def _search_nans(run, before, state, seen, epoch, start, stop):
    """Raises ConfigError if the call left a number that is not finite (settings.debug_nans)."""
    after = nan_search.keep(run.replicas, state)
    images_and_labels = jax.tree.map(lambda copies: copies[0], run.arrays.train)
    train_set = (parallel.gather(run.replicas, run.arrays.train_indices), *images_and_labels)
    nan_search.check(
        *(run.settings, run.numbers, before, after, seen, train_set, epoch, start, stop)
    )


def _validate(run, state, epoch):
    """Validation and early stopping: (state, Metrics [S])."""
    validation = (run.arrays.validation_indices, run.arrays.validation)
    state, measured = run.programs.finish_epoch(run.numbers, state, *validation, np.int32(epoch))
    measured = parallel.gather(run.replicas, measured)
    if run.settings.debug_nans:
        nan_search.check_validation(run.settings, measured, epoch)
    return state, measured


def means(name, measured, active):
    """Loss and accuracy per seed as JSON can hold them: None for no number."""

    def numbers(sums):
        with np.errstate(divide='ignore', invalid='ignore'):
            quotients = sums / measured.count
        return [
            float(f'{m:.6g}') if on and math.isfinite(m) else None
            for m, on in zip(quotients, active, strict=True)
        ]

    return {f'{name}_loss': numbers(measured.loss), f'{name}_accuracy': numbers(measured.correct)}
