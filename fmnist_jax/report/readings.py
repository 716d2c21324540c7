"""Rows that repeat one reported number under different settings: which of them gives the number.

A report leaves choices open. A table of readings has a row for each choice, and this page says how
likely the printed number is under each.
"""

import collections
import math

from fmnist_jax.markdown import grid, notes
from fmnist_jax.results.statistics import predictive_fit

TITLE = 'Which row gives the reported number'
_HEADING = ('row', 'report', 'seeds', 'distance', 'likelihood', 'seeds below')
_LEAST = 0.01  # two-sided p below which a row does not give the number
NOTES = (
    "distance: the report's number minus our mean, in standard deviations of one more seed.",
    "likelihood: density of the report's number for one more seed (Student's t), relative to the "
    'best row of that number. Rows marked * take the pooled standard deviation. No fit: the number '
    'lies outside the 99 % prediction interval.',
    "seeds below: how many of our seeds lie below the report's number. Where some seeds fail, "
    'trust this more than a distribution of mean and deviation.',
)


def _groups(rows):
    """Lists of at least two rows that are run and have the same number, one repeating another."""
    groups = collections.defaultdict(list)
    for row in rows:
        if row.reported is not None and row.accuracy.count:
            groups[row.reported].append(row)
    return [g for g in groups.values() if len(g) > 1 and any(row.repeats for row in g)]


def _values(row):
    return [value for value in row.accuracies if value is not None]


def _lines(group):
    """The cells of a group's rows, the most likely row first; [] without any spread."""
    fits = []
    for row in group:
        pooled = row.pool and row.pool.pooled
        fit = predictive_fit(row.reported, row.accuracy, pooled)
        if not math.isnan(fit.p):
            fits.append((fit, row))
    fits.sort(key=lambda item: (item[0].p < _LEAST, -item[0].density))
    best = max((fit.density for fit, _ in fits if fit.p >= _LEAST), default=None)
    return [
        (
            row.name,
            row.reported_text,
            str(row.accuracy.count),
            f'{round(fit.distance, 1) + 0.0:+.1f}',
            'no fit' if fit.p < _LEAST else f'{fit.density / best:.2g}',
            f'{sum(value < row.reported for value in _values(row))}',
        )
        for fit, row in fits
    ]


def readings_grid(rows):
    """Cells of the rows that repeat one reported number, the heading first; [] without any."""
    lines = [line for group in _groups(rows) for line in _lines(group)]
    return [_HEADING, *lines] if lines else []


def readings_text(rows):
    """`readings_grid` in Markdown, with what its columns mean; '' without any."""
    cells = readings_grid(rows)
    return f'\n{TITLE}\n\n{grid(cells)}\n{notes(NOTES)}' if cells else ''
