"""Searches for hyper-parameters: many trials in one program, judged on validation images alone.

    python -m fmnist_jax.search --config=configs/cnn2_search.py --trials=50

A trial trains `config.num_seeds` seeds with the values that Optuna chose from `config.search`; its
value is the mean accuracy on their validation images, at the epoch that would be tested. Trials
that differ in numbers alone (learning rate, L2, dropout) are trained `--together` in one program.
Hopeless ones are stopped between epochs. A field that a flag sets, such as --config.epochs=3, is
not searched. The study lies in the workdir. The same command continues it, and several processes
may share it, also on machines that share the folder. In the end the best trial is trained with
fresh seeds and tested, once.
"""

import sys

from fmnist_jax import files
from fmnist_jax.config import machine
from fmnist_jax.config.cli import (
    exit_code,
    loaders,
    parse_table,
    say,
    table_parser,
    whole,
    with_own_images,
)
from fmnist_jax.config.settings import resolve
from fmnist_jax.config.table import row
from fmnist_jax.data import catalog, datasets
from fmnist_jax.results import workdirs
from fmnist_jax.sweep import experiment
from fmnist_jax.sweep import study as studies


def _parser():
    parser = table_parser('search', __doc__)
    add = parser.add_argument
    add('--trials', type=whole(1), default=50, help='trials of the study, with the old ones (50)')
    add('--together', type=whole(1), default=4, help='trials asked for and trained at once (4)')
    add('--sampler', choices=studies.SAMPLERS, default='tpe', help='how trials are chosen (tpe)')
    found = 'how hopeless trials are found (median)'
    add('--pruner', choices=studies.PRUNERS, default='median', help=found)
    add('--storage', default='', help='the study, as sqlite:///study.db; default: in the workdir')
    add('--best_seeds', type=whole(0), default=5, help='fresh seeds of the best trial (5); 0: none')
    return parser


def _ask(options, config, study):
    """The next (trial, settings), none if enough are complete, pruned or running elsewhere."""

    def sampler_of(number):
        return studies.make_sampler(options.sampler, config.seed + number, options.trials)

    candidates = []
    # Without the lock two processes would both ask for the last ones.
    with workdirs.lock(options.workdir, wait=True):
        have = studies.counts(study)
        left = options.trials - have['complete'] - have['pruned'] - have['running']
        for _ in range(min(options.together, left)):
            trial, change = studies.ask(study, config.search, sampler_of)
            settings = resolve(config, row(f'trial {trial.number}', change))
            candidates.append((trial, settings))
    return candidates


def _train_best(options, config, study, load, load_pretrained):
    """Trains the best trial with fresh seeds, tests it and prints the table."""
    from fmnist_jax import report

    trial = studies.best(study)
    if trial is None or not options.best_seeds:
        return
    if running := studies.counts(study)['running']:
        say(f'{running} trials run elsewhere; who ends last trains the best one')
        return
    best = studies.best_config(config, trial, options.best_seeds)
    folder = options.workdir / 'best'
    try:
        experiment.run(best, best.rows, folder, load, load_pretrained, say)
    except workdirs.Busy:
        return say('another process trains the best trial')
    table = report.workdir_table(folder)
    files.write(folder / 'table.md', table)
    print(f'The best trial, fresh seeds, test images\n\n{table}')


def _run(options, config):
    """The whole search."""
    machine.set_up(options.cpu_devices, datasets.cache_directory() / 'xla')
    load, load_pretrained = loaders(options, config, config.rows)
    config, notes = with_own_images(config, config.rows, load)
    studies.check_space(config)  # may trace a network, for which the devices must be there
    studies.make_sampler(options.sampler, config.seed, options.trials)  # raises without PyTorch
    pruner = studies.make_pruner(options.pruner)
    for note in options.notes + notes:
        say(note)
    workdir = options.workdir
    load(catalog.source(config.dataset))
    workdirs.acquire(workdir, config)
    study = studies.open_study(config, workdir, options.storage, pruner)
    if dead := studies.give_up_dead_trials(study):
        say(f'{dead} trials of a process that was killed are tried again')
    cache = {}  # compiled programs
    while candidates := _ask(options, config, study):
        for group in studies.groups(candidates):
            settings = group[0][1]
            weights = load_pretrained(settings).variables if settings.pretrained else None
            studies.train_group(
                study, group, load(catalog.source(settings.dataset)), cache, weights
            )
    have = studies.counts(study)
    heading = f'{config.title}: {have["complete"]} trials complete, {have["pruned"]} pruned'
    table = f'# {heading}\n\n{studies.table(study)}'
    files.write(workdir / 'search.md', table)
    print(table)
    studies.draw(study, workdir / 'figures')
    _train_best(options, config, study, load, load_pretrained)
    print(f'Study: {workdir}/ (search.md, figures/, best/)')


def _main(arguments):
    options, config, overrides = parse_table(_parser(), arguments, 'cnn2_search')
    studies.fix(config, overrides)
    with studies.storage_errors():
        _run(options, config)


def main(arguments=None):
    """The command: returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    sys.exit(main())
