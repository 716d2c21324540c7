"""The rows of a table: `run` plans what a workdir lacks, trains it and keeps the results.

A task is some seeds of a row. It may train in another process, or on another machine, than the one
that keeps its result.
"""

import contextlib
import copy
import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_jax.config.checks import check
from fmnist_jax.config.settings import plain, resolve, settings_hash
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit.checkpoint import Checkpoints
from fmnist_jax.fit.fit import fit
from fmnist_jax.fit.mesh import devices_per_seed, make_layout
from fmnist_jax.fit.progress import RowProgress
from fmnist_jax.models.layers import is_off
from fmnist_jax.results import arrays as kept_arrays
from fmnist_jax.results import lines, networks, provenance, workdirs
from fmnist_jax.train import calibration
from fmnist_jax.train.losses import probabilities
from fmnist_jax.train.optimizers import l2_penalty
from fmnist_jax.train.step import steps_per_epoch


class Executor(NamedTuple):
    """Where tasks are trained: in this process, on a Ray cluster or on several hosts."""

    run: Callable  # (tasks, load_dataset, keep, workdir, say): see `run_here`
    devices: int | None = None  # of a task; None means all devices of this process
    seeds_per_task: int = 0  # at most; 0 means all seeds of a row


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

    probabilities: np.ndarray  # float32 [S, test images, 10]
    variables: dict  # {'params', 'batch_stats'}, numpy [S, ...]


def run(config, rows, workdir, load_dataset, load_pretrained=None, say=print, executor=None):
    """Trains the rows, and the seeds of a row, that `workdir` does not hold yet.

    Args:
      rows: the selected rows of the config.
      load_dataset, load_pretrained: see config.cli.loaders.
      executor: where to train; None means in this process. Only this process writes results.

    Returns:
      The results of the selected rows, in their order.

    Raises:
      ConfigError: a row cannot be trained, or the workdir is another config's or process's.
      DataError: more validation images than images, or weights that cannot be used.
    """
    workdir = pathlib.Path(workdir)
    executor = executor or Executor(run_here)
    provenance.code_commit()  # cached now: the files may change while we train
    tasks = plan(config, rows, workdir, load_dataset, load_pretrained, say, executor)
    with workdirs.lock(workdir):
        workdirs.acquire(workdir, config)
        # Another process may have finished some of the tasks before we got the lock.
        done = {result['row']: result['seeds'] for result in lines.read(workdir)}
        workdirs.discard_finished(workdir, done)
        tasks = [task for task in tasks if task.first not in done.get(task.row['name'], ())]
        keep = functools.partial(_keep, workdir, load_dataset)
        executor.run(tasks, load_dataset, keep, workdir, say)
    results = {result['row']: result for result in lines.read(workdir)}
    return [results[row['name']] for row in rows]


def run_here(tasks, load_dataset, keep, workdir, say, show=True):
    """Trains the tasks in this process and calls keep(task, result line, TaskArrays) for each.

    Without a workdir it writes no checkpoints; `show` asks for a progress bar.
    """
    cache = {}  # compiled programs, shared by rows that differ in floats alone
    for task in tasks:
        dataset = load_dataset(task.settings.dataset.name)
        progress = row_progress(task.row['name'], task.settings, dataset) if show else None
        checkpoints = _open_checkpoints(task, workdir, say) if workdir else None
        try:
            with _named(task.row):
                trained = train(task, dataset, cache, progress, checkpoints)
        finally:
            for to_close in filter(None, (progress, checkpoints)):
                to_close.close()
        keep(task, *trained)
        if checkpoints:
            checkpoints.discard()


def row_progress(name, settings, dataset):
    """The progress bar of a training with these settings."""
    num_train = len(dataset.train_labels) - settings.dataset.num_validation
    return RowProgress(name, settings.epochs, steps_per_epoch(settings, num_train))


def train(task, dataset, cache, progress, checkpoints=None):
    """The `result_line` of a task trained on all devices; arguments as for fit.fit."""
    weights, layout = task.pretrained and task.pretrained.variables, make_layout(task.own)
    trained = fit(task.own, dataset, layout, cache, progress, weights, checkpoints)
    return result_line(task, dataset, trained)


def plan(config, rows, workdir, load_dataset, load_pretrained, say, executor):
    """The Tasks that `workdir` lacks, after a check that they can train; writes nothing."""
    settings = {row['name']: resolve(config, row) for row in rows}
    for of_row in settings.values():
        if executor.devices:
            together = min(of_row.num_seeds, executor.seeds_per_task or of_row.num_seeds)
            devices_per_seed(of_row, together, executor.devices)
        else:
            make_layout(of_row)
        total = len(load_dataset(of_row.dataset.name).train_labels)
        datasets.split(total, of_row.dataset.num_validation, of_row.seed)
    workdirs.check_owner(workdir, config)
    done = {result['row']: result for result in lines.read(workdir)}
    tasks = []
    for row in rows:
        of_row, result = settings[row['name']], done.get(row['name'])
        if result:
            workdirs.check_row(workdir, result, of_row, settings_hash(of_row))
        missing = _missing(row, of_row, result, executor.seeds_per_task)
        # Weights that the user names must be those of the finished seeds, too.
        if of_row.pretrained and (missing or getattr(load_pretrained, 'named', False)):
            with _named(row):
                weights = load_pretrained(of_row)
            if result:
                workdirs.check_pretrained(workdir, result, weights.source)
            missing = [task._replace(pretrained=weights) for task in missing]
        tasks += missing
    first_seeds = {task.row['name']: task.first for task in reversed(tasks)}
    if len(first_seeds) < len(rows):
        say(f'{len(rows) - len(first_seeds)} of {len(rows)} rows are in {workdir} already')
    for name, seed in first_seeds.items():
        if name in done:
            say(f'{name}: goes on with seed {seed}')
    return tasks


def check_rows(config, rows):
    """Raises a ConfigError with the row and field unless the rows' settings can train."""
    for row in rows:
        settings = resolve(config, row)
        with _named(row):
            check(settings)


@contextlib.contextmanager
def _named(row):
    """Puts the row's name before the message of a ConfigError."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f'row {row["name"]!r}: {error}') from error


def _missing(row, settings, result, seeds_per_task):
    """The Tasks of the seeds that a row lacks; result: its result so far, or None."""
    done, tasks = result['seeds'] if result else (), []
    for seed in range(settings.seed, settings.seed + settings.num_seeds):
        if seed in done:
            continue
        if tasks and seed == tasks[-1].last + 1 and tasks[-1].count != seeds_per_task:
            tasks[-1] = tasks[-1]._replace(count=tasks[-1].count + 1)
        else:
            tasks.append(Task(row, settings, seed, 1))
    return tasks


def _open_checkpoints(task, workdir, say):
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
    """(result line without the files of `_keep`, TaskArrays) of a task; trained: its FitResult."""
    settings, row, labels, last = task.own, task.row, dataset.test_labels, trained.last_accuracy
    count, optimizer = len(trained.test_loss), settings.optimizer
    penalty = np.zeros(count)  # in each seed's loss; Keras prints the loss with it
    if not is_off(optimizer.l2):
        penalty = jax.vmap(lambda seed: l2_penalty(optimizer, seed))(trained.variables['params'])
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
        'confusion': kept_arrays.confusion(trained.logits, labels),
        'parameters': trained.parameters,
        'train_seconds': round(trained.train_seconds, 2),
        'compile_seconds': round(trained.compile_seconds, 2),
        'history': trained.history,
        'resumed': trained.resumed,
        'l2_penalty': _rounded(np.asarray(penalty)),
        **{name: row[name] for name in ('reported', 'also_reported', 'changed') if name in row},
        'train_images': len(dataset.train_labels) - settings.dataset.num_validation,
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


def _keep(workdir, load_dataset, task, result, arrays):
    """Writes the predictions and parameters of a task's seeds, then its result line."""
    name, probs = task.row['name'], arrays.probabilities
    labels = load_dataset(result['dataset']).test_labels
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
