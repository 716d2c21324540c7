"""Trains all seeds of a row together: epochs in Python, steps on the devices."""

import math
import time
from typing import NamedTuple

import jax
import numpy as np

from fmnist_jax.config.settings import split_static
from fmnist_jax.fit import checkpoint, debug_nans, memory, mesh
from fmnist_jax.fit.checkpoint import Checkpoint
from fmnist_jax.fit.compile import epoch_metrics, init_args, prepare
from fmnist_jax.train.epoch import selected
from fmnist_jax.train.step import evaluated

_SECONDS_PER_CALL = 1.0  # of the compiled loop, about: for the progress bar and Ctrl-C
_STEPS_PER_CALL = 8  # at least: each call allocates its working memory anew


class FitResult(NamedTuple):
    """The result of a training; the first axis of every array is the seed."""

    logits: np.ndarray  # [S, test images, classes]
    test_loss: np.ndarray  # [S]
    test_accuracy: np.ndarray  # [S]
    tested_epoch: np.ndarray  # [S] the epoch whose parameters are tested, from 1
    last_accuracy: np.ndarray | None  # [S] test accuracy after the last epoch; None if it is tested
    history: dict  # name -> one list of S numbers per epoch (None where a seed had stopped)
    parameters: int  # of one network, frozen ones included
    variables: dict  # {'params', 'batch_stats'}: the tested ones, numpy [S, ...]
    validation: tuple | None  # (logits [S, n, classes], labels [S, n]) of held-out training images
    train_seconds: float
    compile_seconds: float
    resumed: list  # see checkpoint.Checkpoint
    layout: mesh.Layout

    def __repr__(self):
        accuracy = 100 * self.test_accuracy
        count, epochs = len(accuracy), len(self.history['train_loss'])
        spread = f' ± {accuracy.std(ddof=1):.2f} (standard deviation)' if count > 1 else ''
        return (
            f'FitResult({count} seed{"s" * (count > 1)}, {epochs} epoch{"s" * (epochs > 1)}, '
            f'test accuracy {accuracy.mean():.2f} %{spread}, trained in {self.train_seconds:.1f} s)'
        )


def fit(settings, dataset, layout, cache=None, progress=None, pretrained=None, checkpoints=None):
    """Trains all seeds of a row, fewer at a time if memory is short, and tests each: FitResult.

    Args:
      layout: mesh.Layout of settings.num_seeds seeds.
      cache: dict that keeps compiled programs for rows that differ in hyper-parameters only.
      progress: progress.RowProgress or an object with its methods.
      pretrained: {'params', 'batch_stats'} that all seeds start from, any part of each.
      checkpoints: checkpoint.Checkpoints to resume from and to write.

    Raises:
      ConfigError: a single seed does not fit; a number that settings.debug_nans found.
      KeyboardInterrupt: Ctrl-C or SIGTERM; with `checkpoints` the last steps are saved first.
    """
    hparams = {path: np.float32(value) for path, value in split_static(settings)[1].items()}
    seeds = np.arange(settings.seed, settings.seed + settings.num_seeds, dtype=np.int32)

    def train_and_test(layout, cache):
        run = prepare(settings, hparams, seeds, dataset, layout, cache, pretrained)
        state, position = run_epochs(run, progress, checkpoints)
        return _test(run, state, position, dataset)

    return memory.fewer_until_they_fit(train_and_test, settings, layout, cache, progress)


def run_epochs(run, progress=None, checkpoints=None, stop=None):
    """Trains all seeds to their end: (State on the devices, Checkpoint without its state).

    stop: (epoch, history) -> bool [S], seeds that stop after this epoch.
    """
    # Host 0 writes the checkpoints of all hosts, so the others catch signals without having any.
    catch = checkpoints is not None or mesh.several_hosts(run.layout)
    with checkpoint.catch_signals(catch) as interrupted:
        state, position = _start(run, progress, checkpoints)
        keeper = checkpoint.Keeper(run, checkpoints, interrupted, position.seconds)
        pace = 1
        for epoch in range(position.epoch + 1, run.settings.epochs + 1):
            active = ~mesh.gather(run.layout, state.stopped)
            if not active.any():
                break
            state, metrics, pace = _train_epoch(run, state, position, pace, progress, keeper)
            _record(position.history, 'train', metrics, active)
            if run.data.validation is not None:
                state, metrics = _validate(run, state, epoch)
                _record(position.history, 'validation', metrics, active)
            epochs_run = [int(n + on) for n, on in zip(position.epochs_run, active, strict=True)]
            position = position._replace(epoch=epoch, epochs_run=epochs_run, steps=0, measured=None)
            if progress:
                progress.epoch(epoch, position.history)
            if stop:
                stopped = mesh.gather(run.layout, state.stopped) | stop(epoch, position.history)
                state = state._replace(stopped=mesh.shard(run.layout, stopped))
            keeper.offer(state, position)
        return state, position._replace(seconds=keeper.seconds())


def _start(run, progress, checkpoints):
    """(State, Checkpoint without it) before the first step, or where an earlier run ended."""
    state = run.programs.init(run.hparams, *init_args(run.seeds, run.data))
    like = mesh.gather(run.layout, state)
    restored = mesh.broadcast(run.layout, checkpoints and checkpoints.restore(like))
    if not restored:
        return state, Checkpoint(0, None, {}, [0] * run.layout.count, 0.0, [])
    if progress:
        progress.resume(restored.epoch, restored.steps)
    return mesh.shard(run.layout, restored.state), restored._replace(state=None)


def _train_epoch(run, state, position, pace, progress, keeper):
    """Trains the rest of an epoch: (State, Metrics as numpy [S], steps of the next call)."""
    epoch, start, steps = position.epoch + 1, position.steps, run.steps_per_epoch
    head = epoch <= run.settings.head_epochs
    train = run.programs.train_head if head else run.programs.train_steps
    metrics = epoch_metrics(run.layout, position.measured)
    while start < steps:
        stop = min(steps, start + max(_STEPS_PER_CALL, int(pace)))
        began = time.perf_counter()
        before = debug_nans.copy(run.layout, state) if run.settings.debug_nans else None
        data = (run.data.train_indices, run.data.examples)
        steps_now = np.int32([epoch, start, stop])
        state, metrics = train(run.hparams, state, metrics, run.seeds, *data, *steps_now)
        sums = mesh.gather(run.layout, metrics)  # waits for the devices
        if before is not None:
            debug_nans.check(run, before, state, sums, epoch, start, stop)
        seconds = mesh.all_max(run.layout, time.perf_counter() - began)
        # At most doubled from call to call, because the first one may be slow.
        pace = min(2 * (stop - start), (stop - start) * _SECONDS_PER_CALL / seconds)
        if progress:
            progress.steps(stop - start, sums)
        start = stop
        if start < steps:
            measured = [values.tolist() for values in sums]
            keeper.offer(state, position._replace(steps=start, measured=measured))
    return state, sums, pace


def _validate(run, state, epoch):
    """Validation and early stopping: (State, Metrics as numpy [S])."""
    _, metrics = _evaluate(run, evaluated(state), run.data.validation)
    if state.best is not None:
        state = run.programs.keep_best(run.hparams, state, metrics, np.int32(epoch))
    metrics = mesh.gather(run.layout, metrics)
    if run.settings.debug_nans:
        debug_nans.check_validation(run, metrics, epoch)
    return state, metrics


def _evaluate(run, variables, part):
    """(logits, Metrics) of (params, batch_stats) on a Part of the data, on the devices."""
    return run.programs.evaluate(run.hparams, *variables, *part, run.data.examples)


def _record(history, name, metrics, active):
    """Appends every seed's loss and accuracy, for JSON: None if it has stopped or diverged."""
    for quantity, sums in (('loss', metrics.loss), ('accuracy', metrics.correct)):
        with np.errstate(divide='ignore', invalid='ignore'):
            means = np.where(active & np.isfinite(metrics.loss), sums / metrics.count, np.nan)
        values = [float(f'{mean:.6g}') if math.isfinite(mean) else None for mean in means]
        history.setdefault(f'{name}_{quantity}', []).append(values)


def tested_epochs(run, state, position):
    """int [S], the epoch whose parameters are tested, from 1."""
    best = state.best
    return np.array(position.epochs_run) if best is None else mesh.gather(run.layout, best.epoch)


def _test(run, state, position, dataset):
    """Tests the selected parameters of every seed: FitResult."""
    tested, layout = selected(state), run.layout

    def measured(variables, part):
        """Logits [S, n, classes] and Metrics [S], numpy."""
        logits, metrics = mesh.gather(layout, _evaluate(run, variables, part))
        return logits[:, : part.count], metrics

    logits, metrics = measured(tested, run.data.test)
    last_accuracy = validation = None
    if state.best is not None:
        _, last_metrics = measured(evaluated(state), run.data.test)
        last_accuracy = last_metrics.correct / last_metrics.count
    if run.settings.dataset.num_validation and not run.settings.dataset.validate_on_test:
        held_out = run.data.validation
        indices = mesh.gather(layout, held_out.indices)[:, : held_out.count]
        validation = (measured(tested, held_out)[0], dataset.train_labels[indices])
    return FitResult(
        logits=logits,
        test_loss=metrics.loss / metrics.count,
        test_accuracy=metrics.correct / metrics.count,
        tested_epoch=tested_epochs(run, state, position),
        last_accuracy=last_accuracy,
        history=position.history,
        parameters=sum(math.prod(leaf.shape[2:]) for leaf in jax.tree.leaves(state.params)),
        variables=mesh.gather(layout, dict(zip(('params', 'batch_stats'), tested, strict=True))),
        validation=validation,
        train_seconds=position.seconds,
        compile_seconds=run.compile_seconds,
        resumed=position.resumed,
        layout=layout,
    )
