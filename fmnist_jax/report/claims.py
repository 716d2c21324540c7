"""A report's claims: contrasts of rows' means, tested over seeds.

A claim is a sentence with comparisons [higher, lower] of test accuracies, or [higher, lower,
margin] if the first side may be lower by a margin. A side is a row's name or a glob (the mean of
its rows), or a list [a, b], the gain of a over b. 'folder:pattern' names rows of the workdir
`folder` beside this one.
"""

import fnmatch
import functools
import itertools
import math
import pathlib
from typing import NamedTuple

import numpy as np

from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import grid, interval, notes, number, without_empty_columns
from fmnist_jax.report.rows import seed_accuracies
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import workdirs
from fmnist_jax.results.statistics import (
    CONFIDENCE,
    Contrast,
    contrast,
    holm,
    probability_better,
    seeds_needed,
)


def _check(claim):
    """Raises ConfigError if `claim` has another form than this module's docstring describes."""
    try:
        comparisons = claim['comparisons']
        sides = [side for comparison in comparisons for side in comparison[:2]]
        gains = [side for side in sides if not isinstance(side, str)]
        is_valid = (
            comparisons
            and isinstance(claim['text'], str)
            and all(len(comparison) in (2, 3) for comparison in comparisons)
            and all(isinstance(a, str) == isinstance(b, str) for a, b, *_ in comparisons)
            and all(isinstance(a, str) and isinstance(b, str) for a, b in gains)
            and all(0 < margin < 1 for _, _, *margins in comparisons for margin in margins)
        )
        if not is_valid:
            raise ValueError('another form')
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'claims: {claim!r} is not a claim ({error!r}); expected a text and comparisons '
            '[higher, lower], both sides rows or both gains [a, b] of one row over another, with '
            'an optional margin between 0 and 1'
        ) from error


def _rows(pattern, names):
    """The rows [(folder, name)] that a pattern names: the row of that very name before a glob."""
    folder, colon, inside = pattern.partition(':')
    if not colon or pattern in names(''):
        folder, inside = '', pattern
    known = names(folder)
    matching = [n for n in known if n == inside]
    matching = matching or [n for n in known if fnmatch.fnmatchcase(n, inside)]
    if not matching and not folder:
        raise ConfigError(f'claims: {pattern!r} matches none of the rows {", ".join(known)}')
    return [(folder, name) for name in matching or [inside]]  # another folder may not be run yet


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
    """Claims -> [(text, [comparison])]; a comparison is (text, {(folder, row): weight}, margin).

    The weighted sum of the rows' means should exceed -margin.

    Args:
      claims: as in config.json: [{'text', 'comparisons': [[higher, lower], ...]}].
      names: function from a folder to the names of its rows; '' is this table.

    Raises:
      ConfigError: a claim of another form, or a pattern that matches no row.
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
            comparisons.append((text, weights, *(margin or [0.0])))
        parsed.append((claim['text'], comparisons))
    return parsed


def check(claims, rows):
    """Checks a config's claims before training.

    Args:
      claims: as for `parse`.
      rows: names of the config's rows.

    Raises:
      ConfigError: as `parse`.
    """
    parse(claims, lambda folder: [] if folder else rows)


# The tests over seeds.

HOLDS, REVERSED, UNDECIDED = 'holds', 'does not hold', 'undecided'
NOT_RUN, ONE_SEED = 'not run yet', 'one seed'
LEVEL = 1 - CONFIDENCE


class Comparison(NamedTuple):
    """A tested comparison of a claim. Differences are of fractions; None: not known."""

    text: str  # 'adam > sgd*'
    outcome: str
    weights: list[float]  # of the rows' means; their weighted sum is higher minus lower
    samples: list[list[float]]  # accuracies of each row's seeds
    seeds: tuple[int, int]  # the smallest and the largest number of seeds of its rows
    contrast: Contrast | None = None  # without correction; None if a row has no seed
    wins: float | None = None  # of two rows: P(a seed of the higher beats one of the lower)
    p: float | None = None  # after Holm's correction; None without spread
    margin: float = 0.0  # the higher side may be lower by this fraction
    needed: int | None = None  # if undecided: seeds of each row to decide; None beyond 1000


class Claim(NamedTuple):
    """A claim with the outcome of all its comparisons."""

    text: str
    outcome: str
    comparisons: list[Comparison]


def _accuracies(workdir):
    """{row: its seeds' accuracies}, empty for a row not run; {} without a workdir."""
    if not (workdir / 'config.json').exists():
        return {}
    done = {r['row']: seed_accuracies(r) for r in result_lines.read(workdir)}
    names = [row['name'] for row in workdirs.read_config(workdir)['rows']]
    return {name: done.get(name, []) for name in names}


def _test(text, weights, margin, accuracies):
    """A Comparison before Holm's correction."""
    samples = [accuracies(folder).get(name, []) for folder, name in weights]
    weights = list(weights.values())
    counts = [len(sample) for sample in samples]
    seeds = (min(counts), max(counts))
    if not seeds[0]:
        return Comparison(text, NOT_RUN, weights, samples, seeds, margin=margin)
    wins = None
    if sorted(weights) == [-1.0, 1.0]:
        higher, lower = samples if weights[0] > 0 else samples[::-1]
        wins = probability_better(higher, lower)
    tested = contrast(weights, samples, -margin)
    outcome = ONE_SEED if seeds[0] == 1 else UNDECIDED
    p = None if math.isnan(tested.p) else tested.p
    return Comparison(text, outcome, weights, samples, seeds, tested, wins, p, margin)


def _key(comparison):
    """Equal for two comparisons that are the same test."""
    return str((comparison.weights, comparison.samples, comparison.margin))


def number_of_tests(comparisons):
    """The number of different tests, for the correction."""
    return len({_key(c) for c in comparisons if c.p is not None})


def _correct(comparisons):
    """Yields the comparisons with Holm's p-values, outcomes and seeds needed."""
    p_values = {_key(c): c.p for c in comparisons if c.p is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())).tolist(), strict=True))
    undecided = sum(p >= LEVEL for p in corrected.values())
    for comparison in comparisons:
        if comparison.p is None:
            yield comparison
            continue
        comparison = comparison._replace(p=corrected[_key(comparison)])
        difference = comparison.contrast.difference + comparison.margin
        if comparison.p < LEVEL:
            yield comparison._replace(outcome=HOLDS if difference > 0 else REVERSED)
        else:
            stds = [np.std(sample, ddof=1) for sample in comparison.samples]
            # Holm compares the next smallest p with this level.
            needed = seeds_needed(comparison.weights, stds, difference, LEVEL / undecided)
            yield comparison._replace(needed=needed)


def _claim_outcome(comparisons):
    """One reversed comparison refutes a claim; all must hold to confirm it."""
    outcomes = [comparison.outcome for comparison in comparisons]
    return next(o for o in (REVERSED, NOT_RUN, ONE_SEED, UNDECIDED, HOLDS) if o in outcomes)


def evaluate(claims, workdir):
    """Tests claims against the results of a workdir and of those beside it: [Claim].

    Raises:
      ConfigError: a claim of another form, or a damaged workdir.
    """
    workdir = pathlib.Path(workdir).resolve()
    accuracies = functools.cache(
        lambda folder: _accuracies(workdir.parent / folder if folder else workdir)
    )
    try:
        parsed = parse(claims, accuracies)
    except ConfigError as error:
        raise ConfigError(f'{workdir / "config.json"}: {error}') from error
    corrected = _correct([_test(*one, accuracies) for _, group in parsed for one in group])
    grouped = [(text, list(itertools.islice(corrected, len(group)))) for text, group in parsed]
    return [Claim(text, _claim_outcome(group), group) for text, group in grouped]


# The claims as a table.

_HEADING = ['claim', 'difference', '95 % interval', 'wins', 'p', 'outcome']
_NOTES = (
    'difference: higher minus lower, in percentage points, with its own 95 % interval (Welch). A '
    'pattern with * is the mean of its rows, (a − b) the gain of a over b.',
    'wins: how often a seed of the first row beats one of the second; a tie counts half.',
    "p: Welch's two-sided test over seeds, corrected for all different tests made here ({tested}; "
    'Holm). Below 0.05 the claim holds or does not, as the difference says.',
    'undecided: so many seeds of each row would decide it with a probability of 80 %, if the '
    'difference and the spreads are as they look now.',
)
_MARGIN = (
    'a > b − 0.5: a is at most half a point below b. So "b does not help" is tested, and "the '
    'same" by two of them: finding no difference would show neither.'
)
_MANY = 3  # more comparisons of rows not run become one line


def _cells(comparison):
    contrast, p, outcome = comparison.contrast, comparison.p, comparison.outcome
    if outcome == UNDECIDED:
        seeds = ' to '.join(dict.fromkeys(map(str, comparison.seeds)))
        needed = f'{comparison.needed or "more than 1000"} needed'
        outcome += f' with {seeds} seeds, {"no spread to test" if p is None else needed}'
    return [
        comparison.text,
        f'{100 * contrast.difference:+.2f}' if contrast else '',
        interval(contrast.interval) if contrast else '',
        number(comparison.wins, 2),
        '' if p is None else '< 0.0001' if p < 1e-4 else f'{p:.2g}',
        outcome,
    ]


def _comparison_cells(claim):
    """The cells of a claim's comparisons; many that are not run become one line."""
    left = [c for c in claim.comparisons if c.outcome == NOT_RUN]
    if len(left) <= _MANY:
        return [_cells(comparison) for comparison in claim.comparisons]
    shown = [_cells(c) for c in claim.comparisons if c.outcome != NOT_RUN]
    more = f'{len(left)} more' if shown else f'{len(left)} comparisons'
    return [*shown, [more, '', '', '', '', NOT_RUN]]


def claims_grid(claims):
    """(heading, [(claim, its comparisons' cells)]) of evaluated claims, without empty columns."""
    groups = [(claim, _comparison_cells(claim)) for claim in claims]
    cells = [line for _, group in groups for line in group]
    heading, *cells = without_empty_columns([_HEADING, *cells])
    lines = iter(cells)
    return heading, [(claim, list(itertools.islice(lines, len(group)))) for claim, group in groups]


def explanations(claims):
    """What the columns of evaluated claims mean; [] if none could be tested."""
    comparisons = [c for claim in claims for c in claim.comparisons]
    tested = number_of_tests(comparisons)
    if not tested:
        return []
    margin = [_MARGIN] if any(c.margin for c in comparisons) else []
    return [sentence.format(tested=tested) for sentence in _NOTES] + margin


def claims_text(workdir):
    """The claims of a workdir's config and their outcomes in Markdown; '' without claims.

    Raises:
      ConfigError: a claim of another form, or a damaged workdir.
    """
    claims = workdirs.read_config(workdir).get('claims') or ()
    if not claims:
        return ''
    if any(result.get('dataset') == 'synthetic' for result in result_lines.read(workdir)):
        return '\nClaims are about real images: none is tested on synthetic ones.\n'
    evaluated = evaluate(claims, workdir)
    heading, groups = claims_grid(evaluated)
    lines = [heading]
    for claim, comparisons in groups:
        empty = [''] * (len(heading) - 2)
        lines.append([f'**{claim.text}**', *empty, f'**{claim.outcome}**'])
        lines += [[f'`{text}`', *numbers] for text, *numbers in comparisons]
    return f'\nClaims\n\n{grid(lines)}\n{notes(explanations(evaluated))}'
