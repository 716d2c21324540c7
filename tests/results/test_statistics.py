"""Intervals, verdicts and tests against scipy, tables, hand calculations and simulations."""

import math

import numpy as np
import pytest
from scipy import stats

from fmnist_jax.results.statistics import (
    contrast,
    holm,
    probability_better,
    rank_correlation,
    seeds_needed,
    summarize,
    verdict,
    wilson_interval,
)


def test_summary_of_five_seeds():
    values = [0.90, 0.91, 0.92, 0.93, 0.94]
    summary = summarize(values)
    std = math.sqrt(0.001 / 4)
    assert summary.count == 5
    np.testing.assert_allclose((summary.mean, summary.std), (0.92, std), rtol=1e-9)
    half = 2.776445 * std / math.sqrt(5)  # t(0.975, 4 degrees of freedom)
    np.testing.assert_allclose(summary.interval, (0.92 - half, 0.92 + half), rtol=1e-6)
    half = 2.776445 * std * math.sqrt(1 + 1 / 5)
    np.testing.assert_allclose(summary.prediction, (0.92 - half, 0.92 + half), rtol=1e-6)


def test_few_seeds_have_no_spread():
    summary = summarize([0.5])
    assert summary.mean == 0.5 and math.isnan(summary.std)
    assert verdict(0.5, summary) == ''
    assert summarize([]).count == 0 and math.isnan(summarize([]).mean)


@pytest.mark.parametrize(
    ('reported', 'expected'),
    [(0.92, 'consistent'), (0.96, 'consistent'), (0.97, 'higher'), (0.87, 'lower'), (None, '')],
)
def test_verdict(reported, expected):
    assert verdict(reported, summarize([0.90, 0.91, 0.92, 0.93, 0.94])) == expected


@pytest.mark.parametrize(
    ('reported', 'expected'),
    [
        (0.87124, 'consistent'),
        (0.87116, 'consistent'),
        (0.87126, 'higher'),
        (0.87114, 'lower'),
    ],
)
def test_seeds_without_spread_agree_with_what_rounds_to_them(reported, expected):
    assert verdict(reported, summarize([0.8712] * 3)) == expected


def test_wilson_interval():
    # By hand: no success in 10 trials gives (0, z² / (10 + z²)), z² = 3.841459.
    np.testing.assert_allclose(wilson_interval(0, 10), (0, 3.841459 / 13.841459), atol=1e-7)
    theirs = stats.binomtest(8716, 10_000).proportion_ci(method='wilson')
    np.testing.assert_allclose(wilson_interval(0.8716, 10_000), theirs, rtol=1e-12)


A, B = [0.891, 0.893, 0.890, 0.8935, 0.892], [0.889, 0.8905, 0.894]


def test_contrast_of_two_rows_is_welchs_test():
    theirs = stats.ttest_ind(A, B, equal_var=False)
    ours = contrast([1, -1], [A, B])
    np.testing.assert_allclose((ours.p, ours.dof), (theirs.pvalue, theirs.df), rtol=1e-9)
    np.testing.assert_allclose(ours.interval, theirs.confidence_interval(), rtol=1e-9)
    np.testing.assert_allclose(ours.difference, np.mean(A) - np.mean(B))
    reverse = contrast([-1, 1], [A, B])
    assert reverse.difference == -ours.difference and reverse.p == ours.p


def test_contrast_of_gains_by_hand():
    # Means 3, 1, 2, 1; their variances s²/n 1, 1, 4, 9; all n = 2.
    samples = [[2, 4], [0, 2], [0, 4], [-2, 4]]
    ours = contrast([1, -1, -1, 1], samples)
    assert ours.difference == 3 - 1 - (2 - 1)
    np.testing.assert_allclose(ours.dof, 15**2 / (1 + 1 + 16 + 81))
    half = stats.t.ppf(0.975, ours.dof) * math.sqrt(15)
    np.testing.assert_allclose(ours.interval, (1 - half, 1 + half))
    np.testing.assert_allclose(ours.p, 2 * stats.t.sf(1 / math.sqrt(15), ours.dof))


@pytest.mark.parametrize('samples', [[A, [0.5]], [[0.8712] * 3, [0.9] * 5]])
def test_contrast_without_spread_is_not_tested(samples):
    ours = contrast([1, -1], samples)
    np.testing.assert_allclose(ours.difference, np.mean(samples[0]) - np.mean(samples[1]))
    assert math.isnan(ours.p) and math.isnan(ours.interval[0])


def test_contrast_with_one_constant_row_takes_the_others_spread():
    ours = contrast([1, -1], [A, [0.1] * 7])
    np.testing.assert_allclose(ours.dof, 4)
    np.testing.assert_allclose(ours.p, stats.ttest_1samp(A, 0.1).pvalue, rtol=1e-9)


def test_holm_by_hand():
    # Sorted: 0.005·4, 0.01·3, 0.03·2, 0.04·1, none below the one before it.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1, 1])
    assert len(holm([])) == 0


def test_probability_better_counts_ties_half():
    assert probability_better([3, 1], [1, 2]) == (1 + 1 + 0.5 + 0) / 4
    u = stats.mannwhitneyu(A, B).statistic
    np.testing.assert_allclose(probability_better(A, B), u / (len(A) * len(B)))


@pytest.mark.parametrize(('effect', 'seeds'), [(0.8, 26), (0.5, 64), (0.2, 394), (0.01, None)])
def test_seeds_needed_are_cohens(effect, seeds):
    """Cohen (1988): per group, two-sided 0.05, power 0.8; he has 393 for 0.2, a round-off lower."""
    assert seeds_needed([1, -1], [1, 1], effect, 0.05) == seeds


def test_seeds_needed_grow_with_the_level_and_reach_their_power():
    weights, deviations = [1, -1], [2.0, 0.5]
    n = seeds_needed(weights, deviations, 2.0, 0.01)
    assert n > seeds_needed(weights, deviations, 2.0, 0.05)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(1000):
        samples = [rng.normal(2, 2, n), rng.normal(0, 0.5, n)]
        result = contrast(weights, samples)
        found += result.p < 0.01 and result.difference > 0
    assert 0.77 < found / 1000 < 0.86


def test_intervals_cover_what_they_promise():
    """Rows of unlike spread and number of seeds: 95 % of intervals hold the true difference."""
    rng = np.random.default_rng(0)
    covered, predicted = 0, 0
    for _ in range(2000):
        samples = [rng.normal(0.9, 0.001, 5), rng.normal(0.8, 0.005, 8), rng.normal(0.8, 0.002, 3)]
        low, high = contrast([1, -0.5, -0.5], samples).interval
        covered += low < 0.1 < high
        low, high = summarize(samples[0]).prediction
        predicted += low < rng.normal(0.9, 0.001) < high
    assert 0.94 < covered / 2000 < 0.965
    assert 0.94 < predicted / 2000 < 0.965


def test_rank_correlation_of_a_worked_example():
    # 1 - 6 Σd² / (n (n² - 1)) for ranks that differ by d; here Σd² = 2 (1 + 4 + 1)
    a, b = [1, 2, 3, 4, 5, 6, 7, 8], [20, 10, 30, 60, 50, 40, 80, 70]
    coefficient, p = rank_correlation(a, b)
    assert coefficient == pytest.approx(1 - 6 * 12 / (8 * 63))
    assert p == pytest.approx(2 * stats.t.sf(coefficient * math.sqrt(6 / (1 - coefficient**2)), 6))
    assert rank_correlation(a, b[::-1])[0] < 0


@pytest.mark.parametrize(('a', 'b'), [(range(7), range(7)), (range(9), [1.0] * 9)])
def test_rank_correlation_of_few_pairs_or_a_constant_is_unknown(a, b):
    assert all(math.isnan(value) for value in rank_correlation(a, b))
