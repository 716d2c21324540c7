"""The verdicts on the reports' numbers: their words, and how many numbers have which."""

import collections

# Each with a sign of its own, in the reader's words; '' has a number but no verdict.
VERDICTS = {
    'consistent': ('●', 'consistent', 'could be one more of our seeds'),
    'higher': ('▲', 'report higher', 'than our seeds would give'),
    'lower': ('▼', 'report lower', 'than our seeds would give'),
    '': ('○', 'not tested', 'fewer than two seeds so far'),
}


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
