"""All tables at a glance: each one's best reported number, and how many of its numbers hold."""

from fmnist_jax.markdown import grid
from fmnist_jax.report.cells import percent
from fmnist_jax.report.tables import shown_mean, shown_name
from fmnist_jax.report.verdicts import JUDGED, verdict_counts

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
