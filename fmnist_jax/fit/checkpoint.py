"""Checkpoints of the row that trains: orbax writes them while training goes on.

A checkpoint holds every seed's state after an epoch, or within one, as plain arrays [S, ...],
whatever the devices were, so a run may go on with more or fewer of them. Orbax makes a checkpoint
visible only when it is complete, but keeps no checksum of the data: ours is in its `meta`. A
damaged checkpoint is deleted and the one before it is used.
"""

import hashlib
import json
import pathlib
import shutil
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax import files
from fmnist_jax.config.settings import difference
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.fit import orbax_files

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
            self._manager = self._manager or orbax_files.manager(self.folder, self._keep)
            arrays = {f'{i:04}': array for i, (_, array) in enumerate(named)}
            score = _score(checkpoint)
            orbax_files.write(self._manager, step, meta, arrays, score)
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
                meta, arrays = orbax_files.read(path)
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
