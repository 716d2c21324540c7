"""The epoch loop: epochs in Python, steps on the device, for all seeds of a row at once."""

import contextlib
import math
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax.fit import checkpoint, debug_nans, mesh
from fmnist_jax.fit.checkpoint import Checkpoint
from fmnist_jax.fit.compile import DeviceData, Programs, no_metrics
from fmnist_jax.fit.mesh import Layout
from fmnist_jax.train import losses, step

# A call of the compiled loop lasts about this long, so that the bar moves and Ctrl-C is heard.
_SECONDS_PER_CALL = 1.0
# And at least so many steps: each call gets its working memory anew from the system, which costs
# CNN_2 a quarter of its speed in calls of a single step.
_STEPS_PER_CALL = 8


class Run(NamedTuple):
    """What trains: every seed's program, arrays and numbers."""

    settings: Any
    hparams: dict  # of the settings, arguments of the programs (settings.split_numbers)
    seeds: Any  # [devices, seeds per device] int32
    programs: Programs
    arrays: DeviceData
    layout: Layout


def run_epochs(run, progress=None, checkpoints=None, stop=None):
    """Trains all seeds to their end.

    Args:
      run: Run.
      progress, checkpoints: see fit.fit. After Ctrl-C or SIGTERM one more is written, in the
        middle of the epoch if need be, before the run ends.
      stop: (epoch, history) -> bool [S], seeds that are to stop after this epoch; or None.

    Returns:
      (final train.State on the devices, Checkpoint of where it ended, without its state).

    Raises:
      KeyboardInterrupt: one of these signals came.
    """
    # Without checkpoints there is nothing to keep; of several hosts the first has them for all.
    note = checkpoints is not None or mesh.several_hosts(run.layout)
    with checkpoint.noted() if note else contextlib.nullcontext(lambda: False) as came:
        return _run_epochs(run, progress, _Keeper(run, checkpoints, came), stop)


def _run_epochs(run, progress, keeper, stop):
    """See run_epochs."""
    state, here = _start(run, progress, keeper.checkpoints)
    keeper.began = time.perf_counter() - here.seconds
    pace = 1
    for epoch in range(here.epoch + 1, run.settings.epochs + 1):
        active = ~mesh.gather(run.layout, state.stopped)
        if not active.any():
            break
        state, measured, pace = _train(run, state, here, pace, progress, keeper)
        entries = means('train', measured, active)
        if run.programs.validate is not None:
            state, measured = _validate(run, state, epoch)
            entries |= means('validation', measured, active)
        for name, values in entries.items():
            here.history.setdefault(name, []).append(values)
        epochs_run = [int(n + on) for n, on in zip(here.epochs_run, active, strict=True)]
        here = here._replace(epoch=epoch, epochs_run=epochs_run, steps=0, measured=None)
        if progress:
            progress.epoch(epoch, here.history)
        if stop:
            stopped = mesh.gather(run.layout, state.stopped) | stop(epoch, here.history)
            state = state._replace(stopped=mesh.shard(run.layout, stopped))
        keeper.offer(state, here)
    return state, here._replace(seconds=time.perf_counter() - keeper.began)


class _Keeper:
    """Has checkpoints written: when they are due, and when the run is to end."""

    def __init__(self, run, checkpoints, came):
        """came: () -> bool, whether a signal came that is to end the run."""
        self.checkpoints, self.began = checkpoints, 0.0
        self._run, self._came = run, came

    def offer(self, state, here):
        """A State that can be kept, and the Checkpoint of where it stands, without it.

        Raises:
          KeyboardInterrupt: a signal came, to any of the hosts.
        """
        layout, kept = self._run.layout, self.checkpoints
        asked = bool(mesh.all_max(layout, float(self._came())))
        due = asked or bool(kept and kept.due(here))
        if mesh.broadcast(layout, due):
            seconds = time.perf_counter() - self.began
            whole = here._replace(state=mesh.gather(layout, state), seconds=seconds)
            if kept:
                kept.save(whole, here.epoch * _steps_per_epoch(self._run) + here.steps)
        if asked:
            raise KeyboardInterrupt


def _steps_per_epoch(run):
    return step.steps_per_epoch(run.settings, run.arrays.train_indices.shape[-1])


def _start(run, progress, checkpoints):
    """The state before the first step, or where an earlier run ended."""
    state = run.programs.init(run.hparams, run.seeds, run.arrays.pretrained)
    like = mesh.gather(run.layout, state)
    found = mesh.broadcast(run.layout, checkpoints and checkpoints.restore(like))
    if not found:
        return state, Checkpoint(0, None, {}, [0] * run.layout.count, 0.0, [])
    if progress:
        progress.resume(found.epoch, found.steps)
    return mesh.shard(run.layout, found.state), found._replace(state=None)


def _train(run, state, here, pace, progress, keeper):
    """The rest of an epoch in calls of about a second: (state, summed Metrics [S], steps a call).

    here: Checkpoint of where `state` stands.
    """
    epoch, start = here.epoch + 1, here.steps
    steps = _steps_per_epoch(run)
    if here.steps:
        measured = mesh.shard(run.layout, losses.from_lists(here.measured))
    else:
        measured = no_metrics(run.layout)
    while start < steps:
        stop = min(steps, start + max(_STEPS_PER_CALL, int(pace)))
        began = time.perf_counter()
        before = debug_nans.keep(run.layout, state) if run.settings.debug_nans else None
        state, measured = _call(run, state, measured, epoch, start, stop)
        seen = mesh.gather(run.layout, measured)  # waits until it is done
        if before is not None:
            _search_nans(run, before, state, seen, epoch, start, stop)
        seconds = mesh.all_max(run.layout, time.perf_counter() - began)
        # At most doubled a call: the first one may be slow for reasons of its own.
        pace = min(2 * (stop - start), (stop - start) * _SECONDS_PER_CALL / seconds)
        if progress:
            progress.steps(stop - start, seen)
        start = stop
        if start < steps:
            keeper.offer(state, here._replace(steps=start, measured=losses.to_lists(seen)))
    return state, seen, pace


def _call(run, state, measured, epoch, start, stop):
    """The steps `start` to `stop` of an epoch, on the devices: (state, Metrics so far)."""
    head_only = epoch <= run.settings.head_epochs
    program = run.programs.train_head if head_only else run.programs.train_steps
    return program(
        *(run.hparams, state, measured, run.seeds, run.arrays.train_indices, run.arrays.train),
        *(np.int32(epoch), np.int32(start), np.int32(stop)),
    )


def _search_nans(run, before, state, seen, epoch, start, stop):
    """Raises ConfigError if the call left a number that is not finite (settings.debug_nans)."""
    after = debug_nans.keep(run.layout, state)
    images_and_labels = jax.tree.map(lambda copies: copies[0], run.arrays.train)
    train_set = (mesh.gather(run.layout, run.arrays.train_indices), *images_and_labels)
    debug_nans.check(
        *(run.settings, run.hparams, before, after, seen, train_set, epoch, start, stop)
    )


def _validate(run, state, epoch):
    """Validation and early stopping: (state, Metrics [S])."""
    validation = (run.arrays.validation_indices, run.arrays.validation)
    state, measured = run.programs.validate(run.hparams, state, *validation, np.int32(epoch))
    measured = mesh.gather(run.layout, measured)
    if run.settings.debug_nans:
        debug_nans.check_validation(run.settings, measured, epoch)
    return state, measured


def means(name, measured, active):
    """Loss and accuracy per seed as JSON can hold them: None for no number."""

    def hparams(sums):
        with np.errstate(divide='ignore', invalid='ignore'):
            quotients = sums / measured.count
        return [
            float(f'{m:.6g}') if on and math.isfinite(m) else None
            for m, on in zip(quotients, active, strict=True)
        ]

    return {f'{name}_loss': hparams(measured.loss), f'{name}_accuracy': hparams(measured.correct)}
