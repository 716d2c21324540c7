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

from fmnist_jax import files
from fmnist_jax.config.cli import exit_code, loaders, parse_table, say, table_parser, whole
from fmnist_jax.config.settings import resolve
from fmnist_jax.results import workdirs
from fmnist_jax.sweep import study as studies
from fmnist_jax.sweep import trials


def _parser():
    parser = table_parser('search', __doc__)
    add = parser.add_argument
    add('--trials', type=whole(1), default=50, help='trials of the study, with the old ones (50)')
    add('--together', type=whole(1), default=4, help='trials asked for and trained at once (4)')
    add('--sampler', choices=studies.SAMPLERS, default='tpe', help='how trials are chosen (tpe)')
    add(
        '--pruner',
        choices=studies.PRUNERS,
        default='median',
        help='how hopeless trials are found (median)',
    )
    add('--storage', default='', help='the study, as sqlite:///study.db; default: in the workdir')
    add('--best_seeds', type=whole(0), default=5, help='fresh seeds of the best trial (5); 0: none')
    return parser


def _progress(name, settings, dataset):
    """What shows the progress of a group of trials."""
    from fmnist_jax.fit.progress import RowProgress
    from fmnist_jax.train.step import steps_per_epoch

    num_train = len(dataset.train_labels) - settings.dataset.num_validation
    return RowProgress(name, settings.epochs, steps_per_epoch(settings, num_train))


def _ask(options, config, study):
    """The next Candidates, none if the study has enough: complete, pruned or running elsewhere."""

    def sampler_of(number):
        return studies.make_sampler(options.sampler, config.seed + number, options.trials)

    candidates = []
    with workdirs.lock(
        options.workdir, wait=True
    ):  # else two processes would both ask for the last ones
        have = studies.counts(study)
        left = options.trials - have['complete'] - have['pruned'] - have['running']
        for _ in range(min(options.together, left)):
            trial, change = studies.ask(study, config.search, sampler_of)
            settings = resolve(config, studies.row(f'trial {trial.number}', change))
            candidates.append(trials.Candidate(trial, settings))
    return candidates


def _search(options, config, study, load, load_pretrained):
    """Runs trials until the study has enough."""
    cache = {}
    while candidates := _ask(options, config, study):
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
        say(f'trial {candidate.trial.number}: {state}')


def _train_best(options, config, study, load, load_pretrained):
    """Trains the best trial with fresh seeds, tests it and prints the table."""
    from fmnist_jax import report
    from fmnist_jax.sweep import experiment

    trial = studies.best(study)
    if trial is None or not options.best_seeds:
        return
    running = studies.counts(study)['running']
    if running:
        say(f'{running} trials run elsewhere; who ends last trains the best one')
        return
    best = studies.best_config(config, trial, options.best_seeds)
    folder = options.workdir / 'best'
    try:
        found = experiment.run(best, best.rows, folder, load, load_pretrained, say)
    except workdirs.Busy:
        return say('another process trains the best trial')
    files.write(folder / 'table.md', report.workdir_table(folder))
    print(report.table(found, f'{config.title}: the best trial, fresh seeds, test images'))


@studies.storage_errors()
def _run(options, config):
    """The whole search."""
    from fmnist_jax.config import machine
    from fmnist_jax.data import datasets
    from fmnist_jax.sweep.study import draw

    machine.set_up(options.cpu_devices, datasets.cache_directory() / 'xla')
    studies.check_space(config)  # may trace a network, for which the devices must be there
    studies.make_sampler(options.sampler, config.seed, options.trials)  # what it lacks is told now
    pruner = studies.make_pruner(options.pruner)
    for note in options.notes:
        say(note)
    workdir = options.workdir
    load, load_pretrained = loaders(options, config, config.rows)
    load(config.dataset.name)
    workdirs.acquire(workdir, config)
    study = studies.open_study(config, workdir, options.storage, pruner)
    dead = studies.give_up_dead_trials(study)
    if dead:
        say(f'{dead} trials of a process that was killed are tried again')
    _search(options, config, study, load, load_pretrained)
    have = studies.counts(study)
    heading = f'{config.title}: {have["complete"]} trials complete, {have["pruned"]} pruned'
    table = f'# {heading}\n\n{studies.table(study)}'
    files.write(workdir / 'search.md', table)
    print(table)
    draw(study, workdir / 'figures')
    _train_best(options, config, study, load, load_pretrained)
    print(f'Study: {workdir}/ (search.md, figures/, best/)')


def _main(arguments):
    options, config, overrides = parse_table(_parser(), arguments)
    studies.fix(config, overrides)
    _run(options, config)


def main(arguments=None):
    """The command: returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    sys.exit(main())
