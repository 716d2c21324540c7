"""A task, some seeds of a row: its result line, and how it is kept.

A task may train in another process, or on another machine, than the one that keeps its result.
"""

import copy
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax.config.settings import plain, settings_hash
from fmnist_jax.data import catalog
from fmnist_jax.fit.checkpoint import Checkpoints
from fmnist_jax.fit.progress import RowProgress
from fmnist_jax.models.layers import is_off
from fmnist_jax.results import arrays as kept_arrays
from fmnist_jax.results import lines, networks, provenance, workdirs
from fmnist_jax.train import calibration
from fmnist_jax.train.losses import probabilities
from fmnist_jax.train.optimizers import l2_penalty
from fmnist_jax.train.step import steps_per_epoch


class Task(NamedTuple):
    """Neighbouring seeds of a row that train together."""

    row: dict
    settings: Any  # of the row, for all its seeds
    first: int  # the first seed of this task
    count: int  # how many seeds
    pretrained: Any = None  # pretrained.Pretrained that the seeds start from

    @property
    def last(self):
        """The last seed of this task."""
        return self.first + self.count - 1

    @property
    def own(self):
        """The settings of this task's seeds alone."""
        own = copy.deepcopy(self.settings)
        own.seed, own.num_seeds = self.first, self.count
        return own

    @property
    def name(self):
        """The row's name, with the seeds unless the task has all of the row."""
        if self.count == self.settings.num_seeds:
            return self.row['name']
        seeds = f'seeds {self.first} to {self.last}' if self.count > 1 else f'seed {self.last}'
        return f'{self.row["name"]} {seeds}'


class TaskArrays(NamedTuple):
    """The arrays of a task that are kept beside its result line."""

    probabilities: np.ndarray  # float32 [S, test images, classes]
    variables: dict  # {'params', 'batch_stats'}, numpy [S, ...]


def train_images(settings, dataset):
    """The images of an epoch, with the fixed copies of `augment.copies`."""
    own = len(dataset.train_labels) - settings.dataset.num_validation
    return own * (1 + settings.augment.copies)


def row_progress(name, settings, dataset):
    """The progress bar of a training with these settings."""
    num_train = train_images(settings, dataset)
    return RowProgress(name, settings.epochs, steps_per_epoch(settings, num_train))


def open_checkpoints(task, workdir, say):
    """The checkpoints of a task's seeds, which a run of the same task goes on from."""
    weights = task.pretrained.source if task.pretrained else {}
    identity = plain(task.settings) | {
        'num_seeds': None,  # a row may get more seeds
        'seeds': [task.first, task.last],
        'weights': {n: weights[n] for n in ('file', 'sha256', 'fresh') if n in weights},
    }
    every, kept = task.settings.checkpoint_epochs, task.settings.checkpoints_kept
    of_row = workdirs.checkpoint_folder(workdir, task.row['name'])
    folder = of_row / f'seeds_{task.first}_to_{task.last}'
    return Checkpoints(folder, identity, provenance.code_commit(), every, kept, say)


def result_line(task, dataset, trained):
    """(result line without its files, TaskArrays) of a task; trained: its FitResult."""
    settings, row, labels, last = task.own, task.row, dataset.test_labels, trained.last_accuracy
    count, optimizer = len(trained.test_loss), settings.optimizer
    penalty = np.zeros(count)  # in each seed's loss; Keras prints the loss with it
    if not is_off(optimizer.l2):
        penalty = jax.vmap(lambda seed: l2_penalty(optimizer, seed))(trained.variables['params'])
    batch_mean, batch_std = kept_arrays.batch_accuracy(trained.logits, labels)
    result = {
        'row': row['name'],
        'model': settings.model.name,
        'dataset': settings.dataset.name,
        'seeds': list(range(task.first, task.first + task.count)),
        'test_accuracy': _rounded(trained.test_accuracy),
        'test_loss': _rounded(trained.test_loss),
        'test_images': len(labels),
        'diverged': (~np.isfinite(trained.test_loss)).tolist(),
        'tested_epoch': trained.tested_epoch.tolist(),
        'last_test_accuracy': [None] * count if last is None else _rounded(last),
        'batch_accuracy_mean': _rounded(batch_mean),
        'batch_accuracy_std': _rounded(batch_std),
        'confusion': kept_arrays.confusion(trained.logits, labels),
        'parameters': trained.parameters,
        'train_seconds': round(trained.train_seconds, 2),
        'compile_seconds': round(trained.compile_seconds, 2),
        'history': trained.history,
        'resumed': trained.resumed,
        'l2_penalty': _rounded(np.asarray(penalty)),
        **{name: row[name] for name in ('reported', 'also_reported', 'changed') if name in row},
        'train_images': train_images(settings, dataset),
        # The row's settings, not the task's: other tasks add seeds to the same row.
        'config_hash': settings_hash(task.settings),
        'config': plain(task.settings),
        'pretrained': task.pretrained and task.pretrained.source,
        **_calibrated(settings.loss, trained, labels),
        **provenance.provenance(trained.layout),
    }
    probs = np.asarray(probabilities(trained.logits, settings.loss))
    return result, TaskArrays(probs, trained.variables)


def _rounded(values):
    """Floats for JSON, which has no NaN: a number that is not finite becomes None."""
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]


def _calibrated(loss, trained, labels):
    """The seeds' common temperature, and calibration errors on the test images.

    Without validation images of its own (none, or the test images) a row has no temperature.
    """

    def error(probs):
        value = None if probs is None else calibration.calibration_error(probs, labels)
        return None if value is None else round(value, 6)

    temperature = None
    if trained.validation is not None:
        temperature = calibration.fit_temperature(*trained.validation, loss)
    as_trained = calibration.calibrated(trained.logits, None, loss)
    tempered = calibration.calibrated(trained.logits, temperature, loss)
    return {
        'temperature': temperature and round(temperature, 4),
        'calibration_error': [error(seed) for seed in as_trained],
        'calibration_error_tempered': [temperature and error(seed) for seed in tempered],
        'ensemble_calibration_error': error(kept_arrays.ensemble(tempered)),
    }


def keep_result(workdir, load_dataset, task, result, arrays):
    """Writes the predictions and parameters of a task's seeds, then its result line."""
    name, probs = task.row['name'], arrays.probabilities
    labels = load_dataset(catalog.source(task.settings.dataset)).test_labels
    earlier = {line['row']: line['predictions'] for line in lines.read(workdir)}.get(name, ())
    file = kept_arrays.save(workdir, f'{name} seeds {task.first} to {task.last}', probs)
    # The ensemble is that of all seeds of the row so far, if their predictions exist.
    if all((workdir / path).is_file() for path in earlier):
        probs = np.concatenate([*(kept_arrays.load(workdir / path) for path in earlier), probs])
    files = {
        'parameters_file': networks.save(workdir, name, task.own, arrays.variables),
        'predictions': file,
        'ensemble_accuracy': kept_arrays.ensemble_accuracy(probs, labels),
        'ensemble_seeds': len(probs),
    }
    lines.append(workdir, result | files)
