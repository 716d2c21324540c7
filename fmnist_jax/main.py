"""Trains a table's rows with many seeds and prints the report's numbers beside ours.

    python -m fmnist_jax.main --config=configs/lenet.py
    python -m fmnist_jax.main --config=configs/lenet.py --list
    python -m fmnist_jax.main --config=configs/lenet.py --rows='relu*' --config.num_seeds=10

Any field of configs/base.py can be set: --config.epochs=2, --config.dataset.name=mnist.
"""

import sys
import traceback

from absl import flags
from ml_collections import config_flags

from fmnist_jax import files
from fmnist_jax.config import machine, run_flags
from fmnist_jax.config.settings import plain, refuse_row_fields, select_rows
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError

_ROWS = flags.DEFINE_string('rows', '*', "Which rows to run, as a glob: 'relu*'.")
_LIST = flags.DEFINE_bool('list', False, "Print the rows with the report's numbers and stop.")
_CLUSTER = flags.DEFINE_string(
    'cluster',
    None,
    "Train on a Ray cluster: HOST:PORT, or auto (RAY_ADDRESS, else this machine's). A task has one "
    'GPU, or --cpu_devices cores where there are none.',
)
_SEEDS_PER_TASK = flags.DEFINE_integer(
    'seeds_per_task', 0, 'With --cluster: seeds of a row in one task; 0 for all.', lower_bound=0
)
_COORDINATOR = flags.DEFINE_string(
    'coordinator',
    None,
    'Train on several hosts together, this command on each: HOST:PORT of host 0, or auto (Slurm, '
    'Open MPI, Kubernetes, TPUs).',
)
_NUM_HOSTS = flags.DEFINE_integer('num_hosts', None, 'With --coordinator: how many hosts.')
_HOST = flags.DEFINE_integer('host', None, 'With --coordinator: which one this is, from 0.')


def _list_rows(config, rows):
    from fmnist_jax.report import percent

    width = max(len(row['name']) for row in rows)
    print(f'{config.title}\n{"row".ljust(width)}  report, test accuracy in %; what else it prints')
    for row in rows:
        also = ', '.join(
            f'{name} {percent(number) if name.endswith("accuracy") else format(number, ".10g")}'
            for name, number in row['also_reported'].items()
        )
        print(f'{row["name"].ljust(width)}  {percent(row["reported"]) or "-"}  {also}'.rstrip())


def _synthetic_instead(config, error):
    """The config's fallback when the real images cannot be had: loud, and in its own workdir."""
    if config.dataset.fallback != 'synthetic':
        raise error
    run_flags.say(f'{error}\n')
    run_flags.say('*' * 78)
    run_flags.say('FALLING BACK ON SYNTHETIC IMAGES: drawn garments, NOT Fashion-MNIST.')
    run_flags.say("The numbers below say nothing about the reports' numbers.")
    run_flags.say('*' * 78)
    config.dataset.name = 'synthetic'


def _check_machines():
    """Refuses flags about machines that do not go together."""
    if _CLUSTER.value and _COORDINATOR.value:
        raise ConfigError('--cluster and --coordinator: one or the other')
    if _SEEDS_PER_TASK.value and not _CLUSTER.value:
        raise ConfigError('--seeds_per_task needs --cluster')
    if not _COORDINATOR.value and (_NUM_HOSTS.value, _HOST.value) != (None, None):
        raise ConfigError('--num_hosts and --host need --coordinator=HOST:PORT')


def _train(*inputs):
    """experiment.run where the flags say; None on a host that writes nothing."""
    from fmnist_jax.sweep import experiment

    if _COORDINATOR.value:
        from fmnist_jax.sweep import multihost

        return multihost.run(*inputs)
    if _CLUSTER.value:
        from fmnist_jax.sweep import ray_cluster

        with ray_cluster.connect(
            _CLUSTER.value, run_flags.CPU_DEVICES.value, _SEEDS_PER_TASK.value
        ) as executor:
            return experiment.run(*inputs, executor)
    return experiment.run(*inputs)


def _run(config, rows, workdir):
    """Trains what is missing, prints the table and says where the results lie."""
    from fmnist_jax import report
    from fmnist_jax.report import claims
    from fmnist_jax.sweep import experiment

    platform = 'cpu' if _CLUSTER.value else None  # the GPUs are for the tasks
    machine.set_up(run_flags.CPU_DEVICES.value, datasets.cache_directory() / 'xla', platform)
    if _COORDINATOR.value:
        from fmnist_jax.sweep import multihost

        multihost.connect(_COORDINATOR.value, _NUM_HOSTS.value, _HOST.value, run_flags.say)

    experiment.check_rows(config, rows)
    claims.check(plain(config).get('claims', ()), [row['name'] for row in config.rows])
    load, load_pretrained = run_flags.loaders()
    try:
        load(config.dataset.name)
    except datasets.DataUnavailable as error:
        _synthetic_instead(config, error)
        workdir = workdir.with_name(workdir.name + '-synthetic')
    results = _train(config, rows, workdir, load, load_pretrained, run_flags.say)
    if results is None:
        return
    text = report.table(results, config.title) + report.claims_text(workdir)
    print(f'\n{text}')
    files.write(workdir / 'table.md', report.workdir_table(workdir))
    print(f'Results: {workdir}/results.jsonl, table.md, predictions/ and parameters/')


def _main(argv):
    """Parses the flags and runs; errors of the user's come out as exceptions."""
    config = run_flags.parse(argv, __doc__, sys.modules[__name__])
    if config is None:
        return
    overridden = config_flags.get_override_values(flags.FLAGS['config'])
    rows = select_rows(config, _ROWS.value)
    if _LIST.value:
        return _list_rows(config, rows)
    refuse_row_fields(rows, overridden)
    _check_machines()
    _run(config, rows, run_flags.workdir())


def main(argv=None):
    """The command: returns the exit code.

    0 done, 1 a machine was lost, 2 the user's mistake, 130 interrupted.
    """
    try:
        code = run_flags.exit_code(_main, sys.argv if argv is None else argv)
    except Exception:
        if not _joined_hosts():
            raise
        traceback.print_exc()
        code = 1
    if code and _joined_hosts():
        sys.modules['fmnist_jax.sweep.multihost'].leave(code)
    return code


def _joined_hosts():
    """Whether this process is one of several hosts' (--coordinator)."""
    hosts = sys.modules.get('fmnist_jax.sweep.multihost')
    return hosts is not None and hosts.joined()


if __name__ == '__main__':
    sys.exit(main())
