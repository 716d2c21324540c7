"""Tables of which nothing has been run: their configs have the reports' numbers all the same."""

import pathlib
from typing import NamedTuple

from fmnist_jax.commandline import load_config
from fmnist_jax.report.obtained import command
from fmnist_jax.report.rows import not_run
from fmnist_jax.settings import ConfigError, plain


class Unrun(NamedTuple):
    """A table without a workdir."""

    title: str
    rows: list  # rows.Row, none of them run
    command: str  # runs it


def tables(configs, folder, folders):
    """The Unrun tables of config files that have a number of a report of their own.

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
        rows = [not_run(row) for row in config['rows']]
        if any(row.reported is not None and not row.repeats for row in rows):
            names = [row.name for row in rows]
            found.append(Unrun(config['title'], rows, command(folder / path.stem, config, names)))
    return sorted(found)
