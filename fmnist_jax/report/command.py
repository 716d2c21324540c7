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
from fmnist_jax.report import overview as table_list
from fmnist_jax.report.overview import commands, overview
from fmnist_jax.report.tables import workdir_table

_PAGE = 'report.html'


def _parser():
    parser = Parser(
        prog='python -m fmnist_jax.report',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', help='a workdir, such as runs/lenet, or a folder of workdirs')
    parser.add_argument(
        '--csv',
        metavar='FILE',
        help='write every number of the rows there, and of the claims to FILE_claims.csv',
    )
    parser.add_argument(
        *('--configs',),
        metavar='DIR',
        help='with a folder of workdirs: show the tables of these config files that are not run',
    )
    parser.add_argument(
        '--figures', action='store_true', help='write figures/*.svg of each workdir'
    )
    parser.add_argument('--png', action='store_true', help='with --figures: write *.png, too')
    parser.add_argument(
        *('--html',),
        **{'nargs': '?', 'const': '', 'metavar': 'FILE'},
        help=f'write one page of all tables, claims and figures; FOLDER/{_PAGE} if not named',
    )
    parser.add_argument(
        *('--tensorboard',),
        metavar='DIR',
        help='write event files there: WORKDIR/ROW/seed_K and .../mean',
    )
    parser.add_argument(
        '--data_dir',
        help='folder with fashion_mnist/ and mnist/: test labels for the ensembles of result '
        'lines that do not hold them, images for figures; FMNIST_DATA_DIR or the cache if not '
        'given, without any what needs them is left out',
    )
    return parser


def _flags(argv):
    parser = _parser()
    flags = parser.parse_args(argv)
    if flags.png and not flags.figures:
        parser.error('--png says how to write --figures: give both')
    if flags.configs and (pathlib.Path(flags.folder) / 'results.jsonl').exists():
        parser.error(f'--configs: {flags.folder} is one table; give the folder of all of them')
    return flags


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


def _say(line):
    print(line, file=sys.stderr)  # the table alone goes to the output


def _write(flags, folder, folders, not_run):
    """Writes the files that the flags ask for, and says which."""
    if flags.csv:
        csv.write(flags.csv, folders, flags.data_dir)
    if flags.figures:
        from fmnist_jax.report import figures  # what needs matplotlib is imported when asked for

        endings = ('.svg', '.png') if flags.png else ('.svg',)
        for workdir in folders:
            paths, left_out = figures.write(workdir, flags.data_dir, endings)
            _say(f'{workdir}/figures: wrote {", ".join(path.name for path in paths) or "nothing"}')
            for reason in left_out:
                _say(f'{workdir}/figures: left out {reason}')
    if flags.html is not None:
        from fmnist_jax.report import page

        file = pathlib.Path(flags.html or folder / _PAGE)
        page.write(file, folders, flags.data_dir, not_run)
        _say(f'{file}: wrote the page')
    if flags.tensorboard:
        from fmnist_jax.report import tensorboard

        count = tensorboard.write(flags.tensorboard, folders)
        _say(f'{flags.tensorboard}: wrote {count} runs; tensorboard --logdir={flags.tensorboard}')


def main(argv=None):
    """The command: prints a table; returns the exit code (0 done, 2 the user's mistake)."""
    flags = _flags(argv)
    folder = pathlib.Path(flags.folder)
    try:
        folders, single = _workdirs(folder)
        not_run = table_list.not_run(flags.configs, folder, folders) if flags.configs else []
        if single:
            text = workdir_table(folder, flags.data_dir)
        else:
            tables = table_list.read(folders) + not_run
            text = f'{overview(tables)}\n{commands(tables)}'
        _write(flags, folder, folders, not_run)
        sys.stdout.write(text)
    except (ConfigError, DataError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0
