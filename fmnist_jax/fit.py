"""All seeds of a row: compile once, then epochs in Python and steps on the device."""

import math
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax import evaluate, memory, parallel, train
from fmnist_jax.checkpoint import Checkpoint
from fmnist_jax.programs import compile_programs, no_metrics, place
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
    variables: dict  # {'params', 'batch_stats'}: the chosen ones, numpy [S, ...]
    validation: tuple | None  # (logits [S, n, 10], labels [S, n]) of held-out training images
    train_seconds: float
    compile_seconds: float
    resumed: list  # see checkpoint.Checkpoint
    replicas: parallel.Replicas  # how the seeds were laid out


def fit(settings, dataset, replicas, cache=None, progress=None, pretrained=None, checkpoints=None):
    """Trains all seeds of a row and tests each: an Outcome.

    Seeds that do not fit in the devices' memory at once are trained fewer at a time.

    Args:
      settings: a row's settings.
      dataset: data.Dataset.
      replicas: parallel.Replicas for settings.num_seeds.
      cache: dict that keeps compiled programs for rows that differ in numbers alone.
      progress: has `steps(count, Metrics of numpy [S])`, `epoch(number, history)` and
        `resume(epochs)`, `note(text)`; or None.
      pretrained: {'params', 'batch_stats'} that all seeds start from, any part of each; or None.
      checkpoints: checkpoint.Checkpoints to go on from and to write; or None.

    Raises:
      ConfigError: a single seed does not fit.
    """
    cache = {} if cache is None else cache
    program, _ = split_numbers(settings)
    while True:
        while (program, replicas) in cache:  # it is known that this does not fit
            replicas = cache[program, replicas]
        try:
            return _fit(settings, dataset, replicas, cache, progress, pretrained, checkpoints)
        except (memory.TooLarge, MemoryError, jax.errors.JaxRuntimeError) as error:
            fewer, said = memory.fewer_at_once(replicas, error)
        cache[program, replicas] = fewer
        if progress:
            progress.note(said)


def _fit(settings, dataset, replicas, cache, progress, pretrained, checkpoints):
    """As `fit`, with the seeds laid out as `replicas` says."""
    key, numbers = split_numbers(settings)
    numbers = {path: np.float32(value) for path, value in numbers.items()}
    arrays = place(settings, dataset, replicas, pretrained)
    key = (key, replicas, str(jax.tree.map(jnp.shape, arrays)))
    compile_seconds = 0.0
    if key not in cache:
        cache[key] = compile_programs(settings, numbers, replicas, arrays)
        compile_seconds = cache[key].seconds
    programs = cache[key]
    state, end = _epochs(settings, numbers, programs, arrays, replicas, progress, checkpoints)
    logits, measured = parallel.gather(replicas, programs.test(numbers, state, arrays.test))
    tested = np.asarray(end.epochs_run)
    if state.best is not None:
        tested = parallel.gather(replicas, state.best.epoch)
    return Outcome(
        logits,
        measured.loss / measured.count,
        measured.correct / measured.count,
        tested,
        end.history,
        sum(leaf[0, 0].size for leaf in jax.tree.leaves(state.params)),
        _chosen_variables(replicas, state),
        _validated(programs, numbers, state, arrays, replicas, dataset),
        end.seconds,
        compile_seconds,
        end.resumed,
        replicas,
    )


def _chosen_variables(replicas, state):
    """The parameters that were tested, and batch norm's averages: numpy [S, ...]."""
    best = evaluate.chosen(state)
    return parallel.gather(replicas, {'params': best.params, 'batch_stats': best.batch_stats})


def _validated(programs, numbers, state, arrays, replicas, dataset):
    """(logits, labels) of each seed's validation images, which must not be the test images."""
    if programs.validate is None:
        return None
    images, _ = arrays.validation
    logits = programs.validate(numbers, state, arrays.validation_indices, images)
    logits, indices = parallel.gather(replicas, (logits, arrays.validation_indices))
    return logits, dataset.train_labels[indices]


def _epochs(settings, numbers, programs, arrays, replicas, progress, checkpoints):
    """The epoch loop: (final state on the devices, Checkpoint of where it ended, without state)."""
    began = time.perf_counter()
    first = settings.seed
    seeds = np.arange(first, first + replicas.count, dtype=np.int32)
    seeds = parallel.spread(replicas, seeds)
    state = programs.init(numbers, seeds, arrays.pretrained)
    here = Checkpoint(0, None, {}, [0] * replicas.count, 0.0, [])
    found = checkpoints and checkpoints.restore(parallel.gather(replicas, state))
    if found:
        state, here = parallel.spread(replicas, found.state), found._replace(state=None)
        if progress:
            progress.resume(here.epoch)
    began -= here.seconds
    steps = train.steps_per_epoch(settings, arrays.train_indices.shape[-1])
    nothing, pace = no_metrics(replicas), 1

    def advance(state, measured, epoch, start, stop):
        head_only = epoch <= settings.head_epochs
        program = programs.train_head if head_only else programs.train_steps
        return program(
            *(numbers, state, measured, seeds, arrays.train_indices, arrays.train),
            *(np.int32(epoch), np.int32(start), np.int32(stop)),
        )

    for epoch in range(here.epoch + 1, settings.epochs + 1):
        active = ~parallel.gather(replicas, state.stopped)
        if not active.any():
            break
        run = _run_epoch(advance, state, nothing, replicas, epoch, steps, pace, progress)
        state, measured, pace = run
        entries = _means('train', measured, active)
        if programs.finish_epoch is not None:
            state, measured = programs.finish_epoch(
                *(numbers, state, arrays.validation_indices, arrays.validation, np.int32(epoch))
            )
            entries |= _means('validation', parallel.gather(replicas, measured), active)
        for name, values in entries.items():
            here.history.setdefault(name, []).append(values)
        epochs_run = [int(n + on) for n, on in zip(here.epochs_run, active, strict=True)]
        seconds = time.perf_counter() - began
        here = here._replace(epoch=epoch, epochs_run=epochs_run, seconds=seconds)
        if progress:
            progress.epoch(epoch, here.history)
        if checkpoints and checkpoints.due(epoch):
            checkpoints.save(here._replace(state=parallel.gather(replicas, state)))
    return state, here._replace(seconds=time.perf_counter() - began)


def _run_epoch(advance, state, measured, replicas, epoch, steps, pace, progress):
    """One epoch in calls of about a second: (state, summed Metrics [S], steps per call)."""
    start = 0
    while start < steps:
        stop = min(steps, start + max(_STEPS_PER_CALL, int(pace)))
        began = time.perf_counter()
        state, measured = advance(state, measured, epoch, start, stop)
        seen = parallel.gather(replicas, measured)  # waits until it is done
        seconds = time.perf_counter() - began
        # At most doubled a call: the first one may be slow for reasons of its own.
        pace = min(2 * (stop - start), (stop - start) * _SECONDS_PER_CALL / seconds)
        if progress:
            progress.steps(stop - start, seen)
        start = stop
    return state, seen, pace


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
