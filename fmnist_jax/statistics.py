"""Intervals and verdicts over seeds."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit  # scipy.stats would take a second to import

CONFIDENCE = 0.95


class Summary(NamedTuple):
    """What n seeds say about a row; NaN where n is too small to say it."""

    count: int
    mean: float
    deviation: float  # sample standard deviation, n - 1 in the denominator
    interval: tuple[float, float]  # t-interval for the mean
    prediction: tuple[float, float]  # where one more seed's value would lie


def summarize(values):
    """Summary of the values of independent seeds: mean ± t·s/√n, and mean ± t·s·√(1+1/n)."""
    values = np.asarray(values, float)
    n, mean = len(values), values.mean()
    if n < 2:
        return Summary(n, mean, math.nan, (math.nan, math.nan), (math.nan, math.nan))
    deviation = values.std(ddof=1)
    t = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    around = [t * deviation * math.sqrt(factor) for factor in (1 / n, 1 + 1 / n)]
    interval, prediction = [(mean - half, mean + half) for half in around]
    return Summary(n, mean, deviation, interval, prediction)


def verdict(reported, summary):
    """Whether a reported single run could be one of ours.

    Returns:
      'consistent' if it lies in the 95 % prediction interval, else 'higher' or 'lower' (the
      reported number than ours); '' without a number or with one seed.
    """
    if reported is None or summary.count < 2:
        return ''
    low, high = summary.prediction
    if reported < low:
        return 'lower'
    return 'higher' if reported > high else 'consistent'
