"""Prints the tables of result lines: the report's number beside ours.

python -m fmnist_jax.report runs/lenet                    the table and claims of a workdir
python -m fmnist_jax.report experiments                   one line for each workdir in a folder
python -m fmnist_jax.report experiments --configs=configs and the tables not run at all
python -m fmnist_jax.report experiments --csv=rows.csv    and every number of every row as CSV
python -m fmnist_jax.report experiments --figures         and figures in each workdir's figures/
python -m fmnist_jax.report experiments --html            and one page: experiments/report.html
python -m fmnist_jax.report experiments --tensorboard=tb  and event files for TensorBoard
"""

import argparse
import pathlib
import sys

from fmnist_jax.config.cli import Parser
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.report import csv
from fmnist_jax.report.overview import commands, overview, read, tables_not_run
from fmnist_jax.report.tables import workdir_table

_PAGE = 'report.html'


def _flags(argv):
    parser = Parser(
        prog='python -m fmnist_jax.report',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('folder', help='a workdir, such as runs/lenet, or a folder of workdirs')
    add(
        '--csv',
        metavar='FILE',
        help='write every number of the rows, and of the claims to FILE_claims.csv',
    )
    add(
        '--configs',
        metavar='DIR',
        help='with a folder of workdirs: show the tables of these config files that are not run',
    )
    add('--figures', action='store_true', help='write figures/*.svg of each workdir')
    add('--png', action='store_true', help='with --figures: write *.png, too')
    add(
        '--html',
        nargs='?',
        const='',
        metavar='FILE',
        help=f'write one page of all tables, claims and figures (FOLDER/{_PAGE})',
    )
    add('--tensorboard', metavar='DIR', help='write event files: WORKDIR/ROW/seed_K and .../mean')
    add(
        '--data_dir',
        help='folder with fashion_mnist/ and mnist/, whose test images figures show; without it '
        'FMNIST_DATA_DIR, then the cache; without images those figures are left out',
    )
    flags = parser.parse_args(argv)
    if flags.png and not flags.figures:
        parser.error('--png says how to write --figures: give both')
    if flags.configs and (pathlib.Path(flags.folder) / 'results.jsonl').exists():
        parser.error(f'--configs: {flags.folder} is one table; give the folder of all of them')
    return flags


def _workdirs(folder):
    """(the workdirs of a folder, whether it is itself one).

    Raises:
      ConfigError: no such folder, or no workdir.
    """
    if not folder.is_dir():
        raise ConfigError(f'{folder}: no such folder')
    if (folder / 'results.jsonl').exists():
        return [folder], True
    inside = sorted(path.parent for path in folder.glob('*/results.jsonl'))
    if not inside:
        raise ConfigError(f'{folder}: no result lines there (results.jsonl), nor in its folders')
    return inside, False


def _say(line):
    print(line, file=sys.stderr)  # standard output gets only the table


def _write(flags, folder, folders, not_run):
    """Writes the files that the flags ask for. Imports matplotlib only if needed."""
    if flags.csv:
        csv.write(flags.csv, folders)
    if flags.figures:
        from fmnist_jax.report import figures

        endings = ('.svg', '.png') if flags.png else ('.svg',)
        for workdir in folders:
            is_new = not (workdir / 'figures').exists()
            paths, left_out = figures.write(workdir, flags.data_dir, endings)
            if paths and is_new:
                _say(f'{workdir / "figures"}: a new folder')
            for path in paths:
                _say(f'{path}: written')
            for reason in left_out:
                _say(f'{workdir}: left out {reason}')
    if flags.html is not None:
        from fmnist_jax.report import page

        file = pathlib.Path(flags.html or folder / _PAGE)
        if not file.parent.is_dir():
            raise ConfigError(f'--html={file}: no folder {file.parent}')
        page.write(file, folders, flags.data_dir, not_run, _say)
        _say(f'{file}: written')
    if flags.tensorboard:
        from fmnist_jax.report import tensorboard

        count = tensorboard.write(flags.tensorboard, folders)
        _say(f'{flags.tensorboard}: wrote {count} runs; tensorboard --logdir={flags.tensorboard}')


def main(argv=None):
    """The command: prints a table; returns the exit code (0 done, 2 the user's mistake)."""
    flags = _flags(argv)
    folder = pathlib.Path(flags.folder)
    try:
        folders, is_workdir = _workdirs(folder)
        not_run = tables_not_run(flags.configs, folder, folders) if flags.configs else []
        if is_workdir:
            text = workdir_table(folder)
        else:
            tables = read(folders) + not_run
            text = f'{overview(tables)}\n{commands(tables)}'
        _write(flags, folder, folders, not_run)
        sys.stdout.write(text)
    except (ConfigError, DataError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0
