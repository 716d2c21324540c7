"""Trials of a hyper-parameter search in an Optuna study: asked for, told, given up."""

import os
import pathlib
import socket

from fmnist_jax.errors import ConfigError

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
