"""Trials of a hyper-parameter search in an Optuna study: asked for, told, given up."""

import contextlib
import copy
import os
import pathlib
import socket
import warnings

from fmnist_jax.config.cli import say
from fmnist_jax.config.settings import resolve
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import markdown

SAMPLERS = ('tpe', 'gp', 'random')
PRUNERS = ('median', 'hyperband', 'none')
# A process that was killed while it wrote leaves the journal's lock; writing takes milliseconds.
_STALE_LOCK_SECONDS = 10


def optuna():
    """The library, which is an extra.

    Raises:
      ConfigError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("the search needs Optuna: pip install -e '.[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def make_sampler(name, seed, trials):
    """tpe: tree of Parzen estimators; gp: Gaussian process; random. Reproducible by the seed.

    The first trials are random: ten, or a quarter of `trials`, those of the whole study, if few.

    Raises:
      ConfigError: gp without PyTorch, which Optuna's needs.
    """
    samplers = optuna().samplers
    startup = max(2, min(10, trials // 4))
    if name == 'random':
        return samplers.RandomSampler(seed=seed)
    if name == 'gp':
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "--sampler=gp: Optuna's needs PyTorch: pip install torch; or --sampler=tpe"
            ) from error
        return samplers.GPSampler(seed=seed, n_startup_trials=startup)
    # Trials that run side by side count as bad ones until they are done, so they differ.
    return samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def make_pruner(name):
    """What gives a trial up between epochs: below the median of earlier ones, or Hyperband."""
    pruners = optuna().pruners
    if name == 'none':
        return pruners.NopPruner()
    if name == 'hyperband':
        return pruners.HyperbandPruner(min_resource=1)
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)


def _journal(path):
    """The journal, locked by a file: Optuna's usual lock is a link, relative to itself.

    Where the workdir is relative that link points nowhere, its age cannot be had, and a killed
    process's lock is waited for for ever.
    """
    journal = optuna().storages.journal
    lock = journal.JournalFileOpenLock(str(path), grace_period=_STALE_LOCK_SECONDS)
    return journal.JournalFileBackend(str(path), lock_obj=lock)


def open_study(workdir, storage, pruner):
    """The study of a workdir, which any number of processes may share.

    Args:
      workdir: folder; holds the study's journal unless `storage` names another place.
      storage: '' or an address such as sqlite:///runs/search/study.db.
      pruner: of Optuna.

    Raises:
      ConfigError: what is there cannot be read.
    """
    library = optuna()
    try:
        if not storage:
            path = pathlib.Path(workdir) / 'study.journal'
            storage = library.storages.JournalStorage(_journal(path))
        return library.create_study(
            study_name='search',
            storage=storage,
            pruner=pruner,
            direction='maximize',
            load_if_exists=True,
        )
    except Exception as error:  # a damaged journal or database, an unknown kind of storage
        where = storage if isinstance(storage, str) else path
        raise ConfigError(f'{where}: not a study of Optuna ({error}); see --storage') from error


def ask(study, space, sampler_of):
    """A new trial and what it changes: (optuna.Trial, {'section.field': value}).

    Its random numbers depend on its own number, which no other trial has: else each process that
    joins the study, or goes on with it, would draw the same values again.

    Args:
      study: Optuna's.
      space: the config's `search` (configs.base.between, configs.base.among).
      sampler_of: a trial's number -> a sampler of Optuna.
    """
    study.sampler = sampler_of(len(study.get_trials(deepcopy=False)))  # gp draws at once
    trial = study.ask()
    study.sampler = sampler_of(trial.number)
    trial.set_user_attr('process', [socket.gethostname(), os.getpid()])
    change = {}
    for entry in space:
        field = entry['field']
        if 'values' in entry:
            change[field] = trial.suggest_categorical(field, list(entry['values']))
        elif isinstance(entry['low'], int):
            change[field] = trial.suggest_int(field, entry['low'], entry['high'], log=entry['log'])
        else:
            low, high, log = entry['low'], entry['high'], entry['log']
            change[field] = trial.suggest_float(field, low, high, log=log)
    return trial, change


def tell(study, trial, value, pruned):
    """Ends a trial: with its value, or as given up."""
    states = optuna().trial.TrialState
    if pruned:
        study.tell(trial, state=states.PRUNED)
    else:
        study.tell(trial, value)


def give_up_dead_trials(study):
    """Trials of processes of this machine that were killed: failed, and queued to be run again.

    Returns:
      How many.
    """
    states = optuna().trial.TrialState
    count = 0
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        if not _is_dead(trial.user_attrs.get('process')):
            continue
        try:
            study.tell(trial.number, state=states.FAIL)
        except (ValueError, optuna().exceptions.UpdateFinishedTrialError):
            continue  # a process that started at the same time was quicker
        count += 1
        if trial.params:
            study.enqueue_trial(trial.params)
    return count


def _is_dead(process):
    """Whether a process, [machine, number], was one of this machine and is not there any more."""
    if process is None or process[0] != socket.gethostname():
        return False
    try:
        os.kill(process[1], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return process[1] == os.getpid()  # our own number, but an earlier process's trial


# What an Optuna study has found so far: how many trials, the best, a table.


def counts(study):
    """{'complete', 'pruned', 'running', 'failed', 'waiting'}: how many trials of each."""
    names = {'FAIL': 'failed'}
    found = dict.fromkeys(('complete', 'pruned', 'running', 'failed', 'waiting'), 0)
    for trial in study.get_trials(deepcopy=False):
        found[names.get(trial.state.name, trial.state.name.lower())] += 1
    return found


def best(study):
    """The complete trial with the highest value, None if there is none."""
    states = optuna().trial.TrialState
    complete = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    return max(complete, key=lambda trial: trial.value, default=None)


def table(study, most=10):
    """The best complete trials, as Markdown."""
    states = optuna().trial.TrialState
    complete = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    complete = sorted(complete, key=lambda trial: -trial.value)[:most]
    fields = sorted({field for trial in complete for field in trial.params})
    rows = [
        (
            str(trial.number),
            f'{100 * trial.value:.2f}',
            *[_shown(trial.params.get(field)) for field in fields],
        )
        for trial in complete
    ]
    return markdown(('trial', 'validation accuracy, %', *fields), rows)


def _shown(value):
    return f'{value:.4g}' if isinstance(value, float) else str(value)


# Figures of a search, drawn by Optuna: history, importance of the fields, parallel coordinates.


def draw(study, folder):
    """Writes history.svg, importance.svg and parallel.svg; those that can be drawn.

    Args:
      study: Optuna's; importance and parallel coordinates need two complete trials that differ.
      folder: made if it is not there.

    Returns:
      The files' paths.
    """
    library = optuna()
    import matplotlib

    matplotlib.use('agg')
    import matplotlib.pyplot as plt

    plots = {
        'history': library.visualization.matplotlib.plot_optimization_history,
        'importance': _importance,
        'parallel': library.visualization.matplotlib.plot_parallel_coordinate,
    }
    folder, files = pathlib.Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), matplotlib.rc_context({'svg.hashsalt': 'fmnist_jax'}):
        warnings.simplefilter('ignore', library.exceptions.ExperimentalWarning)
        warnings.simplefilter('ignore', UserWarning)  # a log axis without room
        for name, plot in plots.items():
            with contextlib.suppress(ValueError, RuntimeError):  # too few trials to compare
                axes = plot(study, target_name='validation accuracy')
                axes.figure.set_size_inches(9, 4.8)  # else labels lie on the colour bar
                path = folder / f'{name}.svg'
                axes.figure.savefig(path, bbox_inches='tight', metadata={'Date': None})
                files.append(path)
            plt.close('all')
    return files


def _importance(study, target_name):
    """By PED-ANOVA: how much more often good trials have some values than all trials do."""
    library = optuna()
    evaluator = library.importance.PedAnovaImportanceEvaluator()
    plot = library.visualization.matplotlib.plot_param_importances
    return plot(study, evaluator=evaluator, target_name=target_name)


# What a search may choose, and the config of what it found.


def check_space(config):
    """Refuses a config whose `search` names no field, or values that cannot train.

    Raises:
      ConfigError: with the field.
    """
    from fmnist_jax.config.checks import check  # takes a second to import

    if not config.search:
        raise ConfigError('config.search is empty: this config is for fmnist_jax.main')
    corners = [
        {e['field']: e['values'][i] if 'values' in e else e[end] for e in config.search}
        for i, end in ((0, 'low'), (-1, 'high'))
    ]
    for corner in corners:
        settings = resolve(config, row('search', corner))
        try:
            check(settings)
        except ConfigError as error:
            raise ConfigError(f'config.search: {error}') from error
    if not (settings.dataset.num_validation or settings.dataset.validate_on_test):
        raise ConfigError('config.dataset.num_validation=0: a search needs validation images')
    if settings.dataset.validate_on_test:
        raise ConfigError('config.dataset.validate_on_test: a search must not see the test images')


def fix(config, fields):
    """Takes fields that the user has set by a flag out of `config.search`.

    Args:
      config: the config, with the flags' values.
      fields: names such as 'optimizer.learning_rate'.

    Raises:
      ConfigError: nothing is left to search.
    """
    left = tuple(entry for entry in config.search if entry['field'] not in fields)
    fixed = sorted({entry['field'] for entry in config.search} & set(fields))
    if fixed and not left:
        raise ConfigError(f'nothing is left to search: flags set {", ".join(fixed)}')
    if fixed:
        say(f'Set, so not searched: {", ".join(fixed)}')
    config.search = left


def row(name, change, reported=None):
    """A row of a table, as configs.base.row makes them."""
    no_more = {'also_reported': {}, 'repeats': False}
    return {'name': name, 'change': change, 'reported': reported} | no_more


def best_config(config, trial, num_seeds):
    """The config that trains a trial with fresh seeds: one row, named after the trial.

    Its seeds come after those that the trials were judged by; the number that a report prints for
    the config's first row, if any, stands beside it.
    """
    best = copy.deepcopy(config)
    best.unlock()
    best.seed, best.num_seeds = config.seed + config.num_seeds, num_seeds
    best.rows = (row(f'trial_{trial.number}', dict(trial.params), config.rows[0]['reported']),)
    best.claims = best.search = ()
    best.lock()
    return best
