"""The rows of a table: `run` plans what a workdir lacks, trains it and keeps the results."""

import contextlib
import functools
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from fmnist_jax.config.checks import check
from fmnist_jax.config.settings import resolve, settings_hash
from fmnist_jax.data import catalog, datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit.fit import fit
from fmnist_jax.fit.mesh import devices_per_seed, make_layout
from fmnist_jax.results import lines, provenance, workdirs
from fmnist_jax.sweep.task import Task, keep_result, open_checkpoints, result_line, row_progress


class Executor(NamedTuple):
    """Where tasks are trained: in this process, on a Ray cluster or on several hosts."""

    run: Callable  # (tasks, load_dataset, keep, workdir, say): see `run_here`
    devices: int | None = None  # of a task; None means all devices of this process
    seeds_per_task: int = 0  # at most; 0 means all seeds of a row


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
        keep = functools.partial(keep_result, workdir, load_dataset)
        executor.run(tasks, load_dataset, keep, workdir, say)
    results = {result['row']: result for result in lines.read(workdir)}
    return [results[row['name']] for row in rows]


def run_here(tasks, load_dataset, keep, workdir, say, show=True):
    """Trains the tasks in this process and calls keep(task, result line, TaskArrays) for each.

    Without a workdir it writes no checkpoints; `show` asks for a progress bar.
    """
    cache = {}  # compiled programs, shared by rows that differ in floats alone
    for task in tasks:
        dataset = load_dataset(catalog.source(task.settings.dataset))
        progress = row_progress(task.row['name'], task.settings, dataset) if show else None
        checkpoints = open_checkpoints(task, workdir, say) if workdir else None
        try:
            with _named(task.row):
                trained = train(task, dataset, cache, progress, checkpoints)
        finally:
            for to_close in filter(None, (progress, checkpoints)):
                to_close.close()
        keep(task, *trained)
        if checkpoints:
            checkpoints.discard()


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
        dataset = load_dataset(catalog.source(of_row.dataset))
        datasets.split_of(of_row, dataset.train_labels)
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
