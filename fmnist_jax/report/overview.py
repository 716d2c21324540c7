"""All tables at a glance: each one's best reported number, and the counts of its verdicts."""

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


class Table(NamedTuple):
    """A table with its rows, run or not."""

    title: str
    rows: list  # [Row]
    command: str  # runs the rows not run yet; '' if all are run


def read(folders):
    """The Tables of workdirs.

    Raises:
      ConfigError: a damaged workdir.
    """
    tables = []
    for folder in folders:
        config, rows = table_rows.read(folder)
        tables.append(Table(config['title'], rows, command(folder, config, rows)))
    return tables


def tables_not_run(configs, folder, folders):
    """The Tables of config files without a workdir that have a reported number of their own.

    Args:
      configs: folder of the config files.
      folder: pathlib.Path of the folder of workdirs, each with the name of its config.
      folders: the workdirs in it.

    Raises:
      ConfigError: no config files, or a file that is not a config.
    """
    files = sorted(path for path in pathlib.Path(configs).glob('*.py') if path.stem != 'base')
    if not files:
        raise ConfigError(f'{configs}: no config files there (*.py)')
    run = {path.resolve().name for path in folders}
    tables = []
    for path in (path for path in files if path.stem not in run):
        config = plain(load_config(path))
        rows = [table_rows.not_run(row) for row in config['rows']]
        if any(row.reported is not None and not row.repeats for row in rows):
            tables.append(Table(config['title'], rows, command(folder / path.stem, config, rows)))
    return sorted(tables, key=lambda table: table.title)


def best_reported(rows):
    """The row with the report's best number; None without one, or on synthetic images.

    Of several rows with that number, our best.
    """
    numbers = [row for row in rows if row.reported is not None]
    if not numbers or any(row.dataset == 'synthetic' for row in rows):
        return None
    return max(numbers, key=lambda r: (r.reported, r.accuracy.mean if r.accuracy.count else 0))


def ours(row):
    """'91.00 ± 0.12 (5 seeds)', or 'not run yet'."""
    seeds = row.accuracy.count
    return shown_mean(row) + (f' ({seeds} seed{"s" * (seeds > 1)})' if seeds else '')


_HEADING = (
    'table',
    'best reported',
    'report',
    'ours: mean ± sd',
    'verdict',
    'all verdicts',
    'rows run',
)


def _cells(table):
    rows, best = table.rows, best_reported(table.rows)
    counts = verdict_counts(rows)
    verdicts = ', '.join(f'{counts[name]} {name}' for name in JUDGED if name in counts)
    return (
        table.title,
        shown_name(best),
        percent(best.reported),
        ours(best),
        best.verdict,
        verdicts or ('' if counts else "other tables' numbers"),
        f'{sum(row.is_run for row in rows)} of {len(rows)}',
    )


def overview(tables):
    """Markdown: one line a table with a reported number, by title."""
    shown = [table for table in tables if best_reported(table.rows)]
    return grid([_HEADING, *map(_cells, sorted(shown, key=lambda table: table.title))])


def commands(tables):
    """Markdown: the command of every table that lacks rows; '' if none does."""
    lines = sorted(f'- {table.title}: `{table.command}`' for table in tables if table.command)
    return '\nRows not run yet:\n\n' + '\n'.join(lines) + '\n' if lines else ''
