"""Intervals, verdicts and tests over seeds.

Every value is one seed's; seeds are independent and, within a row, of one distribution. Sources:
t and prediction intervals as in any textbook; Wilson (1927); Welch (1947) with Satterthwaite's
(1946) degrees of freedom; Holm (1979).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import nctdtr, ndtri, stdtr, stdtrit  # scipy.stats takes a second to import

CONFIDENCE = 0.95
# Accuracies are read as per cent with two decimals: what rounds to the same number is the same.
ROUNDING = 0.5e-4
# Spreads below this are rounding errors of equal numbers.
_NO_SPREAD = 1e-9


class Summary(NamedTuple):
    """What n seeds say about a row; NaN where n is too small to say it."""

    count: int
    mean: float
    std: float  # sample standard deviation, n - 1 in the denominator
    interval: tuple[float, float]  # t-interval for the mean
    prediction: tuple[float, float]  # where one more seed's value would lie


def summarize(values):
    """Summary of the values of independent seeds: mean ± t·s/√n, and mean ± t·s·√(1+1/n)."""
    values = np.asarray(values, float)
    n = len(values)
    mean = values.mean() if n else math.nan
    if n < 2:
        return Summary(n, mean, math.nan, (math.nan, math.nan), (math.nan, math.nan))
    std = values.std(ddof=1)
    t = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    around = [t * std * math.sqrt(factor) for factor in (1 / n, 1 + 1 / n)]
    interval, prediction = [(mean - half, mean + half) for half in around]
    return Summary(n, mean, std, interval, prediction)


def verdict(reported, summary):
    """Whether a reported single run could be one of ours.

    It counts the spread over seeds alone: both numbers come from the same test images. A reported
    number stands for all that round to it, so the prediction interval is `ROUNDING` wider on
    either side; that matters only where the seeds hardly differ (all diverged, for instance).

    Returns:
      'consistent' if it lies in the 95 % prediction interval, else 'higher' or 'lower' (the
      reported number than ours); '' without a number or with one seed.
    """
    if reported is None or summary.count < 2:
        return ''
    low, high = summary.prediction
    if reported < low - ROUNDING:
        return 'lower'
    return 'higher' if reported > high + ROUNDING else 'consistent'


def wilson_interval(proportion, count):
    """Wilson's 95 % interval for a proportion, such as one network's accuracy on test images.

    Args:
      proportion: share of successes, in [0, 1].
      count: trials (test images).

    Returns:
      (low, high), within [0, 1] and not centred on the proportion.
    """
    z2 = ndtri((1 + CONFIDENCE) / 2) ** 2
    centre = (proportion + z2 / (2 * count)) / (1 + z2 / count)
    spread = proportion * (1 - proportion) / count + z2 / (4 * count**2)
    half = math.sqrt(z2 * spread) / (1 + z2 / count)
    return centre - half, centre + half


class Contrast(NamedTuple):
    """A weighted sum of rows' means, tested against zero; NaN where there is no spread to test."""

    difference: float
    interval: tuple[float, float]  # 95 %, for the difference
    dof: float  # Welch-Satterthwaite degrees of freedom
    p: float  # two-sided


def contrast(weights, samples, null=0.0):
    """Welch's test of a contrast of means: Σ w·mean against `null`, variances not assumed equal.

    Weights (1, -1) give Welch's test of two samples; (1/2, 1/2, -1) the mean of two rows against a
    third; (1, -1, -1, 1) one gain against another.

    Args:
      weights: one number for each row, summing to 0.
      samples: the values of each row's seeds; one seed in any row leaves the test NaN.
      null: the difference that `p` tests against; the interval is the difference's own.
    """
    difference = sum(w * np.mean(x) for w, x in zip(weights, samples, strict=True))
    unknown = Contrast(difference, (math.nan, math.nan), math.nan, math.nan)
    if min(len(x) for x in samples) < 2:
        return unknown
    counts = np.array([len(x) for x in samples])
    variances = np.square(weights) * [np.var(x, ddof=1) for x in samples] / counts
    error = math.sqrt(variances.sum())
    if error < _NO_SPREAD:
        return unknown
    dof = variances.sum() ** 2 / (variances**2 / (counts - 1)).sum()
    half = stdtrit(dof, (1 + CONFIDENCE) / 2) * error
    p = 2 * stdtr(dof, -abs(difference - null) / error)
    return Contrast(difference, (difference - half, difference + half), dof, p)


def holm(p_values):
    """Holm's adjusted p-values: below α, they reject with a family-wise error of at most α."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind='stable')
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def probability_better(a, b):
    """The share of pairs of seeds in which a's value is above b's; a tie counts half."""
    a, b = np.asarray(a, float)[:, None], np.asarray(b, float)[None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def rank_correlation(a, b):
    """Whether two series order the same things alike: Spearman's rank correlation.

    Returns:
      (its coefficient, from -1 to 1; the two-sided p that the orders have nothing in common, by
      the t approximation). NaN where a series never changes, and for fewer than eight pairs:
      the approximation would call the order of four certain, which is chance in one of 24.
    """
    from scipy.stats import spearmanr  # takes a second to import

    if len(a) < 8 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan, math.nan
    result = spearmanr(a, b)
    return float(result.statistic), float(result.pvalue)


def seeds_needed(weights, deviations, difference, level, power=0.8, most=1000):
    """How many seeds of every row would decide a contrast.

    The smallest n for which a two-sided Welch test at `level` finds the difference, in its
    direction, with probability `power` (noncentral t), if it and the deviations are as given.

    Args:
      weights, deviations: of each row.
      difference: the contrast's value.
      level: two-sided, in (0, 1); after a correction, the corrected one.

    Returns:
      n, or None if it is more than `most`.
    """
    variances = np.square(weights) * np.square(deviations)
    n = np.arange(2, most + 1)
    dof = (n - 1) * variances.sum() ** 2 / (variances**2).sum()
    critical = stdtrit(dof, 1 - level / 2)
    noncentrality = abs(difference) / np.sqrt(variances.sum() / n)
    reached = 1 - nctdtr(dof, noncentrality, critical) >= power
    return int(n[reached.argmax()]) if reached.any() else None
