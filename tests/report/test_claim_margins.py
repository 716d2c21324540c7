"""Claims that one side is no better, or the same."""

import csv

import numpy as np
import pytest
from report_for_tests import fill, line
from scipy import stats

from configs import base
from fmnist_jax import report
from fmnist_jax.report.claims import evaluate
from fmnist_jax.results.statistics import seeds_needed, tost

SPREAD = np.array([-0.001, -0.0005, 0.0, 0.0005, 0.001])


def outcome(tmp_path, *comparisons, **means):
    lines = [line(name, (mean + SPREAD).tolist()) for name, mean in means.items()]
    claims = [base.claim('t', *comparisons)]
    return evaluate(claims, fill(tmp_path / 'w', *lines))[0]


@pytest.mark.parametrize(
    ('mean', 'expected'),
    [(0.9, 'holds'), (0.903, 'holds'), (0.905, 'undecided'), (0.909, 'does not hold')],
)
def test_not_worse_is_tested_against_the_margin(tmp_path, mean, expected):
    claim = outcome(tmp_path, base.not_worse('a', 'b'), a=0.9, b=mean)
    (comparison,) = claim.comparisons
    assert claim.outcome == expected and comparison.text == 'a > b − 0.5'
    np.testing.assert_allclose(comparison.contrast.difference, 0.9 - mean)
    moved = stats.ttest_ind(0.905 + SPREAD, mean + SPREAD, equal_var=False, alternative='greater')
    np.testing.assert_allclose(comparison.p, moved.pvalue, atol=1e-12)
    if expected == 'undecided':  # what equal rows need to show it
        std = np.std(SPREAD, ddof=1)
        assert comparison.needed == seeds_needed([1, -1], std, 0.005, 0.05, sides=1)


@pytest.mark.parametrize(
    ('mean', 'expected'),
    [
        (0.9, 'holds'),
        (0.903, 'holds'),
        (0.9045, 'undecided'),
        (0.909, 'does not hold'),
        (0.891, 'does not hold'),
    ],
)
def test_the_same_is_within_the_margin_on_both_sides(tmp_path, mean, expected):
    claim = outcome(tmp_path, *base.same('a', 'b'), a=0.9, b=mean)
    (comparison,) = claim.comparisons
    assert claim.outcome == expected and comparison.text == 'a = b ± 0.5'
    theirs = tost([1, -1], [0.9 + SPREAD, mean + SPREAD], 0.005)
    np.testing.assert_allclose(comparison.p, theirs.p, atol=1e-12)
    np.testing.assert_allclose(comparison.contrast.interval, theirs.interval)
    low, high = theirs.interval
    assert (expected == 'holds') == (low > -0.005 and high < 0.005)
    assert (expected == 'does not hold') == (low > 0.005 or high < -0.005)


def test_finding_no_difference_shows_nothing(tmp_path):
    """Two seeds that differ a lot are not 'the same', though no test tells them apart."""
    lines = [line('a', [0.88, 0.92]), line('b', [0.89, 0.91])]
    claims = [base.claim('t', *base.same('a', 'b'))]
    assert evaluate(claims, fill(tmp_path, *lines))[0].outcome == 'undecided'


def test_a_margin_is_explained_where_there_is_one(tmp_path):
    lines = [line('a', [0.9, 0.91]), line('b', [0.8, 0.82])]
    claims = [base.claim('t', base.not_worse('a', 'b', 0.002))]
    text = report.workdir_table(fill(tmp_path / 'with', *lines, claims=claims))
    assert '`a > b − 0.2`' in text and '(90 %)' in text and 'Finding no difference' in text
    claims = [base.claim('t', ('a', 'b'))]
    text = report.workdir_table(fill(tmp_path / 'without', *lines, claims=claims))
    assert '(90 %)' not in text and 'Finding no difference' not in text


@pytest.mark.parametrize('margin', [0, 1, -0.1, 'x'])
def test_a_margin_is_a_fraction(tmp_path, margin, capsys):
    claims = [{'text': 't', 'comparisons': [['a', 'b', margin]]}]
    fill(tmp_path, line('a'), line('b'), claims=claims)
    assert report.main([str(tmp_path)]) == 2
    assert 'an optional margin between 0 and 1' in capsys.readouterr().err


def test_claims_are_exported_unrounded(tmp_path):
    lines = [line('a', [0.9, 0.91, 0.92]), line('b', [0.8, 0.81, 0.82])]
    claims = [base.claim('better', ('a', 'b')), base.claim('near', base.not_worse('a', 'c'))]
    folder = fill(tmp_path / 'w', *lines, claims=claims)
    assert report.main([str(folder), f'--csv={tmp_path}/rows.csv']) == 0
    with open(tmp_path / 'rows_claims.csv', newline='', encoding='utf-8') as file:
        first, second = csv.DictReader(file)
    theirs = stats.ttest_ind([0.9, 0.91, 0.92], [0.8, 0.81, 0.82], equal_var=False)
    assert (first['claim'], first['comparison'], first['outcome']) == ('better', 'a > b', 'holds')
    np.testing.assert_allclose(float(first['p']), theirs.pvalue, rtol=1e-7)
    np.testing.assert_allclose(float(first['claim_p']), 2 * theirs.pvalue, rtol=1e-7)  # of 2 claims
    needed = seeds_needed([1, -1], 0.01, 0.005, 0.05 / 2)
    assert (first['seeds_least'], first['margin']) == ('3', '0')
    assert first['seeds_needed'] == str(needed)
    assert (second['outcome'], second['p'], second['margin']) == ('not run yet', '', '0.005')
