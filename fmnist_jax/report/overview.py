"""All tables at a glance: each one's best reported number, and how many of its numbers hold."""

import pathlib
from typing import NamedTuple

from fmnist_jax.config.settings import plain
from fmnist_jax.config.table import load_config
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import grid, percent
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.provenance import command
from fmnist_jax.report.rows import JUDGED, verdict_counts
from fmnist_jax.report.tables import shown_mean, shown_name

# The tables of a folder of workdirs, and those of config files of which nothing has been run.


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


_HEADINGS = (
    *('table', 'best reported', 'report', 'ours: mean ± sd', 'verdict', 'all verdicts'),
    'rows run',
)


def best_reported(rows):
    """The row with the report's best number, run or not; None without any, or on drawn images.

    Several rows may try one reported number in different ways: then our best of them.
    """
    numbers = [row for row in rows if row.reported is not None]
    if not numbers or any(row.dataset == 'synthetic' for row in rows):
        return None
    return max(numbers, key=lambda r: (r.reported, r.accuracy.mean if r.accuracy.count else 0))


def ours(row):
    """Mean, deviation and number of seeds; or that it is not run yet."""
    seeds = row.accuracy.count
    return shown_mean(row) + (f' ({seeds} seed{"s" * (seeds > 1)})' if seeds else '')


def _cells(table):
    rows, best = table.rows, best_reported(table.rows)
    counts = verdict_counts(rows)
    verdicts = ', '.join(f'{counts[name]} {name}' for name in JUDGED if name in counts)
    run = sum(row.is_run for row in rows)
    return (
        *(table.title, shown_name(best), percent(best.reported), ours(best), best.verdict),
        verdicts or ('' if counts else "other tables' numbers"),
        f'{run} of {len(rows)}',
    )


def overview(tables):
    """One line a table, by title; tables without a reported number are left out.

    Args:
      tables: listing.Table.
    """
    shown = [table for table in tables if best_reported(table.rows)]
    return grid([_HEADINGS, *map(_cells, sorted(shown, key=lambda table: table.title))])


def commands(tables):
    """Markdown: the command of every table that lacks rows; '' if none does.

    Args:
      tables: listing.Table.
    """
    lines = sorted(f'- {table.title}: `{table.command}`' for table in tables if table.command)
    return '\nRows not run yet:\n\n' + '\n'.join(lines) + '\n' if lines else ''
