"""All tables at a glance: each one's best reported number, and how many of its numbers hold."""

import collections

from fmnist_jax.markdown import grid
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.markdown import percent
from fmnist_jax.report.obtained import command
from fmnist_jax.report.tables import shown_mean, shown_name

_HEADINGS = (
    *('table', 'best reported', 'report', 'ours: mean ± sd', 'verdict', 'all verdicts'),
    'rows run',
)
VERDICTS = ('consistent', 'higher', 'lower', '')  # '' has a number but no verdict


def verdict_counts(rows, repeats=False):
    """{verdict: how many numbers of the report have it}; none on drawn images.

    Args:
      rows: rows.Row.
      repeats: count rows that try another row's number, too.
    """
    drawn = any(row.dataset == 'synthetic' for row in rows)
    numbers = [r for r in rows if r.reported is not None and (repeats or not r.repeats)]
    counts = collections.Counter(row.verdict for row in numbers if not drawn)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


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


def _cells(title, rows):
    best = best_reported(rows)
    counts = verdict_counts(rows)
    verdicts = ', '.join(f'{count} {name}' for name, count in counts.items() if name)
    run = sum(row.dataset is not None for row in rows)
    return (
        *(title, shown_name(best), percent(best.reported), ours(best), best.verdict),
        verdicts or ('' if counts else "other tables' numbers"),
        f'{run} of {len(rows)}',
    )


def overview(folders, unrun=()):
    """One line a table, by title; tables without a reported number are left out.

    Args:
      folders: workdirs.
      unrun: unrun.Unrun of tables of which nothing has been run.

    Raises:
      ConfigError: a damaged workdir.
    """
    tables = [(config['title'], rows) for config, rows in map(table_rows.read, folders)]
    tables += [(table.title, table.rows) for table in unrun]
    shown = [table for table in tables if best_reported(table[1])]
    return grid([_HEADINGS, *[_cells(*table) for table in sorted(shown, key=lambda t: t[0])]])


def commands(folders, unrun=()):
    """Markdown: the command of every table that lacks rows; '' if none does.

    Args:
      folders, unrun: as of `overview`.

    Raises:
      ConfigError: a damaged workdir.
    """
    lacking = [(table.title, table.command) for table in unrun]
    for folder in folders:
        config, rows = table_rows.read(folder)
        missing = [row.name for row in rows if row.dataset is None]
        if missing:
            lacking.append((config['title'], command(folder, config, missing)))
    lines = [f'- {title}: `{text}`' for title, text in sorted(lacking)]
    return '\nRows not run yet:\n\n' + '\n'.join(lines) + '\n' if lines else ''
