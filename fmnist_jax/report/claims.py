"""A report's claims as contrasts: which rows' means a comparison weighs against which.

A claim is a sentence and comparisons [higher, lower] of test accuracies, or [higher, lower, margin]
if the first may be lower by a margin. A side is a row's name or a glob over names (then the mean of
its rows), or a list [a, b] of two, the gain of a over b. 'folder:pattern' names rows of the workdir
of that name beside this one.
"""

import fnmatch
from typing import NamedTuple

from fmnist_jax.errors import ConfigError


class Weighing(NamedTuple):
    """What a comparison weighs: the rows' means, times these weights, should exceed -margin."""

    text: str  # 'adam > sgd*'
    weights: dict  # {(folder, row): weight}
    margin: float = 0.0  # a fraction


def _check(claim):
    """Refuses what is no claim."""
    try:
        text, comparisons = claim['text'], claim['comparisons']
        margins = [margin for _, _, *rest in comparisons for margin in rest]
        pairs = [comparison[:2] for comparison in comparisons]
        sides = [side for pair in pairs for side in pair]
        gains = [side for side in sides if not isinstance(side, str)]
        mixed = any(isinstance(higher, str) != isinstance(lower, str) for higher, lower in pairs)
        patterns = [pattern for a, b in gains for pattern in (a, b)]
        words = all(isinstance(word, str) for word in [text, *patterns])
        if mixed or not pairs or not words or not all(0 < margin < 1 for margin in margins):
            raise ValueError('another form')
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'claims: {claim!r} is none ({error!r}); expected a text and comparisons [higher, '
            'lower], both of them rows, or both of them gains [a, b] of one row over another, and '
            'perhaps a margin between 0 and 1'
        ) from error


def _rows(pattern, names):
    """The rows [(folder, name)] that a pattern names."""
    folder, colon, inside = pattern.partition(':')
    if not colon or pattern in names(''):
        folder, inside = '', pattern
    known = names(folder)
    # A name is itself before it is a glob.
    matching = [n for n in known if n == inside]
    matching = matching or [n for n in known if fnmatch.fnmatchcase(n, inside)]
    if not matching and not folder:
        raise ConfigError(f'claims: {pattern!r} matches none of the rows {", ".join(known)}')
    # What a workdir beside this one does not know, it has not run.
    return [(folder, name) for name in matching or [inside]]


def _add(weights, side, names, factor):
    """Adds a side to a contrast, {(folder, row): weight}."""
    if isinstance(side, str):
        rows = _rows(side, names)
        for row in rows:
            weights[row] = weights.get(row, 0.0) + factor / len(rows)
    else:
        _add(weights, side[0], names, factor)
        _add(weights, side[1], names, -factor)


def _show(side):
    return side if isinstance(side, str) else f'({side[0]} − {side[1]})'


def parse(claims, names):
    """Claims -> [(text, [Weighing])].

    Args:
      claims: as config.json holds them: [{'text', 'comparisons': [[higher, lower], ...]}].
      names: function from a folder to the names of its rows; '' is the table's own.

    Raises:
      ConfigError: not of that form, or a pattern that matches no row.
    """
    parsed = []
    for claim in claims:
        _check(claim)
        comparisons = []
        for higher, lower, *margin in claim['comparisons']:
            weights = {}
            _add(weights, higher, names, 1.0)
            _add(weights, lower, names, -1.0)
            weights = {row: weight for row, weight in weights.items() if abs(weight) > 1e-12}
            text = f'{_show(higher)} > {_show(lower)}'
            text += ''.join(f' − {100 * points:g}' for points in margin)
            if not weights:
                raise ConfigError(f'claims: {text} compares rows with themselves')
            comparisons.append(Weighing(text, weights, *margin))
        parsed.append((claim['text'], comparisons))
    return parsed


def check(claims, rows):
    """Refuses a config's claims before anything is trained.

    Args:
      claims: as `parse` takes them.
      rows: the names of the config's rows.

    Raises:
      ConfigError: as `parse`.
    """
    parse(claims, lambda folder: [] if folder else rows)
