"""A report's claims, tested over seeds: is this really better than that?

- **Test.** Welch's, two-sided: its outcome may go against the claim, and it agrees with the 95 %
  interval of the difference. Seeds are not paired, though seed k has the same validation split in
  every row: that makes the test cautious. Only the seeds' spread counts, as all rows are tested on
  the same images.
- **Margin.** "No better than" and "the same" cannot be shown by a test that finds no difference.
  Such a comparison tests whether the one side is above the other less a margin; "the same" is
  two of them (Schuirmann 1987).
- **Correction.** Holm's, over all different comparisons of the table that can be tested: at most
  5 % of such tables would have a 'holds' or 'does not hold' by chance.
- **Diverged seeds** count with the accuracy that was recorded, a seed without a number not at all.
- **No spread** in any row of a comparison leaves nothing to test a difference by: undecided.
"""

import functools
import itertools
import math
import pathlib
from typing import NamedTuple

import numpy as np

from fmnist_jax.errors import ConfigError
from fmnist_jax.report.claims import parse
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
