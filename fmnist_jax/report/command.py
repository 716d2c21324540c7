"""Prints the tables of result lines: the report's number beside ours.

python -m fmnist_jax.report runs/lenet                    the table and claims of a workdir
python -m fmnist_jax.report experiments                   one line for each workdir in a folder
python -m fmnist_jax.report experiments --configs=configs and the tables not run at all
python -m fmnist_jax.report experiments --csv=rows.csv    and every number of every row as CSV
python -m fmnist_jax.report experiments --figures         and figures in each workdir's figures/
python -m fmnist_jax.report experiments --html            and one page: experiments/report.html
python -m fmnist_jax.report experiments --tensorboard=tb  and event files for TensorBoard
python -m fmnist_jax.report runs/speedrun --target=0.94   epochs, seconds, TFLOP to an accuracy
"""

import sys

from fmnist_jax import files
from fmnist_jax.config.cli import Parser, exit_code, fraction, path, say
from fmnist_jax.errors import ConfigError
from fmnist_jax.report import csv, figures, page, tensorboard
from fmnist_jax.report.tables import commands, overview, read_tables, tables_not_run, workdir_table
from fmnist_jax.report.target import target_text

_PAGE = 'report.html'


def _flags(argv):
    parser = Parser(prog='python -m fmnist_jax.report', description=__doc__)
    add = parser.add_argument
    add(
        'folder',
        metavar='FOLDER',
        type=path,
        help='a workdir, such as runs/lenet, or a folder of workdirs',
    )
    text = 'write every number of the rows, and of the claims to FILE_claims.csv'
    add('--csv', type=path, metavar='FILE', help=text)
    text = 'with a folder of workdirs: show the tables of these config files that are not run'
    add('--configs', type=path, metavar='DIR', help=text)
    add('--figures', action='store_true', help='write figures/*.svg of each workdir')
    add('--png', action='store_true', help='with --figures: write *.png, too')
    text = f'write one page of all tables, claims and figures (FOLDER/{_PAGE})'
    add('--html', nargs='?', type=path, const=False, metavar='FILE', help=text)
    text = 'write event files: WORKDIR/ROW/seed_K and .../mean'
    add('--tensorboard', type=path, metavar='DIR', help=text)
    text = 'print when the seeds reach this validation accuracy, a fraction such as 0.94'
    add('--target', type=fraction, metavar='P', help=text)
    text = (
        'folder with fashion_mnist/ and mnist/, whose test images figures show; without it '
        'FMNIST_DATA_DIR, then the cache; without images those figures are left out'
    )
    add('--data_dir', help=text)
    flags = parser.parse_args(argv)
    if flags.png and not flags.figures:
        parser.error('--png says how to write --figures: give both')
    if flags.configs and (flags.folder / 'results.jsonl').exists():
        parser.error(f'--configs: {flags.folder} is one table; give the folder of all of them')
    return flags


def _workdirs(folder):
    """(the workdirs of a folder, whether it is itself one)."""
    if folder.is_file():
        raise ConfigError(f'{folder}: a file; give its folder')
    if not folder.is_dir():
        raise ConfigError(f'{folder}: no such folder')
    if (folder / 'results.jsonl').exists():
        return [folder], True
    inside = sorted(path.parent for path in folder.glob('*/results.jsonl'))
    if not inside:
        raise ConfigError(f'{folder}: no result lines there (results.jsonl), nor in its folders')
    return inside, False


def _check_parent(flag, file):
    """Refuses a file in a folder that does not exist."""
    if not file.parent.is_dir():
        raise ConfigError(f'{flag}={file}: no folder {file.parent}')


def _write(flags, folder, folders, not_run):
    """Writes the files that the flags ask for."""
    if flags.csv:
        _check_parent('--csv', flags.csv)
        csv.write(flags.csv, folders)
    if flags.figures:
        endings = ('.svg', '.png') if flags.png else ('.svg',)
        for workdir in folders:
            is_new = not (workdir / 'figures').exists()
            paths, left_out = figures.write(workdir, flags.data_dir, endings)
            if paths and is_new:
                say(f'{workdir / "figures"}: a new folder')
            for path in paths:
                say(f'{path}: written')
            for reason in left_out:
                say(f'{workdir}: left out {reason}')
    if flags.html is not None:
        file = flags.html or folder / _PAGE
        _check_parent('--html', file)
        files.write(file, page.page(folders, flags.data_dir, not_run, say))
        say(f'{file}: written')
    if flags.tensorboard:
        count = tensorboard.write(flags.tensorboard, folders)
        say(f'{flags.tensorboard}: wrote {count} runs; tensorboard --logdir={flags.tensorboard}')


def _main(argv):
    flags = _flags(argv)
    folder = flags.folder
    folders, is_workdir = _workdirs(folder)
    not_run = tables_not_run(flags.configs, folder, folders) if flags.configs else []
    if flags.target is not None:
        text = target_text(folders, flags.target)
    elif is_workdir:
        text = workdir_table(folder)
    else:
        tables = read_tables(folders) + not_run
        text = f'{overview(tables)}\n{commands(tables)}'
    _write(flags, folder, folders, not_run)
    sys.stdout.write(text)


def main(argv=None):
    """The command: prints a table; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, argv)
