"""A hyper-parameter search as an Optuna study: its space, trials, training, table and figures."""

import contextlib
import copy
import functools
import hashlib
import importlib.util
import json
import os
import pathlib
import socket
import warnings

import filelock
import numpy as np

from fmnist_jax import files
from fmnist_jax.config.checks import check
from fmnist_jax.config.cli import say
from fmnist_jax.config.settings import NOT_COMPARED, TABLE_ONLY, flatten, resolve, split_static
from fmnist_jax.config.table import row
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.fit.api import fit_trials
from fmnist_jax.markdown import markdown
from fmnist_jax.sweep.task import row_progress

SAMPLERS = ('tpe', 'gp', 'random')
PRUNERS = ('median', 'hyperband', 'none')
_SECONDS_LOCKED = 60  # that we wait for a locked SQLite database


def optuna():
    """The library Optuna; a ConfigError if it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise ConfigError('the search needs Optuna: pip install optuna') from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def check_space(config):
    """Raises a ConfigError unless `config.search` names fields and values that can train."""
    if not config.search:
        raise ConfigError('config.search is empty: this config is for fmnist_jax.main')
    low, high = (
        {e['field']: e['values'][i] if 'values' in e else e[end] for e in config.search}
        for i, end in ((0, 'low'), (-1, 'high'))
    )
    inner = [low | {e['field']: v} for e in config.search for v in e.get('values', ())[1:-1]]
    for values in (low, *inner, high):
        settings = resolve(config, row('search', values))
        try:
            check(settings)
        except ConfigError as error:
            raise ConfigError(f'config.search: {error}') from error
    if not (settings.dataset.num_validation or settings.dataset.validate_on_test):
        raise ConfigError('config.dataset.num_validation=0: a search needs validation images')
    if settings.dataset.validate_on_test:
        raise ConfigError('config.dataset.validate_on_test: a search must not see the test images')


def fix(config, fields):
    """Removes fields that flags have set from `config.search`; a ConfigError if none is left."""
    fixed = sorted({entry['field'] for entry in config.search} & set(fields))
    config.search = tuple(entry for entry in config.search if entry['field'] not in fields)
    if fixed and not config.search:
        raise ConfigError(f'nothing is left to search: flags set {", ".join(fixed)}')
    if fixed:
        say(f'Set, so not searched: {", ".join(fixed)}')


def best_config(config, trial, num_seeds):
    """The config, with one row, that trains a trial with fresh seeds: after those of the trials."""
    best = copy.deepcopy(config)
    best.unlock()
    best.seed, best.num_seeds = config.seed + config.num_seeds, num_seeds
    own = {name: config.rows[0][name] for name in ('reported', 'repeats', 'calibrated_on')}
    best.rows = (row(f'trial_{trial.number}', dict(trial.params), **own),)
    best.claims = best.search = ()
    best.lock()
    return best


def make_sampler(name, seed, trials):
    """Optuna's sampler: tree of Parzen estimators, Gaussian process or random (SAMPLERS).

    Of the study's `trials` a quarter, 2 to 10, are random. A ConfigError for gp without PyTorch.
    """
    samplers, startup = optuna().samplers, max(2, min(10, trials // 4))
    if name == 'random':
        return samplers.RandomSampler(seed=seed)
    if name == 'gp':
        if importlib.util.find_spec('torch') is None:
            raise ConfigError('--sampler=gp needs PyTorch: pip install torch; or --sampler=tpe')
        return samplers.GPSampler(seed=seed, n_startup_trials=startup)
    # constant_liar: trials that run side by side draw different values.
    return samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def make_pruner(name):
    """Optuna's pruner, which stops hopeless trials between epochs (PRUNERS)."""
    pruners = optuna().pruners
    if name == 'none':
        return pruners.NopPruner()
    if name == 'hyperband':
        return pruners.HyperbandPruner(min_resource=1)
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)


def open_study(config, workdir, storage, pruner):
    """Opens or creates the study of a config, which several processes may share.

    Args:
      config: the search's config, which names its study in `storage`.
      workdir: folder of this config alone; holds the study's journal if `storage` is ''.
      storage: '' or an address such as sqlite:///runs/search/study.db.

    Raises:
      ConfigError: the journal or the database cannot be read.
    """
    library, journal = optuna(), pathlib.Path(workdir) / 'study.journal'
    try:
        if storage:
            engine = {'connect_args': {'timeout': _SECONDS_LOCKED}} if 'sqlite' in storage else {}
            # A field that is off counts as absent: a new field does not change older studies.
            flat, ignored = flatten(config.to_dict()), {*NOT_COMPARED, *TABLE_ONLY} - {'search'}
            fields = {path: v for path, v in flat.items() if v and path not in ignored}
            text = json.dumps(fields, sort_keys=True)
            name = f'search {hashlib.sha256(text.encode()).hexdigest()[:12]}'
            store = library.storages.RDBStorage(storage, engine)
        else:
            name, store = 'search', _journal(journal)
        return library.create_study(
            study_name=name, storage=store, pruner=pruner, direction='maximize', load_if_exists=True
        )
    except Exception as error:  # SQLAlchemy and JSON raise errors of many kinds
        raise ConfigError(
            f'{storage or journal}: cannot be opened as a study of Optuna '
            f'({one_line(error.__cause__ or error)}); move it away, or choose another --storage'
        ) from error


def _journal(path):
    """Optuna's storage in a file to which every line is written whole or not at all."""
    storages = optuna().storages

    class Journal(storages.journal.JournalFileBackend):
        """Optuna's own would go on behind a line that a full disk has cut off."""

        def append_logs(self, logs):
            lines = [json.dumps(log, separators=(',', ':')) + '\n' for log in logs]
            with filelock.FileLock(f'{path}.lock'):  # released even if this process is killed
                files.append_line(path, ''.join(lines).encode())

    return storages.JournalStorage(Journal(str(path)))


@contextlib.contextmanager
def storage_errors():
    """Turns an error of the study's database into a ConfigError of one line."""
    try:
        yield
    except optuna().exceptions.StorageInternalError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ConfigError(
            f'--storage: the study cannot be read or written ({reason}); its finished trials are '
            'kept, the same command goes on'
        ) from error


def ask(study, space, sampler_of):
    """A new trial and its values: (optuna.Trial, {'section.field': value}).

    sampler_of: trial's number -> sampler, so that processes that share the study draw other values.
    """
    study.sampler = sampler_of(len(study.get_trials(deepcopy=False)))  # gp draws in study.ask
    trial = study.ask()
    study.sampler = sampler_of(trial.number)
    trial.set_user_attr('process', [socket.gethostname(), os.getpid()])
    change = {}
    for entry in space:
        field = entry['field']
        if 'values' in entry:
            change[field] = trial.suggest_categorical(field, list(entry['values']))
        else:
            suggest = trial.suggest_int if isinstance(entry['low'], int) else trial.suggest_float
            change[field] = suggest(field, entry['low'], entry['high'], log=entry['log'])
    return trial, change


def tell(study, trial, value, pruned):
    """Ends a trial: with its value, or as pruned."""
    state = optuna().trial.TrialState.PRUNED if pruned else None
    study.tell(trial, None if pruned else value, state)


def give_up_dead_trials(study):
    """Ends the trials of this machine's dead processes, queues them again, returns how many."""
    states, count = optuna().trial.TrialState, 0
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        if not _is_dead(trial.user_attrs.get('process')):
            continue
        try:
            study.tell(trial.number, state=states.FAIL)
        except (ValueError, optuna().exceptions.UpdateFinishedTrialError):
            continue  # another process that has just started did it first
        count += 1
        if trial.params:
            study.enqueue_trial(trial.params)
    return count


def _is_dead(process):
    """Whether [machine, process number] was a process of this machine and has ended."""
    if process is None or process[0] != socket.gethostname():
        return False
    try:
        os.kill(process[1], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return process[1] == os.getpid()  # the number was used again, by this process


def counts(study):
    """{'complete', 'pruned', 'running', 'fail', 'waiting'}: how many trials of each."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    return {state.name.lower(): states.count(state) for state in optuna().trial.TrialState}


def _complete(study):
    """The complete trials, best first."""
    states = (optuna().trial.TrialState.COMPLETE,)
    return sorted(study.get_trials(deepcopy=False, states=states), key=lambda trial: -trial.value)


def best(study):
    """The complete trial with the highest value, None if there is none."""
    return next(iter(_complete(study)), None)


def groups(candidates):
    """Lists of those (trial, settings) that one program can train: they differ in floats alone."""
    by_program = {}
    for trial, settings in candidates:
        by_program.setdefault(split_static(settings)[0], []).append((trial, settings))
    return list(by_program.values())


class Watch:
    """Reports a group's trials to Optuna after every epoch, and stops hopeless ones."""

    def __init__(self, group, seeds, epochs):
        self._group, self._seeds, self._epochs = group, seeds, epochs  # seeds, epochs of a trial
        self.pruned = np.zeros(len(group), bool)

    def stop(self, epoch, history):
        """bool [trials * seeds]: which seeds stop after this epoch; the last epoch stops none."""
        accuracies, seeds = history['validation_accuracy'][-1], self._seeds
        for i, (trial, _) in enumerate(self._group):
            own = accuracies[i * seeds : (i + 1) * seeds]
            if self.pruned[i] or all(value is None for value in own):  # no seed trains any more
                continue
            trial.report(sum(value or 0.0 for value in own) / seeds, epoch)  # 0 if it diverged
            self.pruned[i] = epoch < self._epochs and trial.should_prune()
        return np.repeat(self.pruned, seeds)


def train_group(study, group, dataset, cache, pretrained):
    """Trains a group together and tells Optuna the trials' mean validation accuracies."""
    settings = group[0][1]
    numbers = ', '.join(str(trial.number) for trial, _ in group)
    progress = row_progress(f'trial{"s" * (len(group) > 1)} {numbers}', settings, dataset)
    watch = Watch(group, settings.num_seeds, settings.epochs)
    hparams = [split_static(of_trial)[1] for _, of_trial in group]
    with contextlib.closing(progress):
        accuracy = fit_trials(settings, hparams, dataset, watch.stop, cache, progress, pretrained)
    accuracy = np.nan_to_num(accuracy)  # a diverged seed counts as 0
    for (trial, _), seeds, pruned in zip(group, accuracy, watch.pruned, strict=True):
        value = float(np.mean(seeds))
        trial.set_user_attr('validation_accuracy', seeds.tolist())
        tell(study, trial, value, pruned)
        shown = 'pruned' if pruned else f'{100 * value:.2f} % of the validation images'
        say(f'trial {trial.number}: {shown}')


def table(study, most=10):
    """The best complete trials, as Markdown."""
    trials, rows = _complete(study)[:most], []
    fields = sorted({field for trial in trials for field in trial.params})
    for trial in trials:
        values = [trial.params.get(field) for field in fields]
        texts = [f'{v:.4g}' if isinstance(v, float) else str(v) for v in values]
        rows.append([str(trial.number), f'{100 * trial.value:.2f}', *texts])
    return markdown(('trial', 'validation accuracy, %', *fields), rows)


def draw(study, folder):
    """Writes history.svg, and importance.svg and parallel.svg if two complete trials differ."""
    import matplotlib

    matplotlib.use('agg')
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), matplotlib.rc_context({'svg.hashsalt': 'fmnist_jax'}):
        warnings.simplefilter('ignore')  # experimental, and a log axis without room
        plots = optuna().visualization.matplotlib
        evaluator = optuna().importance.PedAnovaImportanceEvaluator()
        for name, plot in {
            'history': plots.plot_optimization_history,
            'importance': functools.partial(plots.plot_param_importances, evaluator=evaluator),
            'parallel': plots.plot_parallel_coordinate,
        }.items():
            with contextlib.suppress(ValueError, RuntimeError):  # too few trials to compare
                figure = plot(study, target_name='validation accuracy').figure
                figure.set_size_inches(9, 4.8)  # else labels lie on the colour bar
                path = folder / f'{name}.svg'
                figure.savefig(path, bbox_inches='tight', metadata={'Date': None})
            plt.close('all')
