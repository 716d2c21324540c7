"""The verdicts on the reports' numbers: their words, and how many numbers have which."""

import collections

# Each with a sign of its own, in the reader's words; the last two are numbers without a verdict.
VERDICTS = {
    'consistent': ('●', 'consistent', 'could be one more of our seeds'),
    'higher': ('▲', 'report higher', 'than our seeds would give'),
    'lower': ('▼', 'report lower', 'than our seeds would give'),
    'one_seed': ('◐', 'one seed', 'no spread to judge by'),
    'not_run': ('○', 'not run yet', 'no number of ours'),
}
JUDGED = ('consistent', 'higher', 'lower')


def standing(row):
    """The key in VERDICTS of a rows.Row with a number of the report."""
    return row.verdict or ('one_seed' if row.accuracy.count else 'not_run')


def verdict_counts(rows, repeats=False):
    """{key of VERDICTS: how many numbers of the report have it}; none on drawn images.

    Args:
      rows: rows.Row.
      repeats: count rows that try another row's number, too.
    """
    drawn = any(row.dataset == 'synthetic' for row in rows)
    numbers = [r for r in rows if r.reported is not None and (repeats or not r.repeats)]
    counts = collections.Counter(standing(row) for row in numbers if not drawn)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}
