"""A table's rows: plans what is missing, has it trained, keeps what is done."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

from fmnist_jax.config.checks import check
from fmnist_jax.config.settings import plain, resolve, settings_hash
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit.checkpoint import Checkpoints
from fmnist_jax.fit.mesh import devices_per_seed, make_layout
from fmnist_jax.fit.progress import RowProgress
from fmnist_jax.results import lines, provenance, workdirs
from fmnist_jax.sweep.task import Task, keep, train_task
from fmnist_jax.train import step


class Executor(NamedTuple):
    """Where tasks are trained."""

    run: Callable  # (tasks, load_dataset, keep, workdir, say): calls keep(task, *train_task(...))
    devices: int | None = None  # that a task has; None for those of this process
    seeds_per_task: int = 0  # at most; 0 for all seeds of a row


def run_here(tasks, load_dataset, keep, workdir, say, show=True):
    """Trains the tasks in this process, one after the other: the `run` of an Executor.

    Args:
      tasks, load_dataset, keep, say: see Executor and `run`.
      workdir: where checkpoints are written; None for none.
      show: a progress bar.
    """
    cache = {}
    for task in tasks:
        settings = task.own
        dataset = load_dataset(settings.dataset.name)
        num_train = len(dataset.train_labels) - settings.dataset.num_validation
        steps = step.steps_per_epoch(settings, num_train)
        progress = RowProgress(task.row['name'], settings.epochs, steps) if show else None
        kept = workdir and _checkpoints(task, workdir, say)
        try:
            trained = train_task(task, dataset, make_layout(settings), cache, progress, kept)
        except ConfigError as error:
            raise ConfigError(f'row {task.row["name"]!r}: {error}') from error
        finally:
            for open_one in filter(None, (progress, kept)):
                open_one.close()
        keep(task, *trained)
        if kept:
            kept.discard()


def _checkpoints(task, workdir, say):
    """Where these seeds of the row are kept while they train."""
    last = task.first + task.count - 1
    weights = task.pretrained.source if task.pretrained else {}
    identity = plain(task.settings) | {
        'num_seeds': None,  # seeds of a row may be added; these are what they were
        'seeds': [task.first, last],
        # What checkpoints have always said of their weights: older ones go on.
        'weights': {n: weights[n] for n in ('file', 'sha256', 'fresh') if n in weights},
    }
    every, keep = task.settings.checkpoint_epochs, task.settings.checkpoints_kept
    folder = workdirs.checkpoint_folder(workdir, task.row['name']) / f'seeds_{task.first}_to_{last}'
    return Checkpoints(folder, identity, provenance.code_commit(), every, keep, say)


HERE = Executor(run_here)


def check_rows(config, rows):
    """Refuses settings that cannot train, before anything is loaded or trained.

    Raises:
      ConfigError: names the row and the field.
    """
    for row in rows:
        settings = resolve(config, row)
        try:
            check(settings)
        except ConfigError as error:
            raise ConfigError(f'row {row["name"]!r}: {error}') from error


def _missing(row, settings, done, seeds_per_task):
    """The Tasks of the seeds that a row lacks, none if it has them all.

    Args:
      row, settings: the row and its settings.
      done: its result, or None.
      seeds_per_task: at most; 0 for all that are neighbours.
    """
    have = done['seeds'] if done else ()
    tasks = []
    for seed in range(settings.seed, settings.seed + settings.num_seeds):
        if seed in have:
            continue
        last = tasks[-1] if tasks else None
        if last and seed == last.first + last.count and last.count != seeds_per_task:
            tasks[-1] = last._replace(count=last.count + 1)
        else:
            tasks.append(Task(row, settings, seed, 1))
    return tasks


def _with_weights(tasks, row, settings, earlier, workdir, load_pretrained):
    """A row's tasks with the pretrained weights that their seeds start from.

    Weights that the user has named are held against those of a finished row, too.

    Args:
      tasks: of the seeds that the row lacks.
      row, settings: the row and its settings.
      earlier: its result, or None.
      workdir, load_pretrained: as for `run`.
    """
    named = getattr(load_pretrained, 'named', False)
    if not settings.pretrained or not (tasks or named):
        return tasks
    try:
        weights = load_pretrained(settings)
    except ConfigError as error:
        raise ConfigError(f'row {row["name"]!r}: {error}') from error
    if earlier:
        workdirs.check_pretrained(workdir, earlier, weights.source)
    return [task._replace(pretrained=weights) for task in tasks]


def plan(config, rows, workdir, load_dataset, load_pretrained, say=print, executor=HERE):
    """Finds what `workdir` lacks and checks that it can be trained; writes nothing.

    Args and Raises: as for `run`.

    Returns:
      Tasks, in the order of the rows.
    """
    settings = {row['name']: resolve(config, row) for row in rows}
    # A layout, a split or weights that cannot be had: told before anything is written.
    for mine in settings.values():
        if executor.devices:
            together = min(mine.num_seeds, executor.seeds_per_task or mine.num_seeds)
            devices_per_seed(mine, together, executor.devices)
        else:
            make_layout(mine)
        total = len(load_dataset(mine.dataset.name).train_labels)
        datasets.split(total, mine.dataset.num_validation, mine.seed)
    done = {result['row']: result for result in lines.read(workdir)}
    tasks = []
    for row in rows:
        mine, earlier = settings[row['name']], done.get(row['name'])
        missing = _missing(row, mine, earlier, executor.seeds_per_task)
        tasks += _with_weights(missing, row, mine, earlier, workdir, load_pretrained)
    workdirs.check_owner(workdir, config)
    for name in settings.keys() & done.keys():
        workdirs.check_row(workdir, done[name], settings[name], settings_hash(settings[name]))
    lacking = {task.row['name']: task.first for task in reversed(tasks)}
    if len(lacking) < len(rows):
        say(f'{len(rows) - len(lacking)} of {len(rows)} rows are in {workdir} already')
    for name in (name for name in lacking if name in done):
        say(f'{name}: goes on with seed {lacking[name]}')
    return tasks


def run(config, rows, workdir, load_dataset, load_pretrained=None, say=print, executor=HERE):
    """Runs the rows, and the seeds of a row, that `workdir` does not hold yet.

    Args:
      config: the table's config.
      rows: the selected rows.
      workdir: folder of the results; made if it is not there.
      load_dataset: name -> data.Dataset.
      load_pretrained: settings with `pretrained` -> pretrained.Pretrained; with `named` = True if
        the user has named the weights (run_flags.loaders).
      say: prints one line for the user.
      executor: where to train; this process alone writes to the workdir.

    Returns:
      The results of the selected rows, in their order.

    Raises:
      ConfigError: the workdir holds another config's results, another process is writing there,
        or a row cannot be used.
      DataError: more validation images than there are, weights that cannot be used.
    """
    workdir = pathlib.Path(workdir)
    provenance.code_commit()

    def keep_one(task, result, arrays):
        keep(workdir, task, result, arrays, load_dataset(result['dataset']).test_labels)

    tasks = plan(config, rows, workdir, load_dataset, load_pretrained, say, executor)
    with workdirs.lock(workdir):
        workdirs.acquire(workdir, config)
        done = {result['row']: result['seeds'] for result in lines.read(workdir)}
        workdirs.discard_finished(workdir, done)
        tasks = [t for t in tasks if t.first not in done.get(t.row['name'], ())]  # others may run
        executor.run(tasks, load_dataset, keep_one, workdir, say)
    done = {result['row']: result for result in lines.read(workdir)}
    return [done[row['name']] for row in rows]
