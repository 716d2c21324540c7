"""Seeds of a row that are trained together: pure training and measuring, then writing.

Apart, so that the training can be in another process or on another machine than the writing.
"""

import copy
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax.config.settings import plain, settings_hash
from fmnist_jax.fit.fit import fit
from fmnist_jax.models.layers import is_off
from fmnist_jax.results import arrays as kept_arrays
from fmnist_jax.results import lines, networks, provenance
from fmnist_jax.train import calibration
from fmnist_jax.train.losses import probabilities
from fmnist_jax.train.optimizers import l2_penalty


class Task(NamedTuple):
    """Seeds of a row that are trained together, in this process or another."""

    row: dict
    settings: Any  # the row's, for all its seeds
    first: int  # the first seed of this task
    count: int  # its seeds are neighbours
    pretrained: Any = None  # pretrained.Pretrained that the seeds start from

    @property
    def own(self):
        """The settings of this task's seeds alone."""
        own = copy.deepcopy(self.settings)
        own.seed, own.num_seeds = self.first, self.count
        return own

    @property
    def name(self):
        """The row, with its seeds if they are not all."""
        if self.count == self.settings.num_seeds:
            return self.row['name']
        last = self.first + self.count - 1
        seeds = f'seeds {self.first} to {last}' if self.count > 1 else f'seed {last}'
        return f'{self.row["name"]} {seeds}'


class TaskArrays(NamedTuple):
    """What is kept of a task beside its result line."""

    probabilities: np.ndarray  # float32 [S, test images, 10]
    variables: dict  # {'params', 'batch_stats'}, numpy [S, ...]


def _rounded(values, digits=6):
    """JSON has no NaN: a number that is none becomes null."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


def train_task(task, dataset, layout, cache, progress=None, checkpoints=None):
    """Trains and tests the seeds of a task; writes nothing.

    Args:
      task: what to train.
      dataset: data.Dataset.
      replicas: placement.Replicas for the task's seeds.
      cache, progress, checkpoints: see fit.

    Returns:
      (result line without its files, Arrays).
    """
    settings = task.own
    variables = task.pretrained and task.pretrained.variables
    outcome = fit(settings, dataset, layout, cache, progress, variables, checkpoints)
    result = {
        'row': task.row['name'],
        'model': settings.model.name,
        'dataset': settings.dataset.name,
        'seeds': list(range(task.first, task.first + task.count)),
        **_measured(outcome, dataset.test_labels),
        **_penalty(settings.optimizer, outcome.variables['params']),
        'reported': task.row['reported'],
        'also_reported': task.row['also_reported'],
        'train_images': len(dataset.train_labels) - settings.dataset.num_validation,
        # The row's settings, not this task's: seeds that another task adds belong to the same.
        'config_hash': settings_hash(task.settings),
        'config': plain(task.settings),
        'pretrained': task.pretrained and task.pretrained.source,
        **_calibrated(settings, outcome, dataset.test_labels),
        **provenance.provenance(outcome.layout),
    }
    probs = np.asarray(probabilities(outcome.logits, settings.loss))
    return result, TaskArrays(probs, outcome.variables)


def _measured(outcome, labels):
    """The fields of a result line about training and test."""
    last = outcome.last_accuracy
    return {
        'test_accuracy': _rounded(outcome.test_accuracy),
        'test_loss': _rounded(outcome.test_loss),
        'test_images': len(labels),
        'diverged': [not np.isfinite(x) for x in outcome.test_loss.tolist()],
        'tested_epoch': outcome.tested_epoch.tolist(),
        'last_test_accuracy': [None] * len(outcome.test_loss) if last is None else _rounded(last),
        'confusion': kept_arrays.confusion(outcome.logits, labels),
        'parameters': outcome.parameters,
        'train_seconds': round(outcome.train_seconds, 2),
        'compile_seconds': round(outcome.compile_seconds, 2),
        'history': outcome.history,
        'resumed': outcome.resumed,
    }


def _penalty(optimizer, params):
    """The L2 penalty in each seed's loss; Keras prints the loss with it."""
    if is_off(optimizer.l2):
        return {'l2_penalty': [0.0] * len(jax.tree.leaves(params)[0])}
    penalties = jax.vmap(lambda seed: l2_penalty(optimizer, seed))(params)
    return {'l2_penalty': _rounded(np.asarray(penalties))}


def _calibrated(settings, outcome, labels):
    """The seeds' common temperature, and calibration errors on the test images.

    Each seed's as trained and at the temperature, and their mean probabilities' at the temperature.
    Without validation images of its own (none, or the test images) a row has no temperature.
    """

    def error(probs):
        found = None if probs is None else calibration.calibration_error(probs, labels)
        return None if found is None else round(found, 6)

    temperature = None
    if outcome.validation is not None:
        temperature = calibration.fit_temperature(*outcome.validation, settings.loss)
    trained, tempered = (
        calibration.calibrated(outcome.logits, t, settings.loss) for t in (None, temperature)
    )
    return {
        'temperature': temperature and round(temperature, 4),
        'calibration_error': [error(seed) for seed in trained],
        'calibration_error_tempered': [temperature and error(seed) for seed in tempered],
        'ensemble_calibration_error': error(kept_arrays.ensemble(tempered)),
    }


def keep(workdir, task, result, arrays, labels):
    """Writes the predictions and parameters of a task's seeds, then its result line.

    The line's ensemble is that of all seeds of the row so far, if their predictions are at hand.
    """
    name, seeds = result['row'], result['seeds']
    mine = [line for line in lines.read(workdir) if line['row'] == name]
    earlier = [path for line in mine for path in line.get('predictions', ())]
    probs = arrays.probabilities
    file = kept_arrays.save(workdir, f'{name} seeds {seeds[0]} to {seeds[-1]}', probs)
    if all((workdir / path).is_file() for path in earlier):
        probs = np.concatenate([*[kept_arrays.load(workdir / p) for p in earlier], probs])
    files = {
        'parameters_file': networks.save(workdir, name, task.own, arrays.variables),
        'predictions': file,
        'ensemble_accuracy': kept_arrays.ensemble_accuracy(probs, labels),
        'ensemble_seeds': len(probs),
    }
    lines.append(workdir, result | files)
