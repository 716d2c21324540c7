"""Intervals, verdicts and tests against scipy, tables, hand calculations and simulations."""

import math

import numpy as np
import pytest
from scipy import stats

from fmnist_jax.results.statistics import (
    Pooled,
    contrast,
    holm,
    intersection_union,
    judge,
    not_worse,
    pooled_std,
    prediction_interval,
    predictive_fit,
    probability_better,
    probability_better_interval,
    rank_correlation,
    seeds_needed,
    summarize,
    tost,
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
    assert judge(0.5, summary) == ''
    assert summarize([]).count == 0 and math.isnan(summarize([]).mean)


@pytest.mark.parametrize(
    ('reported', 'expected'),
    [(0.92, 'consistent'), (0.924, 'consistent'), (0.925, 'higher'), (0.915, 'lower'), (None, '')],
)
def test_verdict(reported, expected):
    assert judge(reported, summarize([0.918, 0.919, 0.920, 0.921, 0.922])) == expected


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
    assert judge(reported, summarize([0.8712] * 3)) == expected


@pytest.mark.parametrize(
    ('digits', 'expected'), [(2, 'higher'), (1, 'consistent'), (0, 'consistent')]
)
def test_a_number_stands_for_all_that_round_to_it(digits, expected):
    """0.8716 may be 87.2 printed with one decimal, but not 87.20."""
    assert judge(0.872, summarize([0.8716] * 5), digits=digits) == expected
    assert judge(0.872 + 0.006, summarize([0.8716] * 5), digits=1) == 'higher'


def test_pooled_std_is_the_root_of_the_mean_square_within_rows():
    groups = [[0.90, 0.91, 0.92], [0.80, 0.82], [0.5], [0.10, 0.11, 0.88, 0.89]]
    pooled = pooled_std(groups)  # the last row has two clusters
    assert pooled.dof == 2 + 1
    np.testing.assert_allclose(pooled.std, math.sqrt((0.0002 + 0.0002) / 3))
    assert pooled_std([[0.5], []]).dof == 0 and math.isnan(pooled_std([[0.5]]).std)


def test_few_seeds_are_judged_with_the_pooled_std_and_five_with_their_own():
    pooled = Pooled(0.002, 30)
    half = stats.t.ppf(0.975, 30) * 0.002
    for values in ([0.9], [0.899, 0.901], [0.899, 0.9, 0.9, 0.901]):
        low, high = prediction_interval(summarize(values), pooled)
        wide = half * math.sqrt(1 + 1 / len(values))
        np.testing.assert_allclose((low, high), (0.9 - wide, 0.9 + wide))
    five = summarize([0.90, 0.91, 0.92, 0.93, 0.94])
    assert prediction_interval(five, pooled) == five.prediction
    assert judge(0.903, summarize([0.9]), pooled) == 'consistent'
    assert judge(0.91, summarize([0.9]), pooled) == 'higher'
    for none in (None, pooled_std([])):
        assert judge(0.91, summarize([0.9]), none) == ''
    assert judge(0.91, summarize([]), pooled) == ''


def test_a_wide_prediction_interval_cannot_tell():
    assert judge(0.9, summarize([0.88, 0.90, 0.92])) == 'cannot_tell'
    assert judge(0.9, summarize([0.9]), Pooled(0.01, 5)) == 'cannot_tell'
    assert judge(0.9, summarize([0.88, 0.90, 0.92]), Pooled(0.005, 20)) == 'consistent'


@pytest.mark.parametrize(
    ('values', 'share'),
    [
        ([0.164, 0.646, 0.665, 0.698, 0.703], 0.8),  # the sigmoid LeNet-5 of report 003
        ([0.1, 0.1, 0.1, 0.87], 0.25),
        ([0.1, 0.87], 0.5),
        ([0.85, 0.86, 0.87, 0.96], 1.0),  # a gap of less than ten points
        ([0.50, 0.61, 0.74], 1.0),  # a gap, but not against the spread of the others
        ([0.1] * 5, 1.0),
    ],
)
def test_a_gap_divides_trained_seeds_from_stuck_ones(values, share):
    summary = summarize(values[::-1])
    assert summary.trained == pytest.approx(share)
    assert summary.range == (min(values), max(values)) and summary.median == np.median(values)
    if share < 1:
        assert judge(0.7, summary, Pooled(0.002, 20)) == 'cannot_tell'


@pytest.mark.parametrize('distance', [3, 5, 10])
@pytest.mark.parametrize('seeds', [1, 2, 3, 5, 10])
def test_how_often_a_number_from_far_away_is_called_consistent(seeds, distance):
    """Simulation: the report's run comes from a mean `distance` standard deviations above ours.

    The false-'consistent' rate is that of the noncentral t distribution. With a pooled standard
    deviation of 20 degrees of freedom, fewer seeds cost little; without it, two seeds
    call three quarters of the numbers at 5 standard deviations consistent.
    """
    rng = np.random.default_rng(0)
    std, runs = 0.001, 2000
    own = dof_rate(seeds - 1, seeds, distance) if seeds > 1 else None
    expected = own if seeds >= 5 else dof_rate(20, seeds, distance)
    wrong = 0
    for _ in range(runs):
        pooled = Pooled(std * math.sqrt(rng.chisquare(20) / 20), 20)
        summary = summarize(rng.normal(0.9, std, seeds))
        reported = rng.normal(0.9 + distance * std, std)
        wrong += judge(reported, summary, pooled, digits=6) == 'consistent'
    assert wrong / runs == pytest.approx(expected, abs=0.035)
    assert wrong / runs <= {3: 0.51, 5: 0.1, 10: 0.001}[distance]
    if seeds == 2 and distance == 5:
        assert own > 0.6


def dof_rate(dof, seeds, distance):
    """P(|T| < t(0.975)), T noncentral: a number at that distance lies in the interval."""
    t = stats.t.ppf(0.975, dof)
    return stats.nct.cdf(t, dof, distance / math.sqrt(1 + 1 / seeds))  # below -t is nearly nothing


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


@pytest.mark.parametrize('margin', [0.0, 0.002])
def test_not_worse_is_welchs_one_sided_test(margin):
    ours = not_worse([1, -1], [A, B], margin)
    theirs = stats.ttest_ind(np.add(A, margin), B, equal_var=False, alternative='greater')
    np.testing.assert_allclose((ours.p, ours.dof), (theirs.pvalue, theirs.df), rtol=1e-9)
    two_sided = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.9)
    np.testing.assert_allclose(ours.interval, two_sided, rtol=1e-9)
    assert (ours.p < 0.05) == (ours.interval[0] > -margin)


@pytest.mark.parametrize('margin', [0.0005, 0.002, 0.004, 0.02])
def test_tost_is_the_larger_of_two_one_sided_tests(margin):
    ours = tost([1, -1], [A, B], margin)
    above = stats.ttest_ind(np.add(A, margin), B, equal_var=False, alternative='greater')
    below = stats.ttest_ind(np.add(A, -margin), B, equal_var=False, alternative='less')
    np.testing.assert_allclose(ours.p, max(above.pvalue, below.pvalue), rtol=1e-9)
    low, high = ours.interval
    assert (ours.p < 0.05) == (-margin < low and high < margin)


def test_one_sided_tests_without_spread_are_not_tested():
    for ours in (not_worse([1, -1], [A, [0.5]]), tost([1, -1], [[0.5] * 3, [0.5] * 3], 0.01)):
        assert math.isnan(ours.p) and math.isnan(ours.interval[0])


def test_tost_calls_rows_equal_that_differ_by_the_margin_in_five_of_a_hundred():
    rng = np.random.default_rng(0)
    equal = 0
    for _ in range(2000):
        samples = [rng.normal(0.905, 0.002, 8), rng.normal(0.9, 0.003, 8)]
        equal += tost([1, -1], samples, 0.005).p < 0.05
    assert 0.035 < equal / 2000 < 0.065


def test_a_claim_of_several_comparisons_has_the_largest_p():
    assert intersection_union([0.01, 0.04, 0.002]) == 0.04
    assert math.isnan(intersection_union([0.01, math.nan]))
    claims = [intersection_union(p) for p in ([0.01, 0.02], [0.001])]
    np.testing.assert_allclose(holm(claims), [0.02, 0.002])


def test_holm_by_hand():
    # Sorted: 0.005·4, 0.01·3, 0.03·2, 0.04·1, none below the one before it.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1, 1])
    assert len(holm([])) == 0


def test_probability_better_counts_ties_half():
    assert probability_better([3, 1], [1, 2]) == (1 + 1 + 0.5 + 0) / 4
    u = stats.mannwhitneyu(A, B).statistic
    np.testing.assert_allclose(probability_better(A, B), u / (len(A) * len(B)))


def test_bootstrap_interval_of_probability_better():
    low, high = probability_better_interval(A, B)
    assert low < probability_better(A, B) < high
    assert probability_better_interval(A, B) == (low, high)  # the same seed
    theirs = stats.bootstrap(
        (A, B), lambda a, b: probability_better(a, b), vectorized=False, method='percentile',
        n_resamples=3000, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    np.testing.assert_allclose((low, high), theirs, atol=0.08)
    assert probability_better_interval([3, 4, 5], [1, 2]) == (1, 1)
    assert all(map(math.isnan, probability_better_interval([1], [2, 3])))


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


def test_seeds_needed_for_a_declared_effect_and_a_pooled_std():
    pooled = pooled_std([A, B])
    assert seeds_needed([1, -1], pooled.std) == seeds_needed([1, -1], [pooled.std] * 2, 0.005, 0.05)
    # Cohen (1988), one-sided 0.05, power 0.8, d = 0.5: 50 per group; G*Power has 51.
    assert seeds_needed([1, -1], 0.01, 0.005, sides=1) == 51
    assert seeds_needed([1, -1], math.nan) is None


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


def test_the_predictive_density_is_students():
    values = [0.90, 0.91, 0.92, 0.93, 0.95]
    summary = summarize(values)
    scale = np.std(values, ddof=1) * math.sqrt(1 + 1 / 5)
    fit = predictive_fit(0.94, summary)
    np.testing.assert_allclose(fit.distance, (0.94 - summary.mean) / scale, rtol=1e-9)
    expected = stats.t(4, loc=summary.mean, scale=scale)
    np.testing.assert_allclose(fit.density, expected.pdf(0.94), rtol=1e-9)
    assert predictive_fit(0.94, summary, Pooled(0.5, 20)) == fit  # five seeds are enough


def test_few_seeds_take_the_pooled_deviation():
    fit = predictive_fit(0.92, summarize([0.90]), Pooled(0.01, 12))
    expected = stats.t(12, loc=0.90, scale=0.01 * math.sqrt(2))
    both = 2 * stats.t(12).sf(math.sqrt(2))
    np.testing.assert_allclose(fit, (math.sqrt(2), expected.pdf(0.92), both), rtol=1e-9)
    assert all(map(math.isnan, predictive_fit(0.92, summarize([0.90]))))
    assert all(map(math.isnan, predictive_fit(0.92, summarize([0.90, 0.90]))))


def test_the_row_that_drew_the_number_is_the_likelier_one_as_often_as_it_says():
    """Bayes: among pairs with a likelihood ratio near 4, the drawing row wins 4 times of 5."""
    rng, wins, total = np.random.default_rng(0), 0, 0
    for _ in range(6000):
        means = rng.normal(0.9, 0.02, 2)
        rows = [summarize(rng.normal(mean, 0.01, 12)) for mean in means]
        number = rng.normal(means[0], 0.01)
        own, other = (predictive_fit(number, row).density for row in rows)
        if 3.5 < max(own, other) / min(own, other) < 4.5:
            wins, total = wins + (own > other), total + 1
    assert total > 150 and abs(wins / total - 0.8) < 3 * math.sqrt(0.16 / total)


def test_few_test_images_make_no_clusters():
    """27.8 and 38.9 % of 18 images are two images apart."""
    two = [5 / 18, 7 / 18]
    assert summarize(two).trained == 0.5
    assert summarize(two, images=18).trained == 1
    assert summarize([0.1, 0.9], images=18).trained == 0.5
    assert summarize([0.10, 0.21], images=10_000).trained == 0.5
