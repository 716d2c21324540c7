"""Searches for hyper-parameters: many trials in one program, judged on validation images alone.

    python -m fmnist_jax.search --config=configs/cnn2_search.py --trials=50

A trial trains `config.num_seeds` seeds with the values that Optuna chose from `config.search`; its
value is the mean accuracy on their validation images, at the epoch that would be tested. Trials
that differ in numbers alone (learning rate, L2, dropout) are trained `--together` in one program.
Hopeless ones are stopped between epochs. A field that a flag sets, such as --config.epochs=3, is
not searched. The study lies in the workdir: the same command goes on there, and several at a time,
also on other machines with the same folder, share it. In the end the best trial is trained with
fresh seeds and tested, once.
"""

import sys

import numpy as np
from absl import flags
from ml_collections import config_flags

from fmnist_jax import files
from fmnist_jax.config import machine, run_flags
from fmnist_jax.config.settings import resolve
from fmnist_jax.results import workdirs
from fmnist_jax.sweep import study as studies
from fmnist_jax.sweep import trials

_TRIALS = flags.DEFINE_integer('trials', 50, 'Trials of the study, old ones too.', lower_bound=1)
_TOGETHER = flags.DEFINE_integer(
    'together', 4, 'Trials asked for at once, trained together where they can be.', lower_bound=1
)
_SAMPLER = flags.DEFINE_enum('sampler', 'tpe', studies.SAMPLERS, 'How trials are chosen.')
_PRUNER = flags.DEFINE_enum('pruner', 'median', studies.PRUNERS, 'How hopeless trials are found.')
_STORAGE = flags.DEFINE_string(
    'storage', '', 'Where the study is, as sqlite:///study.db; a file in the workdir if not given.'
)
_BEST_SEEDS = flags.DEFINE_integer(
    'best_seeds', 5, 'Fresh seeds of the best trial; 0: it is not trained.', lower_bound=0
)


def _progress(name, settings, dataset):
    """What shows the progress of a group of trials."""
    from fmnist_jax.fit.progress import RowProgress
    from fmnist_jax.train.step import steps_per_epoch

    num_train = len(dataset.train_labels) - settings.dataset.num_validation
    return RowProgress(name, settings.epochs, steps_per_epoch(settings, num_train))


def _ask(config, study, workdir):
    """The next Candidates, none if the study has enough: complete, pruned or running elsewhere."""

    def sampler_of(number):
        return studies.make_sampler(_SAMPLER.value, config.seed + number, _TRIALS.value)

    candidates = []
    with workdirs.lock(workdir, wait=True):  # else two processes would both ask for the last ones
        have = studies.counts(study)
        left = _TRIALS.value - have['complete'] - have['pruned'] - have['running']
        for _ in range(min(_TOGETHER.value, left)):
            trial, change = studies.ask(study, config.search, sampler_of)
            settings = resolve(config, studies.row(f'trial {trial.number}', change))
            candidates.append(trials.Candidate(trial, settings))
    return candidates


def _search(config, study, workdir, load, load_pretrained):
    """Runs trials until the study has enough."""
    cache = {}
    while candidates := _ask(config, study, workdir):
        for group in trials.groups(candidates):
            _run_and_tell(group, study, load, load_pretrained, cache)


def _run_and_tell(group, study, load, load_pretrained, cache):
    """Trains a group and tells Optuna how its trials went."""
    settings = group[0].settings
    weights = load_pretrained(settings).variables if settings.pretrained else None
    dataset = load(settings.dataset.name)
    numbers = ', '.join(str(candidate.trial.number) for candidate in group)
    progress = _progress(f'trial{"s" * (len(group) > 1)} {numbers}', settings, dataset)
    done = trials.run_group(group, dataset, cache, progress, weights)
    for candidate, (value, seeds, pruned) in zip(group, done, strict=True):
        candidate.trial.set_user_attr('validation_accuracy', np.nan_to_num(seeds).tolist())
        studies.tell(study, candidate.trial, value, pruned)
        state = 'pruned' if pruned else f'{100 * value:.2f} % of the validation images'
        run_flags.say(f'trial {candidate.trial.number}: {state}')


def _train_best(config, study, workdir, load, load_pretrained):
    """Trains the best trial with fresh seeds, tests it and prints the table."""
    from fmnist_jax import report
    from fmnist_jax.sweep import experiment

    trial = studies.best(study)
    if trial is None or not _BEST_SEEDS.value:
        return
    running = studies.counts(study)['running']
    if running:
        run_flags.say(f'{running} trials run elsewhere; who ends last trains the best one')
        return
    best = studies.best_config(config, trial, _BEST_SEEDS.value)
    folder = workdir / 'best'
    try:
        found = experiment.run(best, best.rows, folder, load, load_pretrained, run_flags.say)
    except workdirs.Busy:
        return run_flags.say('another process trains the best trial')
    files.write(folder / 'table.md', report.workdir_table(folder))
    print(report.table(found, f'{config.title}: the best trial, fresh seeds, test images'))


@studies.storage_errors()
def _run(config, workdir):
    """The whole search."""
    from fmnist_jax.data import datasets
    from fmnist_jax.sweep.study import draw

    machine.set_up(run_flags.CPU_DEVICES.value, datasets.cache_directory() / 'xla')
    studies.check_space(config)  # may trace a network, for which the devices must be there
    studies.make_sampler(_SAMPLER.value, config.seed, _TRIALS.value)  # what it lacks is told now
    pruner = studies.make_pruner(_PRUNER.value)
    load, load_pretrained = run_flags.loaders()
    load(config.dataset.name)
    workdirs.acquire(workdir, config)
    study = studies.open_study(config, workdir, _STORAGE.value, pruner)
    dead = studies.give_up_dead_trials(study)
    if dead:
        run_flags.say(f'{dead} trials of a process that was killed are tried again')
    _search(config, study, workdir, load, load_pretrained)
    have = studies.counts(study)
    heading = f'{config.title}: {have["complete"]} trials complete, {have["pruned"]} pruned'
    table = f'# {heading}\n\n{studies.table(study)}'
    files.write(workdir / 'search.md', table)
    print(table)
    draw(study, workdir / 'figures')
    _train_best(config, study, workdir, load, load_pretrained)
    print(f'Study: {workdir}/ (search.md, figures/, best/)')


def _main(argv):
    config = run_flags.parse(argv, __doc__, sys.modules[__name__])
    if config is not None:
        studies.fix(config, config_flags.get_override_values(flags.FLAGS['config']))
        _run(config, run_flags.workdir())


def main(argv=None):
    """The command: returns the exit code (0 done, 2 the user's mistake, 130 interrupted)."""
    return run_flags.exit_code(_main, sys.argv if argv is None else argv)


if __name__ == '__main__':
    sys.exit(main())
