"""The tables of a folder of workdirs, and those of config files of which nothing has been run."""

import pathlib
from typing import NamedTuple

from fmnist_jax.config.cli import load_config
from fmnist_jax.config.settings import plain
from fmnist_jax.errors import ConfigError
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.provenance import command


class Table(NamedTuple):
    """A table with its rows, run or not."""

    title: str
    rows: list  # rows.Row
    command: str  # runs the rows not run yet; '' if there are none


def read(folders):
    """The Tables of workdirs.

    Raises:
      ConfigError: a damaged workdir.
    """
    contents = [(folder, *table_rows.read(folder)) for folder in folders]
    return [Table(c['title'], rows, command(folder, c, rows)) for folder, c, rows in contents]


def not_run(configs, folder, folders):
    """The Tables without a workdir of config files that have a number of a report of their own.

    Args:
      configs: pathlib.Path of the folder with the config files.
      folder: pathlib.Path of the folder of workdirs, each of the name of its config.
      folders: the workdirs that are there.

    Raises:
      ConfigError: no config files there, or one that is none.
    """
    files = sorted(path for path in pathlib.Path(configs).glob('*.py') if path.stem != 'base')
    if not files:
        raise ConfigError(f'{configs}: no config files there (*.py)')
    there = {path.resolve().name for path in folders}
    found = []
    for path in files:
        if path.stem in there:
            continue
        config = plain(load_config(path))
        rows = [table_rows.not_run(row) for row in config['rows']]
        if any(row.reported is not None and not row.repeats for row in rows):
            found.append(Table(config['title'], rows, command(folder / path.stem, config, rows)))
    return sorted(found, key=lambda table: table.title)
