"""A report's claims as contrasts: which rows' means a comparison weighs against which.

A claim is a sentence and comparisons [higher, lower] of test accuracies, or [higher, lower, margin]
if the first may be lower by a margin. A side is a row's name or a glob over names (then the mean of
its rows), or a list [a, b] of two, the gain of a over b. 'folder:pattern' names rows of the workdir
of that name beside this one.
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


# A report's claims, tested over seeds: is this really better than that?

HOLDS, REVERSED, UNDECIDED = 'holds', 'does not hold', 'undecided'
NOT_RUN, ONE_SEED = 'not run yet', 'one seed'
LEVEL = 1 - CONFIDENCE


class Comparison(NamedTuple):
    """One comparison of a claim. Differences are of fractions; None: cannot be told."""

    text: str  # 'adam > sgd*'
    outcome: str
    weights: list[float]  # of the rows' means, which add up to higher minus lower
    samples: list[list[float]]  # accuracies of each row's seeds
    seeds: tuple[int, int]  # the fewest and the most of its rows
    contrast: Contrast | None = None  # without a correction; None where a row has no seed
    wins: float | None = None  # of two rows: how often a seed of the higher beats one of the lower
    p: float | None = None  # after Holm's correction; None without spread
    margin: float = 0.0  # the higher may be lower by so much
    needed: int | None = None  # if undecided: seeds of each row to decide it; None beyond 1000


class Claim(NamedTuple):
    """A claim with the outcome of all of its comparisons together."""

    text: str
    outcome: str
    comparisons: list[Comparison]


def _accuracies(workdir):
    """{row: its seeds' accuracies}, empty for a row not run yet; no rows without a workdir."""
    if not (workdir / 'config.json').exists():
        return {}
    done = {r['row']: seed_accuracies(r) for r in result_lines.read(workdir)}
    names = [row['name'] for row in workdirs.read_config(workdir)['rows']]
    return {name: done.get(name, []) for name in names}


def _measure(text, weights, margin, accuracies):
    """A Comparison before the correction: `p` is its own, and what depends on others is open."""
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


def _tested(comparison):
    """What tells a test from another one: two claims may make the same comparison."""
    return str((comparison.weights, comparison.samples, comparison.margin))


def number_of_tests(comparisons):
    """How many of them are tested and different: what is corrected for."""
    return len({_tested(c) for c in comparisons if c.p is not None})


def _correct(comparisons):
    """The comparisons with Holm's p-values and what follows from these."""
    p_values = {_tested(c): c.p for c in comparisons if c.p is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())).tolist(), strict=True))
    undecided = sum(p >= LEVEL for p in corrected.values())
    for comparison in comparisons:
        if comparison.p is None:
            yield comparison
            continue
        comparison = comparison._replace(p=corrected[_tested(comparison)])
        difference = comparison.contrast.difference + comparison.margin
        if comparison.p < LEVEL:
            yield comparison._replace(outcome=HOLDS if difference > 0 else REVERSED)
        else:
            deviations = [np.std(sample, ddof=1) for sample in comparison.samples]
            # The next one to be decided is compared with this level, the others with larger ones.
            needed = seeds_needed(comparison.weights, deviations, difference, LEVEL / undecided)
            yield comparison._replace(needed=needed)


def _together(outcomes):
    """The outcome of a claim: one that is reversed refutes it, all are needed to bear it out."""
    return next(o for o in (REVERSED, NOT_RUN, ONE_SEED, UNDECIDED, HOLDS) if o in outcomes)


def evaluate(claims, workdir):
    """Tests claims against the results of a workdir and of those beside it: [Claim].

    Raises:
      ConfigError: a claim that is none, or a damaged workdir.
    """
    workdir = pathlib.Path(workdir).resolve()
    accuracies = functools.cache(
        lambda folder: _accuracies(workdir.parent / folder if folder else workdir)
    )
    try:
        parsed = parse(claims, accuracies)
    except ConfigError as error:
        raise ConfigError(f'{workdir / "config.json"}: {error}') from error
    measured = [_measure(*comparison, accuracies) for _, group in parsed for comparison in group]
    corrected = _correct(measured)
    grouped = [(text, list(itertools.islice(corrected, len(group)))) for text, group in parsed]
    return [Claim(text, _together([c.outcome for c in group]), group) for text, group in grouped]


# The claims of a workdir as the Markdown that stands under its table.

HEADINGS = ('claim', 'difference', '95 % interval', 'wins', 'p', 'outcome')
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
_MANY = 3  # comparisons not run yet that are still shown one by one


def _p(value):
    """Two significant digits; nothing for None."""
    if value is None:
        return ''
    return '< 0.0001' if value < 1e-4 else f'{value:.2g}'


def _outcome(comparison):
    """The outcome, and of an undecided one what it would take."""
    if comparison.outcome != UNDECIDED:
        return comparison.outcome
    fewest, most = comparison.seeds
    seeds = f'{fewest}' if fewest == most else f'{fewest} to {most}'
    if comparison.p is None:
        needed = 'no spread to test'
    else:
        needed = f'{comparison.needed or "more than 1000"} needed'
    return f'{UNDECIDED} with {seeds} seeds, {needed}'


def cells(comparison):
    """The cells of one comparison."""
    contrast = comparison.contrast
    return [
        comparison.text,
        f'{100 * contrast.difference:+.2f}' if contrast else '',
        interval(contrast.interval) if contrast else '',
        *(number(comparison.wins, 2), _p(comparison.p), _outcome(comparison)),
    ]


def grid_of(claim):
    """The cells of a claim's comparisons; those of rows not run yet as one line if they are many.

    A table begun would else be hidden by what is left: the best of a grid is held against 34 rows.
    """
    left = [c for c in claim.comparisons if c.outcome == NOT_RUN]
    if len(left) <= _MANY:
        return [cells(comparison) for comparison in claim.comparisons]
    shown = [cells(c) for c in claim.comparisons if c.outcome != NOT_RUN]
    more = f'{len(left)} more' if shown else f'{len(left)} comparisons'
    return [*shown, [more, '', '', '', '', NOT_RUN]]


def explanations(claims):
    """What the columns of evaluated claims mean; nothing if none could be tested."""
    comparisons = [c for claim in claims for c in claim.comparisons]
    tested = number_of_tests(comparisons)
    if not tested:
        return []
    margin = [_MARGIN] if any(c.margin for c in comparisons) else []
    return [sentence.format(tested=tested) for sentence in _NOTES] + margin


def claims_text(workdir):
    """The claims of a workdir's config and their outcomes in Markdown; '' if it has none.

    Raises:
      ConfigError: a claim that is none, or a damaged workdir.
    """
    claims = workdirs.read_config(workdir).get('claims') or ()
    if not claims:
        return ''
    if any(result.get('dataset') == 'synthetic' for result in result_lines.read(workdir)):
        return '\nClaims are about real images: none is tested on synthetic ones.\n'
    evaluated = evaluate(claims, workdir)
    lines = [list(HEADINGS)]
    for claim in evaluated:
        lines.append([f'**{claim.text}**', '', '', '', '', f'**{claim.outcome}**'])
        for text, *numbers in grid_of(claim):
            lines.append([f'`{text}`', *numbers])
    shown = grid(without_empty_columns(lines))
    return f'\nClaims\n\n{shown}\n{notes(explanations(evaluated))}'
