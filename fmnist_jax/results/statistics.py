"""Intervals, verdicts and tests over the test accuracies of independent seeds, as fractions.

Sources: Welch (1947) with the degrees of freedom of Satterthwaite (1946); Wilson (1927); Holm
(1979); Schuirmann (1987) for two one-sided tests; Berger (1982) for intersection-union tests;
Bouthillier et al. (2021), arXiv:2103.03098, for P(A beats B).
"""

import math
from typing import NamedTuple

import numpy as np
import scipy  # imports scipy.special and scipy.stats when they are first used

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
ENOUGH_SEEDS = 5  # a row with fewer seeds is judged with the pooled standard deviation
WIDEST = 0.02  # a wider half of the prediction interval cannot judge a reported number
SMALLEST_EFFECT = 0.005  # the smallest difference that seeds are planned for
_GAP = 0.1  # a gap of more than ten points may divide stuck seeds from trained ones
_NO_SPREAD = 1e-9  # spreads below this are rounding errors of equal numbers


class Summary(NamedTuple):
    """Statistics of the n seeds of a row; NaN where n is too small."""

    count: int
    mean: float
    std: float  # sample standard deviation, n - 1 in the denominator
    interval: tuple[float, float]  # 95 % t-interval for the mean
    prediction: tuple[float, float]  # 95 % interval for the value of one more seed
    median: float
    range: tuple[float, float]  # lowest and highest value
    trained: float  # see `trained_share`

    def __str__(self):
        values = f'{self.count} value{"s" * (self.count != 1)}'
        if math.isnan(self.std):
            return f'{self.mean:.4f} ({values})'
        low, high = self.interval
        return f'{self.mean:.4f} ± {self.std:.4f} ({values}, 95 % interval {low:.4f} to {high:.4f})'


def summarize(values, images=math.inf):
    """Summary of the values of independent seeds: mean ± t·s/√n, and mean ± t·s·√(1+1/n).

    images: that the values are accuracies on, for `trained_share`.
    """
    values = np.asarray(values, float)
    n = len(values)
    unknown = (math.nan, math.nan)
    if not n:
        return Summary(0, math.nan, math.nan, unknown, unknown, math.nan, unknown, math.nan)
    mean, std, interval, prediction = values.mean(), math.nan, unknown, unknown
    if n > 1:
        std = values.std(ddof=1)
        t = scipy.special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)
        around = [t * std * math.sqrt(factor) for factor in (1 / n, 1 + 1 / n)]
        interval, prediction = [(mean - half, mean + half) for half in around]
    limits, share = (values.min(), values.max()), trained_share(values, images)
    return Summary(n, mean, std, interval, prediction, np.median(values), limits, share)


def trained_share(values, images=math.inf):
    """The share of seeds above the gap that divides trained seeds from stuck ones; 1.0 without one.

    The seeds form two clusters if the largest gap between sorted values is more than 10 points and
    more than 3 standard deviations of the values on either side (0 for a single value), and than 3
    standard errors of an accuracy of 50 % on so many `images`: few images make gaps of their own.
    """
    values = np.sort(np.asarray(values, float))
    if len(values) < 2:
        return 1.0 if len(values) else math.nan
    gaps = np.diff(values)
    cut = gaps.argmax() + 1
    sides = np.split(values, [cut])
    spread = max((side.std(ddof=1) for side in sides if len(side) > 1), default=0.0)
    smallest = max(_GAP, 3 * spread, 1.5 / math.sqrt(images))
    return float(1 - cut / len(values)) if gaps.max() > smallest else 1.0


class Pooled(NamedTuple):
    """The common standard deviation of several rows."""

    std: float  # NaN without degrees of freedom
    dof: int


def pooled_std(groups):
    """The Pooled √(Σ (nᵢ - 1)·sᵢ² / Σ (nᵢ - 1)) of the rows of one network family and data set.

    `groups` are the values of each row's seeds. Rows of one seed, or of two clusters, are left out.
    """
    groups = [np.asarray(g, float) for g in groups if len(g) > 1 and trained_share(g) == 1]
    dof = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.square(group - group.mean()).sum()) for group in groups)
    return Pooled(math.sqrt(squares / dof) if dof else math.nan, dof)


def _spread(summary, pooled):
    """The Pooled that judges a row: `pooled` for fewer than `ENOUGH_SEEDS` seeds, else its own."""
    if pooled and pooled.dof and 0 < summary.count < ENOUGH_SEEDS:
        return pooled
    return Pooled(summary.std, summary.count - 1)


def prediction_interval(summary, pooled=None):
    """The 95 % prediction interval for one more seed: mean ± t·s·√(1+1/n); NaN if unknown.

    `pooled`, of the row's family, replaces s for fewer than `ENOUGH_SEEDS` seeds.
    """
    std, dof = _spread(summary, pooled)
    if math.isnan(std):
        return math.nan, math.nan
    half = scipy.special.stdtrit(dof, (1 + CONFIDENCE) / 2) * std * math.sqrt(1 + 1 / summary.count)
    return summary.mean - half, summary.mean + half


def judge(reported, summary, pooled=None, digits=2):
    """Whether a reported single run could be one of our seeds.

    Only the spread over seeds counts: both numbers come from the same test images. A reported
    number stands for all numbers that round to it.

    Args:
      reported: a fraction, or None.
      digits: decimals of the reported number in per cent; 0.896 printed as 89.6 has one.

    Returns:
      'consistent' if the number lies in the `prediction_interval`; else 'higher' or 'lower'.
      'cannot_tell' if half of the interval is wider than `WIDEST`, or the seeds form two clusters
      (`trained_share`). '' without a number or an interval.
    """
    low, high = prediction_interval(summary, pooled)
    if reported is None or math.isnan(low):
        return ''
    if high - low > 2 * WIDEST or summary.trained < 1:
        return 'cannot_tell'
    rounding = 0.5 * 10.0 ** -(digits + 2)
    if reported < low - rounding:
        return 'lower'
    return 'higher' if reported > high + rounding else 'consistent'


def wilson_interval(proportion, count):
    """Wilson's 95 % interval (low, high) for a proportion of `count` trials (test images)."""
    z2 = scipy.special.ndtri((1 + CONFIDENCE) / 2) ** 2
    centre = (proportion + z2 / (2 * count)) / (1 + z2 / count)
    spread = proportion * (1 - proportion) / count + z2 / (4 * count**2)
    half = math.sqrt(z2 * spread) / (1 + z2 / count)
    return centre - half, centre + half


class Contrast(NamedTuple):
    """A weighted sum of rows' means and its test; NaN where there is no spread to test."""

    difference: float
    interval: tuple[float, float]  # for the difference: 95 %, 90 % of one-sided tests
    dof: float  # Welch-Satterthwaite degrees of freedom
    p: float


def _welch(weights, samples):
    """(Σ w·mean, its standard error, its degrees of freedom); NaN without a spread."""
    difference = sum(w * np.mean(x) for w, x in zip(weights, samples, strict=True))
    if min(len(x) for x in samples) < 2:
        return difference, math.nan, math.nan
    counts = np.array([len(x) for x in samples])
    variances = np.square(weights) * [np.var(x, ddof=1) for x in samples] / counts
    error = math.sqrt(variances.sum())
    if error < _NO_SPREAD:
        return difference, math.nan, math.nan
    return difference, error, variances.sum() ** 2 / (variances**2 / (counts - 1)).sum()


def contrast(weights, samples, null=0.0):
    """The Contrast Σ w·mean, tested against `null` by Welch's two-sided test.

    Weights (1, -1) compare two rows; (1/2, 1/2, -1) the mean of two rows with a third;
    (1, -1, -1, 1) one gain with another. `samples` are the values of each row's seeds.
    """
    difference, error, dof = _welch(weights, samples)
    half = scipy.special.stdtrit(dof, (1 + CONFIDENCE) / 2) * error
    p = 2 * scipy.special.stdtr(dof, -abs(difference - null) / error)
    return Contrast(difference, (difference - half, difference + half), dof, p)


def not_worse(weights, samples, margin=0.0):
    """The Contrast Σ w·mean; `p` < 0.05 exactly if its 90 % interval lies above -margin (Welch)."""
    difference, error, dof = _welch(weights, samples)
    half = scipy.special.stdtrit(dof, CONFIDENCE) * error
    p = scipy.special.stdtr(dof, -(difference + margin) / error)
    return Contrast(difference, (difference - half, difference + half), dof, p)


def tost(weights, samples, margin):
    """The Contrast Σ w·mean; `p` < 0.05 exactly if its 90 % interval lies within ±margin."""
    above = not_worse(weights, samples, margin)
    below = not_worse([-w for w in weights], samples, margin)
    return above._replace(p=intersection_union([above.p, below.p]))


def intersection_union(p_values):
    """The p-value of a claim that needs all of its comparisons: the largest; NaN if one is NaN."""
    return float(np.max(p_values))


def holm(p_values):
    """Holm's adjusted p-values: below α, they reject with a family-wise error of at most α."""
    p_values = np.asarray(p_values, float)
    permutation = np.argsort(p_values, kind='stable')
    steps = p_values[permutation] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[permutation] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def _wins(a, b):
    """[len(a), len(b)]: 1 where the value of a is above that of b, a half for a tie."""
    a, b = np.asarray(a, float)[:, None], np.asarray(b, float)[None, :]
    return (a > b) + 0.5 * (a == b)


def probability_better(a, b):
    """P(A beats B): the share of pairs of seeds in which a's value is higher; a tie counts half."""
    return float(_wins(a, b).mean())


def probability_better_interval(a, b, draws=10_000, seed=0):
    """Percentile bootstrap interval (95 %) for P(A beats B); NaN if a row has only one seed.

    The seeds of each row are resampled `draws` times. It is narrow for few seeds: if every seed of
    a beats every seed of b, it is (1, 1).
    """
    if min(len(a), len(b)) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    times_a, times_b = (rng.multinomial(len(x), [1 / len(x)] * len(x), draws) for x in (a, b))
    shares = (times_a @ _wins(a, b) * times_b).sum(1) / (len(a) * len(b))
    return tuple(np.quantile(shares, [LEVEL / 2, 1 - LEVEL / 2]).tolist())


def rank_correlation(a, b):
    """Spearman's (rank correlation, two-sided p by the t approximation) of two series.

    NaN for a constant series, and for fewer than eight pairs, where the approximation fails.
    """
    if len(a) < 8 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan, math.nan
    result = scipy.stats.spearmanr(a, b)
    return float(result.statistic), float(result.pvalue)


def seeds_needed(
    weights, std, difference=SMALLEST_EFFECT, level=LEVEL, power=0.8, most=1000, sides=2
):
    """The smallest number of seeds of every row with which Welch's test finds a difference.

    The test finds it, in its direction, with probability `power` (noncentral t). Plan with a
    declared difference and a pooled standard deviation, not with those that were observed.

    Args:
      weights: see `contrast`.
      std: the standard deviation of every row, or one number for all rows.
      difference: the true value of the contrast, a fraction.

    Returns:
      n, or None if it is more than `most`.
    """
    variances = np.square(weights) * np.square(std)
    n = np.arange(2, most + 1)
    dof = (n - 1) * variances.sum() ** 2 / (variances**2).sum()
    critical = scipy.special.stdtrit(dof, 1 - level / sides)
    noncentrality = abs(difference) / np.sqrt(variances.sum() / n)
    reached = 1 - scipy.special.nctdtr(dof, noncentrality, critical) >= power
    return int(n[reached.argmax()]) if reached.any() else None


class Fit(NamedTuple):
    """How a reported single run lies among the values that one more seed may have."""

    distance: float  # (reported - mean) / (s·√(1+1/n))
    density: float  # of the predictive distribution at the reported number, per unit of accuracy
    p: float  # two-sided: the chance of a value as far from the mean


def predictive_fit(reported, summary, pooled=None):
    """The Fit of a reported number to one more seed of a row; NaN without a spread.

    The predictive distribution of one more seed is mean + s·√(1+1/n)·t, Student's t with the
    degrees of freedom of s, as in `prediction_interval`. Densities of one number under several rows
    compare these rows; the best of them need not fit, which `distance` and `p` show.
    """
    std, dof = _spread(summary, pooled)
    if not std >= _NO_SPREAD:  # or NaN
        return Fit(math.nan, math.nan, math.nan)
    scale = std * math.sqrt(1 + 1 / summary.count)
    z = (reported - summary.mean) / scale
    gammaln = scipy.special.gammaln
    log_density = gammaln((dof + 1) / 2) - gammaln(dof / 2) - math.log(dof * math.pi) / 2
    log_density -= (dof + 1) / 2 * math.log1p(z * z / dof)
    return Fit(z, math.exp(log_density) / scale, 2 * scipy.special.stdtr(dof, -abs(z)))
