"""Intervals and verdicts against values worked out by hand from t tables."""

import math

import numpy as np
import pytest

from fmnist_jax.statistics import summarize, verdict


def test_summary_of_five_seeds():
    values = [0.90, 0.91, 0.92, 0.93, 0.94]
    summary = summarize(values)
    deviation = math.sqrt(0.001 / 4)
    assert summary.count == 5
    np.testing.assert_allclose((summary.mean, summary.deviation), (0.92, deviation), rtol=1e-9)
    half = 2.776445 * deviation / math.sqrt(5)  # t(0.975, 4 degrees of freedom)
    np.testing.assert_allclose(summary.interval, (0.92 - half, 0.92 + half), rtol=1e-6)
    half = 2.776445 * deviation * math.sqrt(1 + 1 / 5)
    np.testing.assert_allclose(summary.prediction, (0.92 - half, 0.92 + half), rtol=1e-6)


def test_one_seed_has_no_spread():
    summary = summarize([0.5])
    assert summary.mean == 0.5 and math.isnan(summary.deviation)
    assert verdict(0.5, summary) == ''


@pytest.mark.parametrize(
    ('reported', 'expected'),
    [(0.92, 'consistent'), (0.96, 'consistent'), (0.97, 'higher'), (0.87, 'lower'), (None, '')],
)
def test_verdict(reported, expected):
    assert verdict(reported, summarize([0.90, 0.91, 0.92, 0.93, 0.94])) == expected
