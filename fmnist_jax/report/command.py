"""Prints the tables of result lines: the report's number beside ours.

python -m fmnist_jax.report runs/lenet                    the table and claims of a workdir
python -m fmnist_jax.report experiments                   one line for each workdir in a folder
python -m fmnist_jax.report experiments --csv=rows.csv    and every number of every row as CSV
"""

import argparse
import pathlib
import sys

from fmnist_jax.data import DataError
from fmnist_jax.report import csv_table
from fmnist_jax.report.tables import overview, workdir_table
from fmnist_jax.settings import ConfigError


def _flags(argv):
    parser = argparse.ArgumentParser(
        prog='python -m fmnist_jax.report',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', help='a workdir, such as runs/lenet, or a folder of workdirs')
    parser.add_argument('--csv', metavar='FILE', help='write every number of the rows there')
    parser.add_argument(
        '--data_dir',
        help='folder with fashion_mnist/ and mnist/, for the ensembles of result lines that do '
        'not hold them; FMNIST_DATA_DIR or the cache if not given, without any they are left out',
    )
    return parser.parse_args(argv)


def _workdirs(folder):
    """(the workdirs of a folder, whether it is one itself).

    Raises:
      ConfigError: it is none, and there are none in it.
    """
    if not folder.is_dir():
        raise ConfigError(f'{folder}: no such folder')
    if (folder / 'results.jsonl').exists():
        return [folder], True
    inside = sorted(path.parent for path in folder.glob('*/results.jsonl'))
    if not inside:
        raise ConfigError(f'{folder}: no result lines there (results.jsonl), nor in its folders')
    return inside, False


def main(argv=None):
    """The command: prints a table; returns the exit code (0 done, 2 the user's mistake)."""
    flags = _flags(argv)
    folder = pathlib.Path(flags.folder)
    try:
        workdirs, single = _workdirs(folder)
        text = workdir_table(folder, flags.data_dir) if single else f'{overview(workdirs)}\n'
        if flags.csv:
            csv_table.write(flags.csv, workdirs, flags.data_dir)
        sys.stdout.write(text)
    except (ConfigError, DataError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0
