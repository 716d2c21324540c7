"""Trains a table's rows with many seeds and prints the report's numbers beside ours.

    python -m fmnist_jax.main --config=configs/lenet.py
    python -m fmnist_jax.main --config=configs/lenet.py --list
    python -m fmnist_jax.main --config=configs/lenet.py --rows='relu*' --config.num_seeds=10

Any field of configs/base.py can be set: --config.epochs=2, --config.dataset.name=mnist.
"""

import pathlib
import sys
import traceback

from absl import flags
from ml_collections import config_flags

from fmnist_jax import data, files
from fmnist_jax.commandline import check_config_flags
from fmnist_jax.settings import ConfigError, one_line, plain, refuse_row_fields, select_rows

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, "A table's file, such as configs/lenet.py.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder for the results; runs/<name of the config> if not given.'
)
_ROWS = flags.DEFINE_string('rows', '*', "Which rows to run, as a glob: 'relu*'.")
_LIST = flags.DEFINE_bool('list', False, "Print the rows with the report's numbers and stop.")
_DATA_DIR = flags.DEFINE_string(
    'data_dir',
    None,
    'Folder with fashion_mnist/ and mnist/, each holding the four IDX .gz files; '
    'FMNIST_DATA_DIR if not given. Without either they are downloaded once.',
)
_PRETRAINED = flags.DEFINE_string(
    'pretrained',
    None,
    "Keras file of MobileNet's ImageNet weights, for rows that start from them; "
    'downloaded once if not given.',
)
_FRESH = flags.DEFINE_list(
    'fresh', [], 'Keras layers that start from random weights all the same: conv_pw_13,…'
)
_CPU_DEVICES = flags.DEFINE_integer(
    'cpu_devices', None, 'Devices to make of the CPU; one per core if not given.', lower_bound=1
)
_DEBUG = flags.DEFINE_bool('debug', False, 'Show the traceback of an error.')


def _say(line):
    print(line, file=sys.stderr, flush=True)


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
    _say(f'{error}\n')
    _say('*' * 78)
    _say('FALLING BACK ON SYNTHETIC IMAGES: drawn garments, NOT Fashion-MNIST.')
    _say("The numbers below say nothing about the reports' numbers.")
    _say('*' * 78)
    config.dataset.name = 'synthetic'
    return data.load('synthetic')


def _run(config, rows, workdir):
    """Trains what is missing, prints the table and says where the results lie."""
    from fmnist_jax import experiment, parallel, pretrained, report
    from fmnist_jax.report import claims
    from fmnist_jax.train import model_of

    parallel.set_up(_CPU_DEVICES.value, data.cache_directory() / 'xla')

    loaded = {}

    def load(name):
        if name not in loaded:
            loaded[name] = data.load(name, _DATA_DIR.value)
        return loaded[name]

    def load_pretrained(settings):
        side = settings.dataset.image_size
        return pretrained.load(model_of(settings), (side, side, 3), _PRETRAINED.value, _FRESH.value)

    experiment.check_rows(config, rows)
    claims.check(plain(config).get('claims', ()), [row['name'] for row in config.rows])
    try:
        load(config.dataset.name)
    except data.DataUnavailable as error:
        loaded['synthetic'] = _synthetic_instead(config, error)
        workdir = workdir.with_name(workdir.name + '-synthetic')
    results = experiment.run(config, rows, workdir, load, load_pretrained, _say)
    text = report.table(results, config.title) + report.claims_text(workdir)
    print(f'\n{text}')
    files.write(workdir / 'table.md', report.workdir_table(workdir))
    print(f'Results: {workdir}/results.jsonl, table.md and predictions/')


def _main(argv):
    """Parses the flags and runs; errors of the user's come out as exceptions."""
    if {'--help', '-help', '-h'} & set(argv):
        return print(f'{__doc__}\n{flags.FLAGS.main_module_help()}')
    check_config_flags(argv)
    junk = flags.FLAGS(argv)[1:]
    if junk:
        raise ConfigError(f'{junk[0]!r}: not a flag; flags begin with --, as in --rows=relu*')
    config = _CONFIG.value
    overridden = config_flags.get_override_values(flags.FLAGS['config'])
    rows = select_rows(config, _ROWS.value)
    if _LIST.value:
        return _list_rows(config, rows)
    refuse_row_fields(rows, overridden)
    name = pathlib.Path(flags.FLAGS['config'].config_filename).stem
    _run(config, rows, pathlib.Path(_WORKDIR.value or f'runs/{name}'))


def main(argv=None):
    """The command: returns the exit code (0 done, 2 the user's mistake, 130 interrupted)."""
    argv = sys.argv if argv is None else argv
    try:
        _main(argv)
    except KeyboardInterrupt:
        _say('\nStopped. Finished rows are kept; the same command goes on with the next one.')
        return 130
    except (ConfigError, data.DataError, flags.Error, OSError) as error:
        if any(a in ('--debug', '--debug=true') for a in argv):
            traceback.print_exc()
        # What absl says of a flag repeats the flag, whatever that is.
        _say(f'error: {one_line(error) if isinstance(error, flags.Error) else error}')
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
