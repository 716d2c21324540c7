"""Trains a table's rows with many seeds and prints the report's numbers beside ours.

    python -m fmnist_jax.main --config=configs/lenet.py
    python -m fmnist_jax.main --config=configs/lenet.py --list
    python -m fmnist_jax.main --config=configs/lenet.py --rows='relu*,tanh_max*'
    python -m fmnist_jax.main --config=configs/lenet.py --config.num_seeds=10
    python -m fmnist_jax.main --config=configs/lenet.py --smoke

Every field of a config is a flag: --config.epochs=2, --config.dataset.name=mnist. A flag overrides
the table's value. A row whose settings a flag has changed gets no verdict.
"""

import sys
import traceback

from fmnist_jax import files
from fmnist_jax.config.cli import (
    exit_code,
    loaders,
    parse_table,
    say,
    table_parser,
    whole,
    with_own_images,
)
from fmnist_jax.config.settings import override, plain, select_rows
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import markdown

_SMOKE_IMAGES = 1000  # training images of --smoke


def _parser():
    parser = table_parser('main', __doc__)
    add = parser.add_argument
    add('--rows', default='*', metavar='GLOB,...', help="rows to run: 'relu*,tanh_max*'")
    add('--list', action='store_true', help="print the rows with the report's numbers and stop")
    few = f'a quick trial: 1 seed, 1 epoch, {_SMOKE_IMAGES} images'
    add('--smoke', action='store_true', help=few)
    ray = "train on a Ray cluster; auto: RAY_ADDRESS, else this machine's; local: a new one"
    add('--cluster', metavar='HOST:PORT', help=ray)
    add('--seeds_per_task', type=whole(0), default=0, help='with --cluster: of a row; 0: all')
    hosts = 'train on several hosts, this command on each: the address of host 0, or auto'
    add('--coordinator', metavar='HOST:PORT', help=hosts)
    add('--num_hosts', type=whole(1), help='with --coordinator: the number of hosts')
    add('--host', type=whole(0), help='with --coordinator: the number of this host, from 0')
    return parser


def _list_rows(config, rows):
    from fmnist_jax.report.other_numbers import shown
    from fmnist_jax.report.rows import not_run

    lines = []
    for row in (not_run(row, config.decimals) for row in rows):
        also = ', '.join(f'{name} {shown(name, n)}' for name, n in row.also_reported.items())
        lines.append((row.name, row.reported_text, also))
    print(f'{config.title}\n\n{markdown(("row", "report", "other numbers"), lines)}')


def _use_synthetic_images(config, error):
    """Falls back on synthetic images where the config allows it."""
    if config.dataset.fallback != 'synthetic':
        raise error
    stars = '*' * 78
    say(f'{error}\n\n{stars}\nFALLING BACK ON SYNTHETIC IMAGES: drawn garments, NOT Fashion-MNIST.')
    say(f"The numbers below say nothing about the reports' numbers.\n{stars}")
    config.dataset.name = 'synthetic'


def _check_machines(options):
    """Refuses flags about machines that contradict each other."""
    if options.cluster and options.coordinator:
        raise ConfigError('--cluster and --coordinator: give one of them')
    if options.seeds_per_task and not options.cluster:
        raise ConfigError('--seeds_per_task needs --cluster')
    if not options.coordinator and (options.num_hosts, options.host) != (None, None):
        raise ConfigError('--num_hosts and --host need --coordinator=HOST:PORT')


def _beside(workdir, word):
    """The folder beside a workdir that has this word behind its name."""
    named = workdir if workdir.name else workdir.resolve()
    if not named.name:
        raise ConfigError(f'--workdir={workdir}: expected a folder with a name')
    return named.with_name(f'{named.name}-{word}')


def _smoke(options, config, load):
    """(config, load) of a quick trial: one epoch, one seed, few images."""
    short = {'epochs': 1, 'num_seeds': 1, 'head_epochs': 0, 'schedule.warmup_epochs': 0.0}
    short['dataset.num_validation'] = min(config.dataset.num_validation, _SMOKE_IMAGES // 5)
    config, _ = override(config, short)
    options.workdir = _beside(options.workdir, 'smoke')

    def load_few(source):
        dataset = load(source)
        return type(dataset)(*(array[:_SMOKE_IMAGES] for array in dataset))

    return config, load_few


def _train(options, inputs):
    """sweep.experiment.run on the machines that the flags name; None on hosts other than 0."""
    from fmnist_jax.sweep import experiment

    if options.coordinator:
        from fmnist_jax.sweep import multihost

        return multihost.run(*inputs)
    if not options.cluster:
        return experiment.run(*inputs)
    from fmnist_jax.sweep.ray_cluster import connect

    with connect(options.cluster, options.cpu_devices, options.seeds_per_task) as executor:
        return experiment.run(*inputs, executor)


def _run(options, config):
    """Trains the missing rows, writes and prints the table."""
    from fmnist_jax import report
    from fmnist_jax.config import machine
    from fmnist_jax.data import catalog, datasets
    from fmnist_jax.report import claims, committed
    from fmnist_jax.sweep import experiment

    platform = 'cpu' if options.cluster else None  # the GPUs are for the tasks
    machine.set_up(options.cpu_devices, datasets.cache_directory() / 'xla', platform)
    if options.coordinator:
        from fmnist_jax.sweep import multihost

        multihost.connect(options.coordinator, options.num_hosts, options.host, say)
    rows = select_rows(config, options.rows)
    load, load_pretrained = loaders(options, config, rows)
    config, notes = with_own_images(config, rows, load)
    if options.smoke:
        config, load = _smoke(options, config, load)
    rows = select_rows(config, options.rows)
    experiment.check_rows(config, rows)
    claims.check(plain(config).get('claims', ()), [row['name'] for row in config.rows])
    for note in options.notes + notes:
        say(note)
    try:
        load(catalog.source(config.dataset))
    except datasets.DataUnavailable as error:
        _use_synthetic_images(config, error)
        options.workdir = _beside(options.workdir, 'synthetic')
    workdir = options.workdir
    results = _train(options, (config, rows, workdir, load, load_pretrained, say))
    if results is None:
        return
    files.write(workdir / 'table.md', report.workdir_table(workdir))
    print('\n' + report.workdir_table(workdir, [result['row'] for result in results]))
    if compared := committed.comparison(results):
        print(f'{compared}\n')
    print(f'Results: {workdir}/results.jsonl, table.md, predictions/ and parameters/')


def _main(arguments):
    options, config, _ = parse_table(_parser(), arguments)
    _check_machines(options)
    if options.list:
        return _list_rows(config, select_rows(config, options.rows))
    _run(options, config)


def main(arguments=None):
    """The command: returns the exit code (config.cli.exit_code)."""
    try:
        code = exit_code(_main, arguments)
    except Exception:
        if not _joined_hosts():
            raise
        traceback.print_exc()
        code = 1
    if code and _joined_hosts():
        sys.modules['fmnist_jax.sweep.multihost'].leave(code)
    return code


def _joined_hosts():
    """Whether this process is one of several hosts (--coordinator)."""
    multihost = sys.modules.get('fmnist_jax.sweep.multihost')
    return multihost is not None and multihost.joined()


if __name__ == '__main__':
    sys.exit(main())
