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
from fmnist_jax.results import statistics, workdirs


def _is_comparison(comparison):
    match comparison:
        case [str(), str()] | [[str(), str()], [str(), str()]]:
            return True
        case [str(), str(), float(margin)] | [[str(), str()], [str(), str()], float(margin)]:
            return 0 < margin < 1
    return False


def _comparisons(claim):
    """The comparisons of a claim of the form that this module's docstring describes."""
    match claim:
        case {'text': str(), 'comparisons': [_, *_] as comparisons}:
            if all(map(_is_comparison, comparisons)):
                return comparisons
    raise ConfigError(
        f'claims: {claim!r} is not a claim; expected a text and comparisons [higher, lower], both '
        'sides rows or both gains [a, b] of one row over another, with an optional margin between '
        '0 and 1'
    )


def _rows(pattern, names):
    """The rows [(folder, name)] that a pattern names: the row of that very name before a glob."""
    folder, colon, inside = pattern.partition(':')
    if not colon or pattern in names(''):
        folder, inside = '', pattern
    known = names(folder)
    matching = [inside] if inside in known else fnmatch.filter(known, inside)
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
    """Claims -> [(text, [('adam > sgd*', {(folder, row): weight}, margin)])].

    Args:
      claims: as in config.json: [{'text', 'comparisons': [[higher, lower], ...]}].
      names: function from a folder to the names of its rows; '' is this table.
    """
    parsed = []
    for claim in claims:
        comparisons = []
        for higher, lower, *margin in _comparisons(claim):
            weights = {}
            _add(weights, higher, names, 1.0)
            _add(weights, lower, names, -1.0)
            weights = {row: weight for row, weight in weights.items() if abs(weight) > 1e-12}
            text = f'{_show(higher)} > {_show(lower)}'
            text += ''.join(f' − {100 * points:g}' for points in margin)
            if not weights:
                raise ConfigError(f'claims: {text} compares rows with themselves')
            comparisons.append((text, weights, margin[0] if margin else 0.0))
        parsed.append((claim['text'], comparisons))
    return parsed


def check(claims, rows):
    """Raises ConfigError if a config with rows of these names has a claim that `parse` refuses."""
    parse(claims, lambda folder: [] if folder else rows)


# The tests over seeds.

HOLDS, REVERSED, UNDECIDED = 'holds', 'does not hold', 'undecided'
NOT_RUN, ONE_SEED = 'not run yet', 'one seed'
_OUTCOMES = (REVERSED, NOT_RUN, ONE_SEED, UNDECIDED, HOLDS)  # the first one decides a claim
LEVEL = 1 - statistics.CONFIDENCE


class Comparison(NamedTuple):
    """A tested comparison of a claim. Differences are of fractions; None: not known."""

    text: str  # 'adam > sgd*'
    outcome: str
    weights: list[float]  # of the rows' means; their weighted sum is higher minus lower
    samples: list[list[float]]  # accuracies of each row's seeds
    seeds: tuple[int, int]  # the smallest and the largest number of seeds of its rows
    contrast: statistics.Contrast | None = None  # without correction; None if a row has no seed
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
    rows = workdirs.read_config(workdir)['rows']
    return {row['name']: done.get(row['name'], []) for row in rows}


def _test(text, weights, margin, accuracies):
    """A Comparison before Holm's correction."""
    samples = [accuracies(folder).get(name, []) for folder, name in weights]
    weights, counts = list(weights.values()), list(map(len, samples))
    seeds = (min(counts), max(counts))
    if not seeds[0]:
        return Comparison(text, NOT_RUN, weights, samples, seeds, margin=margin)
    wins = None
    if sorted(weights) == [-1.0, 1.0]:
        higher, lower = samples if weights[0] > 0 else samples[::-1]
        wins = statistics.probability_better(higher, lower)
    tested = statistics.contrast(weights, samples, -margin)
    outcome = ONE_SEED if seeds[0] == 1 else UNDECIDED
    p = None if math.isnan(tested.p) else tested.p
    return Comparison(text, outcome, weights, samples, seeds, tested, wins, p, margin)


def _key(comparison):
    """Equal for two comparisons that are the same test."""
    return str((comparison.weights, comparison.samples, comparison.margin))


def p_values(comparisons):
    """{key: p-value} of the different tests."""
    return {_key(c): c.p for c in comparisons if c.p is not None}


def _correct(comparisons):
    """Yields the comparisons with Holm's p-values, outcomes and seeds needed."""
    known = p_values(comparisons)
    corrected = dict(zip(known, statistics.holm(list(known.values())).tolist(), strict=True))
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
            level = LEVEL / undecided
            needed = statistics.seeds_needed(comparison.weights, stds, difference, level)
            yield comparison._replace(needed=needed)


def evaluate(claims, workdir):
    """Tests claims against the results of a workdir and of those beside it: [Claim].

    One reversed comparison refutes a claim; all must hold to confirm it.

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
    tested = []
    for text, group in parsed:
        comparisons = list(itertools.islice(corrected, len(group)))
        outcome = min((comparison.outcome for comparison in comparisons), key=_OUTCOMES.index)
        tested.append(Claim(text, outcome, comparisons))
    return tested


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
    run = [comparison for comparison in claim.comparisons if comparison.outcome != NOT_RUN]
    left = len(claim.comparisons) - len(run)
    if left <= _MANY:
        return list(map(_cells, claim.comparisons))
    more = f'{left} {"more" if run else "comparisons"}'
    return [*map(_cells, run), [more, '', '', '', '', NOT_RUN]]


def claims_grid(claims):
    """(heading, [(claim, its comparisons' cells)]) of evaluated claims, without empty columns."""
    groups = [(claim, _comparison_cells(claim)) for claim in claims]
    cells = itertools.chain([_HEADING], *(group for _, group in groups))
    lines = iter(without_empty_columns(list(cells)))
    heading = next(lines)
    return heading, [(claim, list(itertools.islice(lines, len(group)))) for claim, group in groups]


def explanations(claims):
    """What the columns of evaluated claims mean; [] if none could be tested."""
    comparisons = [c for claim in claims for c in claim.comparisons]
    tested = len(p_values(comparisons))
    if not tested:
        return []
    margin = [_MARGIN] if any(c.margin for c in comparisons) else []
    return [sentence.format(tested=tested) for sentence in _NOTES] + margin


def claims_text(workdir):
    """The claims of a workdir's config and their outcomes in Markdown; '' without claims."""
    claims = workdirs.read_config(workdir).get('claims') or ()
    if not claims:
        return ''
    if any(result.get('dataset') == 'synthetic' for result in result_lines.read(workdir)):
        return '\nClaims are about real images: none is tested on synthetic ones.\n'
    evaluated = evaluate(claims, workdir)
    heading, groups = claims_grid(evaluated)
    lines = [heading]
    for claim, comparisons in groups:
        lines.append([f'**{claim.text}**', *[''] * (len(heading) - 2), f'**{claim.outcome}**'])
        lines += [[f'`{text}`', *numbers] for text, *numbers in comparisons]
    return f'\nClaims\n\n{grid(lines)}\n{notes(explanations(evaluated))}'
