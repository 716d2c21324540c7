"""A report's claims (config.table.claim): contrasts of rows' means, tested over seeds.

A comparison is [higher, lower], [higher, lower, margin] for `not_worse` or [a, b, margin, 'same'].
"""

import fnmatch
import functools
import itertools
import math
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import grid, interval, notes, number, without_empty_columns
from fmnist_jax.report.rows import beside
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import statistics, workdirs
from fmnist_jax.results.measures import MEASURES
from fmnist_jax.results.statistics import LEVEL


def _is_comparison(comparison):
    match comparison:
        case [str(), str(), *rest] | [[str(), str()], [str(), str()], *rest]:
            margins = [isinstance(margin, float) and 0 < margin < 1 for margin in rest[:1]]
            return all(margins) and rest[1:] in ([], ['same'])
    return False


def _comparisons(claim):
    """The comparisons of a claim of the right form."""
    match claim:
        case {'text': str(), 'comparisons': [_, *_] as comparisons}:
            if all(map(_is_comparison, comparisons)) and _measure(claim) in MEASURES:
                return comparisons
    raise ConfigError(
        f'claims: {claim!r} is not a claim; expected a text and comparisons [higher, lower], both '
        'sides rows or both gains [a, b] of one row over another, with an optional margin between '
        f"0 and 1, and 'same' after it; a measure is one of {', '.join(MEASURES)}"
    )


def _measure(claim):
    measure = claim.get('measure', 'test_accuracy')  # claims of older configs have none
    return measure if isinstance(measure, str) else ''


def _rows(pattern, names):
    """The rows [(folder, name)] that a pattern names: the row of that very name before a glob."""
    folder, colon, inside = pattern.partition(':')
    if not colon or pattern in names(''):
        folder, inside = '', pattern
    known = names(folder)
    matching = [inside] if inside in known else fnmatch.filter(known, inside)
    if not matching and (known or not folder):
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


class Parsed(NamedTuple):
    """A comparison as rows with weights."""

    text: str  # 'adam > sgd*'
    weights: dict  # {(folder, row): weight}
    margin: float  # 0 without one
    is_same: bool  # the margin counts on both sides
    measure: str  # a key of results.measures.MEASURES


def parse(claims, names):
    """Claims -> [(text, [Parsed])].

    Args:
      claims: as in config.json: [{'text', 'comparisons': [[higher, lower], ...]}].
      names: function from a folder to the names of its rows; '' is this table.
    """
    parsed = []
    for claim in claims:
        comparisons = []
        for higher, lower, *rest in _comparisons(claim):
            weights = {}
            _add(weights, higher, names, 1.0)
            _add(weights, lower, names, -1.0)
            weights = {row: weight for row, weight in weights.items() if abs(weight) > 1e-12}
            margin, is_same = rest[0] if rest else 0.0, rest[1:] == ['same']
            text = f'{_show(higher)} {"=" if is_same else ">"} {_show(lower)}'
            text += f' {"±" if is_same else "−"} {100 * margin:g}' if margin else ''
            measure = _measure(claim)
            text += f' ({measure.replace("_", " ")})' * (measure != 'test_accuracy')
            if not weights:
                raise ConfigError(f'claims: {text} compares rows with themselves')
            comparisons.append(Parsed(text, weights, margin, is_same, measure))
        parsed.append((claim['text'], comparisons))
    return parsed


def check(claims, rows):
    """Raises ConfigError if a config with rows of these names has a claim that `parse` refuses."""
    parse(claims, lambda folder: [] if folder else rows)


# The tests over seeds.

HOLDS, REVERSED, UNDECIDED = 'holds', 'does not hold', 'undecided'
NOT_RUN, ONE_SEED = 'not run yet', 'one seed'


class Comparison(NamedTuple):
    """A tested comparison of a claim. Differences are of fractions; None: not known."""

    text: str  # 'adam > sgd*'
    outcome: str  # at 5 %, not corrected for the others
    seeds: tuple[int, int]  # the smallest and the largest number of seeds of its rows
    margin: float = 0.0  # the higher side may be lower by this fraction
    contrast: statistics.Contrast | None = None  # None if a row has no seed
    p: float | None = None  # two-sided, or one-sided with a margin; None without spread
    p_holds: float = 1.0
    p_reversed: float = 1.0
    wins: float | None = None  # of two rows: P(a seed of the higher beats one of the lower)
    wins_interval: tuple[float, float] = (math.nan, math.nan)
    needed: int | None = None  # seeds of each row; None beyond 1000


class Claim(NamedTuple):
    """A claim with the outcome of all its comparisons."""

    text: str
    outcome: str
    comparisons: list[Comparison]
    p: float  # with Holm's correction over the claims of its family
    family: Mapping  # {table: number of its claims}


def _values(workdir, measure):
    """{row: its seeds' values of a measure}, empty for a row not run; {} without a workdir."""
    if not (workdir / 'config.json').exists():
        return {}
    done = {r['row']: MEASURES[measure](r) for r in result_lines.read(workdir)}
    rows = workdirs.read_config(workdir)['rows']
    return {row['name']: done.get(row['name'], []) for row in rows}


def _test(parsed, values, level):
    """The Comparison of a Parsed one; `level` is for the number of seeds needed."""
    of_rows = [(values(folder, parsed.measure), name) for folder, name in parsed.weights]
    samples = [rows.get(name, []) for rows, name in of_rows]
    weights, counts = list(parsed.weights.values()), list(map(len, samples))
    seeds, margin = (min(counts), max(counts)), parsed.margin
    if not seeds[0]:
        return Comparison(parsed.text, NOT_RUN, seeds, margin)
    if margin:
        test = statistics.tost if parsed.is_same else statistics.not_worse
        tested = test(weights, samples, margin)
        p_holds, p_reversed = tested.p, 1 - tested.p
    else:
        tested = statistics.contrast(weights, samples)
        p_holds, p_reversed = (tested.p, 1.0) if tested.difference > 0 else (1.0, tested.p)
    tried = Comparison(parsed.text, UNDECIDED, seeds, margin, tested)
    if sorted(weights) == [-1.0, 1.0] and not parsed.is_same:
        higher, lower = samples if weights[0] > 0 else samples[::-1]
        wins = statistics.probability_better(higher, lower)
        limits = statistics.probability_better_interval(higher, lower)
        tried = tried._replace(wins=wins, wins_interval=limits)
    if math.isnan(tested.p):
        return tried._replace(outcome=ONE_SEED if seeds[0] == 1 else UNDECIDED)
    outcome = HOLDS if p_holds < LEVEL else REVERSED if p_reversed < LEVEL else UNDECIDED
    needed = _seeds_needed(parsed, weights, samples, level)
    return tried._replace(
        outcome=outcome, p=tested.p, p_holds=p_holds, p_reversed=p_reversed, needed=needed
    )


def _seeds_needed(parsed, weights, samples, level):
    """Seeds of each row that find the smallest effect, or equality within the margin, in 80 %."""
    std = statistics.pooled_std(samples).std
    if not parsed.margin:
        return statistics.seeds_needed(weights, std, level=level)
    # Both tests of "the same" succeed with 80 % if each does with 90 %.
    power = 0.9 if parsed.is_same else 0.8
    return statistics.seeds_needed(weights, std, parsed.margin, level, power, sides=1)


def _p_of_claim(comparisons):
    """(p that all comparisons hold, p that one is reversed).

    The first is the intersection-union test; the second corrects for the number of comparisons.
    """
    holds = statistics.intersection_union([c.p_holds for c in comparisons])
    return holds, min(1.0, len(comparisons) * min(c.p_reversed for c in comparisons))


def _tested(claims, workdir, level=LEVEL):
    """[(text, its Comparisons)] of the claims of a workdir."""

    @functools.cache
    def values(folder, measure='test_accuracy'):
        return _values(workdir.parent / folder if folder else workdir, measure)

    try:
        parsed = parse(claims, values)
    except ConfigError as error:
        raise ConfigError(f'{workdir / "config.json"}: {error}') from error
    return [(text, [_test(one, values, level) for one in group]) for text, group in parsed]


def _others(workdir):
    """{table: p-values of its claims} of the other tables of the same report, 1.0 if not known."""
    report, found = workdirs.read_config(workdir)['report'], {}
    for name, (config, results) in (beside(workdir) if report else {}).items():
        is_real = not any(result['dataset'] == 'synthetic' for result in results)
        if name != workdir.name and config['report'] == report and config['claims'] and is_real:
            try:
                tested = _tested(config['claims'], workdir.parent / name)
                found[name] = [min(_p_of_claim(comparisons)) for _, comparisons in tested]
            except ConfigError:  # a damaged claim, which its own table refuses
                found[name] = [1.0] * len(config['claims'])
    return found


def evaluate(claims, workdir):
    """Tests claims against the results of a workdir and of those beside it: [Claim].

    A claim holds if all of its comparisons do, each at 5 % (intersection-union test). It does not
    hold if one comparison is reversed, at 5 % divided by their number. Holm's method corrects over
    the claims of all tables beside the workdir that have the same `config.report`, tested or not,
    so that more seeds do not enlarge the family.

    Raises:
      ConfigError: a claim of another form, or a damaged workdir.
    """
    workdir = pathlib.Path(workdir).resolve()
    others = _others(workdir)
    family = {workdir.name: len(claims)} | {name: len(p) for name, p in others.items()}
    level = LEVEL / max(1, sum(family.values()))  # of Holm's first step
    tested = _tested(claims, workdir, level)
    p_values = [_p_of_claim(comparisons) for _, comparisons in tested]
    corrected = statistics.holm([*map(min, p_values), *itertools.chain(*others.values())])
    evaluated = []
    for (text, comparisons), (holds, against), p in zip(tested, p_values, corrected, strict=False):
        outcomes = {comparison.outcome for comparison in comparisons}
        outcome = next((o for o in (NOT_RUN, ONE_SEED) if o in outcomes), UNDECIDED)
        if p < LEVEL:
            outcome = HOLDS if holds < against else REVERSED
        evaluated.append(Claim(text, outcome, comparisons, float(p), family))
    return evaluated


# The claims as a table.

_HEADING = ['claim', 'difference', '95 % interval', 'wins', 'p', 'outcome']
_NOTES = (
    'difference: higher minus lower, in percentage points, with its own interval (Welch): 95 %, or '
    '90 % where that is written. A pattern with * is the mean of its rows, (a − b) the gain of a '
    'over b.',
    'wins: how often a seed of the first row beats one of the second; a tie counts half. In '
    'parentheses its 95 % interval (bootstrap over seeds; narrow for few seeds).',
    "p: Welch's test over seeds at 5 %, two-sided, or one-sided with a margin.",
    'A claim holds if all of its comparisons do (intersection-union test), and does not hold if '
    'one is reversed at 5 % divided by their number. Its p is corrected (Holm) for the {count} '
    'claims of {tables}.',
    'undecided: the number of seeds per row with which the test would find a difference of 0.5 '
    'points, or show that equal rows lie within the margin, with a probability of 80 % at the '
    "level of Holm's first step (pooled sd of the rows).",
)
_MARGIN = (
    'a > b − 0.5: a is at most half a point below b. a = b ± 0.5: neither is more than half a '
    'point below the other (TOST). Finding no difference would show neither.'
)
_MANY = 3  # more comparisons of rows not run become one line


def _cells(comparison):
    contrast, outcome, limits = comparison.contrast, comparison.outcome, comparison.wins_interval
    if outcome == UNDECIDED:
        seeds = ' to '.join(dict.fromkeys(map(str, comparison.seeds)))
        needed = f'{comparison.needed or "more than 1000"} needed'
        outcome += f' with {seeds} seeds, '
        outcome += 'no spread to test' if comparison.p is None else needed
    wins = number(comparison.wins, 2)
    if not math.isnan(limits[0]):
        wins += f' ({limits[0]:.2f} to {limits[1]:.2f})'
    limits = interval(contrast.interval) if contrast else ''
    return [
        comparison.text,
        f'{100 * contrast.difference:+.2f}' if contrast else '',
        limits + ' (90 %)' * bool(limits and comparison.margin),
        wins,
        _show_p(comparison.p),
        outcome,
    ]


def _show_p(p):
    return '' if p is None else '< 0.0001' if p < 1e-4 else f'{p:.2g}'


def shown_outcome(claim):
    """'holds (p = 0.012)'; without p where seeds are missing."""
    is_tested = claim.outcome in (HOLDS, REVERSED, UNDECIDED)
    p = _show_p(claim.p)
    return claim.outcome + (f' (p {p if p[0] == "<" else f"= {p}"})' if is_tested else '')


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
    if not any(c.contrast for c in comparisons):
        return []
    family = claims[0].family
    margin = [_MARGIN] if any(c.margin for c in comparisons) else []
    fields = {'count': sum(family.values()), 'tables': ', '.join(family)}
    return [sentence.format(**fields) for sentence in _NOTES] + margin


def claims_text(workdir):
    """The claims of a workdir's config and their outcomes in Markdown; '' without claims."""
    claims = workdirs.read_config(workdir)['claims']
    if not claims:
        return ''
    if any(result.get('dataset') == 'synthetic' for result in result_lines.read(workdir)):
        return '\nClaims are about real images: none is tested on synthetic ones.\n'
    evaluated = evaluate(claims, workdir)
    heading, groups = claims_grid(evaluated)
    lines = [heading]
    for claim, comparisons in groups:
        lines.append(
            [f'**{claim.text}**', *[''] * (len(heading) - 2), f'**{shown_outcome(claim)}**']
        )
        lines += [[f'`{text}`', *numbers] for text, *numbers in comparisons]
    return f'\nClaims\n\n{grid(lines)}\n{notes(explanations(evaluated))}'
