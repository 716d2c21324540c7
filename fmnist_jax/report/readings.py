"""Rows that repeat one reported number under different settings: which of them gives the number.

A report leaves choices open. A table of readings has a row for each choice, and this page says how
likely the printed number is under each.
"""

import collections
import math

from fmnist_jax.markdown import grid, notes, without_empty_columns
from fmnist_jax.report.other_numbers import seed_values
from fmnist_jax.results.statistics import predictive_fit, summarize

TITLE = 'Which row gives the reported number'
_HEADING = ('row', 'report', 'seeds', 'distance', 'likelihood', 'seeds below', 'other numbers')
_LEAST = 0.01  # two-sided p below which a row does not give the number
_NOTES = (
    "distance: the report's number minus our mean, in standard deviations of one more seed.",
    "likelihood: density of the report's number for one more seed (Student's t), relative to the "
    'best row of that number. Rows marked * take the pooled standard deviation. No fit: the number '
    'lies outside the 99 % prediction interval.',
    "seeds below: how many of our seeds lie below the report's number. Where some seeds fail, "
    'trust this more than a distribution of mean and deviation.',
    'other numbers: the distance of the other accuracies and losses that the report prints for the '
    "model, with our seeds' own standard deviation. A row that gives the model gives all of them.",
)


def _groups(rows):
    """Lists of at least two rows that are run and have the same number, one repeating another."""
    groups = collections.defaultdict(list)
    for row in rows:
        if row.reported is not None and row.accuracy.count:
            groups[row.reported].append(row)
    return [g for g in groups.values() if len(g) > 1 and any(row.repeats for row in g)]


def _others(row):
    """'train accuracy +1.2, ...': distances of the row's other accuracies and losses."""
    distances = []
    for name, value in row.also_reported.items():
        if name.endswith(('accuracy', 'loss')):
            distance = predictive_fit(value, summarize(seed_values(name, row))).distance
            if not math.isnan(distance):
                distances.append(f'{name.replace("_", " ")} {_signed(distance)}')
    return ', '.join(distances)


def _signed(distance):
    return f'{round(distance, 1) + 0.0:+.1f}'


def _lines(group):
    """The cells of a group's rows, the most likely row first; [] without any spread."""
    fits = []
    for row in group:
        fit = predictive_fit(row.reported, row.accuracy, row.pool and row.pool.pooled)
        if not math.isnan(fit.p):
            fits.append((fit, row))
    fits.sort(key=lambda item: (item[0].p < _LEAST, -item[0].density))
    best = max((fit.density for fit, _ in fits if fit.p >= _LEAST), default=None)
    return [
        (
            row.name,
            row.reported_text,
            str(row.accuracy.count),
            _signed(fit.distance),
            'no fit' if fit.p < _LEAST else f'{fit.density / best:.2g}',
            f'{sum(value < row.reported for value in row.known_accuracies)}',
            _others(row),
        )
        for fit, row in fits
    ]


def readings_grid(rows):
    """Cells of the rows that repeat one reported number, the heading first; [] without any."""
    lines = [line for group in _groups(rows) for line in _lines(group)]
    return without_empty_columns([_HEADING, *lines]) if lines else []


def explanations(heading):
    """What the columns of `heading` mean."""
    return [note for note in _NOTES if note.partition(':')[0] in heading]


def readings_text(rows):
    """`readings_grid` in Markdown, with what its columns mean; '' without any."""
    cells = readings_grid(rows)
    return f'\n{TITLE}\n\n{grid(cells)}\n{notes(explanations(cells[0]))}' if cells else ''
