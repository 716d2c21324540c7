"""How near the numbers of each report are to ours, and how many of its claims hold."""

import collections
import re

import numpy as np

from fmnist_jax.results.measures import known

HEADING = ('report', 'numbers', 'within 0.5', 'within 1', 'within 2', 'bias', 'RMSE', 'claims')
EXPLANATION = (
    'Within: reported test accuracies that are at most so many points from our mean over seeds. '
    'Bias: the mean of ours minus the report, in points. RMSE: the root of the mean squared '
    'difference.'
)
_WITHIN = (0.005, 0.01, 0.02)
_ROUNDING = 1e-9  # 0.9 - 0.895 is a little more than 0.005


def report_of(title):
    """'Report 002: optimizer and learning rate' -> '002'; None for another table."""
    match = re.match(r'Report (\w+)', title)
    return match and match[1]


def has_own_number(row):
    """Whether a Row has a reported number that counts: not on synthetic images, not repeated."""
    return row.reported is not None and not row.repeats and row.dataset != 'synthetic'


def of_report(config, claims):
    """The claims that are the report's: not 'Ours: ...', nor of a table without config.report."""
    return [c for c in claims if config['report'] and not c.text.startswith('Ours:')]


def difference(row):
    """Our mean minus the reported number, a fraction; None without ours or with other settings."""
    if not row.accuracy.count or row.changed:
        return None
    return row.accuracy.mean - row.reported


def _distances(rows):
    """The cells 'numbers' to 'RMSE'."""
    differences = known(map(difference, rows))
    run = f'{len(differences)} of ' if len(differences) < len(rows) else ''
    if not differences:
        return [f'{run}{len(rows)}', '', '', '', '', '']
    points = 100 * np.array(differences)
    within = [sum(abs(d) < limit + _ROUNDING for d in differences) for limit in _WITHIN]
    root = np.sqrt(np.mean(points**2))
    return [f'{run}{len(rows)}', *map(str, within), f'{points.mean():+.2f}', f'{root:.2f}']


def words(counts):
    """{'holds': 2, 'undecided': 1} -> 'holds 2, undecided 1'."""
    return ', '.join(f'{name} {count}' for name, count in counts.items())


def scores(tables):
    """A list of cells, in the order of HEADING, for each report with a number of its own.

    Numbers by which we chose a setting (`calibrated_on`) have a line of their own.

    Args:
      tables: [(title, [Row], [claims.Claim] of `of_report`)].
    """
    reports = collections.defaultdict(lambda: ([], []))
    for title, rows, claims in tables:
        numbers, tested = reports[report_of(title)]
        numbers += filter(has_own_number, rows)
        tested += claims
    reports.pop(None, None)
    lines = []
    for report, (numbers, claims) in sorted(reports.items()):
        calibrated = [row for row in numbers if row.calibrated_on]
        others = [row for row in numbers if row not in calibrated]
        outcomes = words(dict(collections.Counter(c.outcome for c in claims).most_common()))
        if others:
            lines.append([report, *_distances(others), outcomes])
        if calibrated:
            lines.append([f'{report}, used to choose settings', *_distances(calibrated), ''])
    return lines
