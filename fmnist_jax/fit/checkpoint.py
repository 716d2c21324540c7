"""Checkpoints of the row that trains: orbax writes them while training goes on.

A checkpoint holds every seed's state after an epoch, or within one, as plain arrays [S, ...],
whatever the devices were, so a run may go on with more or fewer of them. Orbax makes a checkpoint
visible only when it is complete, but keeps no checksum of the data: ours is in its `meta`. A
damaged checkpoint is deleted and the one before it is used.
"""

import contextlib
import functools
import hashlib
import json
import logging
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

# Ctrl-C, and the SIGTERM of `kill` or a cluster: training ends where it can go on.

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAID = b'\nstopping as soon as the last steps are kept; once more stops at once\n'


@contextlib.contextmanager
def noted():
    """Within this the first of these signals is noted alone; the next acts as it always did.

    A signal that is ignored (`nohup`) stays so. Threads other than the main one get none.

    Yields:
      () -> bool, whether one came.
    """
    came, before = [], {}

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number, frame):
        came.append(number)
        restore()
        os.write(2, _SAID)  # print() may be what was interrupted

    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        restore()


# Checkpoints as orbax keeps them: its manager, its quiet, one folder read on its own.


@functools.cache
def orbax():
    """Imported when the first checkpoint is due: half a second that short rows do not need."""
    import orbax.checkpoint as ocp

    # Tracebacks of its threads: what they raise is told in one line here.
    logging.getLogger('absl').addFilter(lambda record: 'orbax' not in record.pathname)
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    hook = sys.unraisablehook

    def quieter(unraisable):
        """Reading a damaged file leaves threads behind that complain of this, many times."""
        if 'Event loop is closed' not in str(unraisable.exc_value):
            hook(unraisable)

    sys.unraisablehook = quieter
    return ocp


def _alone():
    """Orbax's word for: this host alone reads and writes, the others do not wait for it."""
    me = jax.process_index()
    return orbax().options.MultiprocessingOptions(primary_host=me, active_processes={me})


def make_manager(folder, keep):
    """A manager of the checkpoints in a folder: the latest `keep` of them and the best."""
    ocp = orbax()
    folder.mkdir(parents=True, exist_ok=True)  # orbax makes none where hosts are named
    from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

    def score(metrics):
        return metrics['score']

    # With `best_fn` and `max_to_keep` alone the latest would go as soon as it is not the best.
    kept = [policy.LatestN(keep), policy.BestN(get_metric_fn=score, n=1)]
    options = ocp.CheckpointManagerOptions(
        best_fn=score,
        best_mode='max',
        preservation_policy=policy.AnyPreservationPolicy(kept),
        multiprocessing_options=_alone(),
        create=False,
    )
    return ocp.CheckpointManager(folder, options=options)


def write(manager, step, meta, arrays, score):
    """Hands a checkpoint to a manager, which writes it in the background.

    Args:
      manager: of `make_manager`.
      step: its number.
      meta: what JSON can hold.
      arrays: {name: numpy array}.
      score: by which one is the best.
    """
    args = orbax().args
    manager.save(
        step,
        args=args.Composite(state=args.StandardSave(arrays), meta=args.JsonSave(meta)),
        metrics={'score': score},
    )


def read(path):
    """(meta, {name: array}) of one checkpoint's folder.

    Read on its own: its neighbours may be damaged, and a manager looks at them all.
    """
    ocp, alone = orbax(), {'multiprocessing_options': _alone()}
    handler = ocp.CompositeCheckpointHandler(composite_options=ocp.CompositeOptions(**alone))
    with ocp.Checkpointer(handler, **alone) as reader:
        found = reader.restore(
            path,
            args=ocp.args.Composite(state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore()),
        )
    return found.meta, found.state


# With checkpoint_epochs=0: after the first epoch that ends so long after the last checkpoint, and
# within an epoch that lasts longer than twice that.
_SECONDS_BETWEEN = 60.0


class Checkpoint(NamedTuple):
    """Where a row's training stands; every array's first axis is the seed."""

    epoch: int  # the last that is finished
    state: Any  # train.State of numpy arrays [S, ...]
    history: dict  # name -> one list of S numbers per epoch
    epochs_run: list  # [S] epochs that each seed trained
    seconds: float  # training time so far
    resumed: list  # {'epoch', 'steps', 'commit'}: what the run went on from, by which code
    steps: int = 0  # of the next epoch that are done
    measured: list | None = None  # metrics.to_lists of these


def _named_leaves(state):
    """[(name, array)] of a state, in a fixed order."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in leaves]


def _digest(named, facts):
    """SHA-256 of the arrays, their names, shapes and types, and of all else that is kept."""
    digest = hashlib.sha256(repr(facts).encode())
    for name, array in named:
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _facts(checkpoint, identity):
    """Everything but the arrays, as JSON can hold it."""
    return checkpoint._replace(state=None)._asdict() | identity


class Checkpoints:
    """The checkpoints of one row's seeds, in a folder of their own.

    Args:
      folder: absolute or relative path; made with the first checkpoint.
      identity: nested dict of JSON values that tells this run from another: settings, seeds,
        weights. A field that a checkpoint is too old to have counts as off (settings.difference).
      commit: of the code, kept beside each checkpoint; see `Checkpoint.resumed`.
      every_epochs: how often; 0 means once a minute.
      keep: how many of the latest, beside the best on the validation set; 0 means none at all.
      say: prints one line for the user.
    """

    def __init__(self, folder, identity, commit, every_epochs, keep, say):
        self.folder = pathlib.Path(folder).absolute()
        self._identity, self._commit, self._say = identity, commit, say
        self._every, self._keep = every_epochs, keep
        self._manager, self._last = None, time.monotonic()

    def due(self, here):
        """Whether a checkpoint is to be written where training stands; here: a Checkpoint."""
        if self._keep == 0:
            return False
        if self._every:
            return here.steps == 0 and here.epoch % self._every == 0
        between = 2 * _SECONDS_BETWEEN if here.steps else _SECONDS_BETWEEN
        return time.monotonic() - self._last >= between

    def save(self, checkpoint, step):
        """Hands a checkpoint to orbax, which writes it in the background.

        A disk that cannot take it costs the checkpoint, not the run: told in one line.

        Args:
          checkpoint: a Checkpoint with its state.
          step: optimizer steps of its epochs and its `steps`, the checkpoint's name.
        """
        if self._keep == 0:
            return
        # A CPU's arrays come without a copy: the next step takes over their memory, and orbax
        # would write what it finds there by then.
        named = [(name, np.array(leaf)) for name, leaf in _named_leaves(checkpoint.state)]
        facts = _facts(checkpoint, {'identity': self._identity, 'commit': self._commit})
        facts = json.loads(json.dumps(facts))  # a copy: the history grows while orbax writes
        meta = facts | {'names': [name for name, _ in named], 'sha256': _digest(named, facts)}
        try:
            self._manager = self._manager or make_manager(self.folder, self._keep)
            arrays = {f'{i:04}': array for i, (_, array) in enumerate(named)}
            score = _score(checkpoint)
            write(self._manager, step, meta, arrays, score)
        except Exception as error:  # orbax passes on what its threads and TensorStore raise
            self._give_up(error)
        self._last = time.monotonic()

    def _give_up(self, error):
        self._keep = 0
        for unfinished in self.folder.glob('*.orbax-checkpoint-tmp*'):
            shutil.rmtree(unfinished, ignore_errors=True)  # room for the results
        reason = str(error).strip().splitlines() or [repr(error)]
        self._say(f'{self.folder}: no checkpoint could be written, training goes on without: '
                  f'{reason[0][:300]}')  # fmt: skip

    def restore(self, like):
        """The latest whole Checkpoint, None if there is none; damaged ones are deleted.

        Args:
          like: train.State of arrays [S, ...]: the structure, shapes and types to expect.

        Raises:
          ConfigError: the checkpoints belong to other settings, seeds or pretrained weights.
        """
        for path in sorted(self._complete(), key=lambda p: int(p.name), reverse=True):
            try:
                meta, arrays = read(path)
                names, leaves = meta.pop('names'), [arrays[k] for k in sorted(arrays)]
                whole = meta.pop('sha256') == _digest(list(zip(names, leaves, strict=True)), meta)
                if not whole:
                    raise ValueError('its content does not match its checksum')
                _check_structure(names, leaves, like)
            except Exception as error:  # whatever damaged bytes make orbax, JSON or zarr raise
                reason = (str(error).strip().splitlines() or [repr(error)])[0][:200]
                self._say(f'{path}: damaged checkpoint, deleted ({reason})')
                shutil.rmtree(path, ignore_errors=True)
                continue
            changes = difference(meta.pop('identity'), self._identity)
            if changes:
                raise ConfigError(
                    f'{self.folder}: checkpoints of another run ({one_line("; ".join(changes))}); '
                    'set these back, or delete that folder to start the row again'
                )
            state = jax.tree.unflatten(jax.tree.structure(like), leaves)
            within = {'steps': meta['steps']} if meta.get('steps') else {}
            meta['resumed'].append({'epoch': meta['epoch'], **within, 'commit': meta.pop('commit')})
            return Checkpoint(**meta | {'state': state})
        return None

    def _complete(self):
        """Folders of finished checkpoints; orbax gives those being written another name."""
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if path.name.isdigit()]

    def close(self):
        """Waits for the checkpoint that is being written."""
        if self._manager is None:
            return
        manager, self._manager = self._manager, None
        try:
            manager.wait_until_finished()
            manager.close()
        except Exception as error:
            self._give_up(error)

    def discard(self):
        """Deletes the checkpoints: the seeds' result is on the disk."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        files.remove_empty(self.folder.parent, self.folder.parent.parent)


def _check_structure(names, leaves, like):
    expected = [(name, leaf.shape, leaf.dtype) for name, leaf in _named_leaves(like)]
    found = [(name, leaf.shape, leaf.dtype) for name, leaf in zip(names, leaves, strict=True)]
    if expected != found:
        raise ValueError('written by another version of the code')


def _score(checkpoint):
    """Mean validation accuracy of the seeds after the last epoch, the epoch without one.

    Within an epoch it would be that of another state: a number below all others.
    """
    if checkpoint.steps:
        return -1.0
    history = checkpoint.history
    if 'validation_accuracy' not in history:
        return float(len(history['train_loss']))
    known = [v for v in history['validation_accuracy'][-1] if v is not None]
    return float(np.mean(known)) if known else -1.0
