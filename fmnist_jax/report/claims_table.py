"""The claims of a workdir as the Markdown that stands under its table."""

from fmnist_jax.markdown import grid
from fmnist_jax.report.cells import interval, notes, number, without_empty_columns
from fmnist_jax.report.outcomes import NOT_RUN, UNDECIDED, evaluate, number_of_tests
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import workdirs

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
