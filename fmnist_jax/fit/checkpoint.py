"""Checkpoints of the running row, which orbax writes in the background, and Ctrl-C.

A checkpoint holds every seed's state as plain arrays [S, ...], so a run may resume on more or fewer
devices. Orbax keeps no checksum of the data: ours is in its `meta`.
"""

import contextlib
import functools
import hashlib
import json
import logging
import operator
import os
import pathlib
import shutil
import signal
import sys
import threading
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax import files
from fmnist_jax.config.settings import difference
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.fit import mesh

_MESSAGE = b'\nstopping as soon as the last steps are kept; once more stops at once\n'
_SECONDS_BETWEEN = 60.0  # with checkpoint_epochs=0; twice as many within an epoch


@contextlib.contextmanager
def catch_signals(enabled=True):
    """Catches the first Ctrl-C (SIGINT) or SIGTERM; yields () -> bool, whether one came.

    The next one acts as usual. Ignored signals (`nohup`) stay ignored.
    """
    caught, handlers = [], {}

    def restore():
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def handle(number, frame):
        caught.append(number)
        restore()
        os.write(2, _MESSAGE)  # print() may be what the signal interrupts

    if enabled and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                handlers[number] = signal.signal(number, handle)
    try:
        yield lambda: bool(caught)
    finally:
        restore()


@functools.cache
def orbax():
    """orbax.checkpoint, imported with the first checkpoint: short rows do not need it."""
    import orbax.checkpoint as ocp

    # We report errors in one line: drop the tracebacks of orbax's threads.
    logging.getLogger('absl').addFilter(lambda record: 'orbax' not in record.pathname)
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    hook = sys.unraisablehook

    def quieter(unraisable):
        if 'Event loop is closed' not in str(unraisable.exc_value):  # after a damaged file
            hook(unraisable)

    sys.unraisablehook = quieter
    return ocp


def _this_host_alone():
    """The option by which orbax does not wait for other hosts."""
    host = jax.process_index()
    return orbax().options.MultiprocessingOptions(primary_host=host, active_processes={host})


def _make_manager(folder, keep):
    """Orbax's manager of a folder with the latest `keep` checkpoints and the best."""
    ocp = orbax()
    folder.mkdir(parents=True, exist_ok=True)  # orbax does not make it if hosts are named
    from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

    score = operator.itemgetter('score')
    # `max_to_keep` would delete the latest checkpoint unless it is the best.
    kept = [policy.LatestN(keep), policy.BestN(get_metric_fn=score, n=1)]
    options = ocp.CheckpointManagerOptions(
        best_fn=score,
        best_mode='max',
        preservation_policy=policy.AnyPreservationPolicy(kept),
        multiprocessing_options=_this_host_alone(),
        create=False,
    )
    return ocp.CheckpointManager(folder, options=options)


def _read_intact(path):
    """(meta, [(name, array)]) of a checkpoint; raises any error if it is damaged."""
    ocp, alone = orbax(), _this_host_alone()
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    args = ocp.args.Composite(state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore())
    with ocp.Checkpointer(handler, multiprocessing_options=alone) as reader:
        content = reader.restore(path, args=args)
    meta, leaves = content.meta, [array for _, array in sorted(content.state.items())]
    named = list(zip(meta.pop('names'), leaves, strict=True))
    if meta.pop('sha256') != _digest(named, meta):
        raise ValueError('its content does not match its checksum')
    return meta, named


class Checkpoint(NamedTuple):
    """A position in a row's training, with the fields of the file."""

    epoch: int  # the last finished one
    state: Any  # train.step.State of numpy arrays [S, ...]
    history: dict  # name -> one list of S numbers per epoch
    epochs_run: list  # [S] epochs that each seed trained
    seconds: float  # training time so far
    resumed: list  # {'epoch', 'steps', 'commit'} of each checkpoint that the run resumed from
    steps: int = 0  # finished steps of the next epoch
    measured: list | None = None  # Metrics of these steps, a list [S] of each sum


def _named_leaves(state):
    """[(name, array)] of a state, in a fixed order."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in leaves]


def _digest(named, facts):
    """SHA-256 of the arrays, their names, shapes and types, and of all other content."""
    digest = hashlib.sha256(repr(facts).encode())
    for name, array in named:
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class Checkpoints:
    """The checkpoints of one row's seeds, in a folder of their own.

    Args:
      identity: nested dict of JSON values that identifies the run: settings, seeds, weights.
      commit: of the code; see `Checkpoint.resumed`.
      every_epochs: epochs between checkpoints; 0 means once a minute.
      keep: latest checkpoints to keep, beside the best on the validation set; 0 writes none.
      say: prints one line for the user.
    """

    def __init__(self, folder, identity, commit, every_epochs, keep, say):
        self.folder = pathlib.Path(folder).absolute()
        self._identity, self._commit, self._say = identity, commit, say
        self._every, self._keep = every_epochs, keep
        self._manager, self._last = None, time.monotonic()

    def due(self, position):
        """Whether to write a checkpoint at this position, a Checkpoint without its state."""
        if self._keep == 0:
            return False
        if self._every:
            return position.steps == 0 and position.epoch % self._every == 0
        between = 2 * _SECONDS_BETWEEN if position.steps else _SECONDS_BETWEEN
        return time.monotonic() - self._last >= between

    def save(self, checkpoint, step):
        """Hands a Checkpoint to orbax, named by its step; an error costs only the checkpoints."""
        if self._keep == 0:
            return
        # Copies, because on a CPU the next training step reuses the arrays' memory.
        named = [(name, np.array(leaf)) for name, leaf in _named_leaves(checkpoint.state)]
        facts = checkpoint._replace(state=None)._asdict()
        facts |= {'identity': self._identity, 'commit': self._commit}
        facts = json.loads(json.dumps(facts))  # a copy: the history grows while orbax writes
        meta = facts | {'names': [name for name, _ in named], 'sha256': _digest(named, facts)}
        try:
            args = orbax().args
            self._manager = self._manager or _make_manager(self.folder, self._keep)
            arrays = {f'{i:04}': array for i, (_, array) in enumerate(named)}
            content = args.Composite(state=args.StandardSave(arrays), meta=args.JsonSave(meta))
            self._manager.save(step, args=content, metrics={'score': _score(checkpoint)})
        except Exception as error:  # orbax raises the errors of its threads and of TensorStore
            self._give_up(error)
        self._last = time.monotonic()

    def _give_up(self, error):
        self._keep = 0
        for unfinished in self.folder.glob('*.orbax-checkpoint-tmp*'):
            shutil.rmtree(unfinished, ignore_errors=True)  # room for the results
        failed = 'no checkpoint could be written, training goes on without'
        self._say(f'{self.folder}: {failed}: {one_line(error, 300)}')

    def restore(self, like):
        """The latest intact Checkpoint, or None; deletes damaged ones, refuses another run's."""
        paths = self.folder.iterdir() if self.folder.is_dir() else ()
        complete = [path for path in paths if path.name.isdigit()]  # orbax names others otherwise
        for path in sorted(complete, key=lambda path: int(path.name), reverse=True):
            try:
                meta, named = _read_intact(path)
            except MemoryError:
                raise
            except Exception as error:  # orbax, JSON and zarr raise anything on damaged files
                self._say(f'{path}: damaged checkpoint, deleted ({one_line(error, 200)})')
                shutil.rmtree(path, ignore_errors=True)
                continue
            commit = meta.pop('commit')
            self._refuse_others(meta.pop('identity'), named, like, commit)
            within = {'steps': meta['steps']} if meta.get('steps') else {}
            meta['resumed'].append({'epoch': meta['epoch'], **within, 'commit': commit})
            leaves = [array for _, array in named]
            meta['state'] = jax.tree.unflatten(jax.tree.structure(like), leaves)
            return Checkpoint(**meta)
        return None

    def _refuse_others(self, identity, named, like, commit):
        """Refuses the content of another run's checkpoint, or of another version of the code."""
        changes = difference(identity, self._identity)
        if changes:
            raise ConfigError(
                f'{self.folder}: checkpoints of another run ({one_line("; ".join(changes))}); '
                'set these back, or delete that folder to start the row again'
            )
        expected, found = (
            [(name, leaf.shape, leaf.dtype) for name, leaf in leaves]
            for leaves in (_named_leaves(like), named)
        )
        if expected != found:
            raise ConfigError(
                f'{self.folder}: checkpoints of another version of the code (commit {commit}); '
                'finish the row with that version, or delete that folder to start the row again'
            )

    def close(self):
        """Waits for the checkpoint that is being written."""
        manager, self._manager = self._manager, None
        try:
            if manager is not None:
                manager.wait_until_finished()
                manager.close()
        except Exception as error:
            self._give_up(error)

    def discard(self):
        """Deletes the checkpoints, once the seeds' result is on the disk."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        files.remove_empty(self.folder.parent, self.folder.parent.parent)


def _score(checkpoint):
    """Mean validation accuracy, or the epoch without validation; -1 within an epoch."""
    history = checkpoint.history
    if checkpoint.steps:
        return -1.0
    if 'validation_accuracy' not in history:
        return float(len(history['train_loss']))
    known = [v for v in history['validation_accuracy'][-1] if v is not None]
    return float(np.mean(known)) if known else -1.0


class Keeper:
    """Writes checkpoints while a row trains: when one is due, and when a signal ends the run."""

    def __init__(self, run, checkpoints, interrupted, seconds):
        self._run, self._checkpoints, self._interrupted = run, checkpoints, interrupted
        self._began = time.perf_counter() - seconds

    def seconds(self):
        """Training time so far, that of earlier runs included."""
        return time.perf_counter() - self._began

    def offer(self, state, position):
        """Writes a checkpoint if it is time; KeyboardInterrupt if a signal came to any host."""
        layout, checkpoints = self._run.layout, self._checkpoints
        ends = bool(mesh.all_max(layout, float(self._interrupted())))
        due = ends or bool(checkpoints and checkpoints.due(position))
        if mesh.broadcast(layout, due):
            state = mesh.gather(layout, state)
            if checkpoints:
                step = position.epoch * self._run.steps_per_epoch + position.steps
                checkpoints.save(position._replace(state=state, seconds=self.seconds()), step)
        if ends:
            raise KeyboardInterrupt
