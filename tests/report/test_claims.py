"""Claims: which rows a comparison weighs, and what the seeds say about it."""

import numpy as np
import pytest
from report_for_tests import cells, fill, line
from scipy import stats

from configs import base
from fmnist_jax import report
from fmnist_jax.errors import ConfigError
from fmnist_jax.report import page
from fmnist_jax.report.claims import check, evaluate, parse
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results.statistics import probability_better_interval, seeds_needed

HIGH = [0.90, 0.91, 0.92, 0.905]
LOW = [0.80, 0.81, 0.82, 0.829]
ROWS = {'': ['adam', 'adam_late', 'sgd', 's*', 'x:y'], 'other': ['base']}


def weights(higher, lower):
    claims = [{'text': 't', 'comparisons': [[higher, lower]]}]
    ((_, (parsed,)),) = parse(claims, lambda folder: ROWS.get(folder, []))
    return {f'{row[0]}/{row[1]}'.lstrip('/'): weight for row, weight in parsed.weights.items()}


def test_sides_are_weights_of_rows():
    assert weights('adam', 'sgd') == {'adam': 1, 'sgd': -1}
    assert weights('adam*', 'sgd') == {'adam': 0.5, 'adam_late': 0.5, 'sgd': -1}
    assert weights('adam', 'adam*') == {'adam': 0.5, 'adam_late': -0.5}  # a row on both sides
    gains = weights(['adam', 'sgd'], ['other:base', 'adam_late'])
    assert gains == {'adam': 1, 'sgd': -1, 'other/base': -1, 'adam_late': 1}
    assert weights('adam', 's*') == {'adam': 1, 's*': -1}  # rows of that very name
    assert weights('adam', 'x:y') == {'adam': 1, 'x:y': -1}
    assert weights('adam', 'gone:x*') == {'adam': 1, 'gone/x*': -1}


@pytest.mark.parametrize(
    ('claim', 'message'),
    [
        ({'comparisons': [['adam', 'sgd']]}, 'expected a text and comparisons'),
        ({'text': 't', 'comparisons': []}, 'expected a text and comparisons'),
        (
            {'text': 't', 'comparisons': [['adam', 'sgd']], 'measure': ['x']},
            'expected a text and comparisons',
        ),
        ({'text': 't', 'comparisons': [['adam']]}, 'expected a text and comparisons'),
        ({'text': 't', 'comparisons': [['adam', ['sgd', 'adam']]]}, 'both sides rows or both'),
        ({'text': 't', 'comparisons': [[['adam', 'sgd', 'adam'], ['sgd', 'adam']]]}, 'gains'),
        ({'text': 't', 'comparisons': [['adam', 3]]}, 'expected a text and comparisons'),
        ({'text': 't', 'comparisons': [['adm', 'sgd']]}, "'adm' matches none of the rows adam"),
        ({'text': 't', 'comparisons': [['sgd', 'sg?']]}, 'sgd > sg? compares rows with themselves'),
    ],
)
def test_what_is_no_claim_is_refused(claim, message):
    with pytest.raises(ConfigError) as error:
        check([claim], ROWS[''])
    assert message in str(error.value)


def outcomes(tmp_path, *comparisons, **accuracies):
    """The Claim of these comparisons in a workdir with rows a, b, c."""
    lines = [line(name, values) for name, values in accuracies.items()]
    fill(tmp_path / 'w', *lines)
    return evaluate([{'text': 't', 'comparisons': comparisons}], tmp_path / 'w')[0]


def test_a_claim_holds_or_does_not(tmp_path):
    claim = outcomes(tmp_path, ['a', 'b'], a=HIGH, b=LOW)
    (comparison,) = claim.comparisons
    theirs = stats.ttest_ind(HIGH, LOW, equal_var=False)
    assert claim.outcome == 'holds' == comparison.outcome
    np.testing.assert_allclose(comparison.p, theirs.pvalue)
    np.testing.assert_allclose(comparison.contrast.interval, theirs.confidence_interval())
    assert comparison.wins == 1 and comparison.text == 'a > b'
    assert outcomes(tmp_path / '2', ['b', 'a'], a=HIGH, b=LOW).outcome == 'does not hold'


def test_a_claim_needs_all_of_its_comparisons(tmp_path):
    near = [accuracy - 0.002 for accuracy in HIGH]
    claim = outcomes(tmp_path, ['a', 'b'], ['a', 'c'], a=HIGH, b=LOW, c=near)
    assert [c.outcome for c in claim.comparisons] == ['holds', 'undecided']
    assert claim.outcome == 'undecided'
    needed = seeds_needed([1, -1], np.std(HIGH, ddof=1), 0.005, 0.05)  # not the 0.002 that it has
    assert claim.comparisons[1].needed == needed > 4
    claim = outcomes(tmp_path / '2', ['a', 'c'], ['b', 'a'], a=HIGH, b=LOW, c=near)
    assert claim.outcome == 'does not hold'


A, B = [0.900, 0.902, 0.904], [0.8955, 0.899, 0.897]
P_AB = stats.ttest_ind(A, B, equal_var=False).pvalue  # between 0.025 and 0.05


def test_comparisons_of_a_claim_are_not_corrected(tmp_path):
    """Intersection-union: the largest p decides, each at 5 %; what is reversed is corrected."""
    assert 0.025 < P_AB < 0.05
    claim = outcomes(tmp_path, ['a', 'b'], ['a', 'c'], a=A, b=B, c=LOW)
    np.testing.assert_allclose([claim.p, claim.comparisons[0].p], P_AB)
    assert claim.outcome == 'holds'
    claim = outcomes(tmp_path / '2', ['a', 'c'], ['b', 'a'], a=A, b=B, c=LOW)
    np.testing.assert_allclose(claim.p, 2 * P_AB)
    assert [c.outcome for c in claim.comparisons] == ['holds', 'does not hold']
    assert claim.outcome == 'undecided'


def test_claims_of_a_table_are_corrected_by_holm(tmp_path):
    lines = [line(name, values) for name, values in (('a', A), ('b', B), ('c', LOW))]
    fill(tmp_path / 'w', *lines)
    claims = [{'text': 't', 'comparisons': [pair]} for pair in (['a', 'b'], ['a', 'c'])]
    clear = stats.ttest_ind(A, LOW, equal_var=False).pvalue
    first, second = evaluate(claims, tmp_path / 'w')
    np.testing.assert_allclose([first.p, second.p], [P_AB, 2 * clear])
    not_run = {'text': 't', 'comparisons': [['a', 'gone:x']]}  # belongs to the family, too
    first, second, third = evaluate([*claims, not_run], tmp_path / 'w')
    np.testing.assert_allclose([first.p, second.p, third.p], [2 * P_AB, 3 * clear, 1])
    assert [c.outcome for c in (first, second, third)] == ['undecided', 'holds', 'not run yet']


def test_the_claims_of_a_report_are_corrected_together(tmp_path):
    """More seeds elsewhere change other p-values, but not the number of claims."""
    claims = [{'text': 't', 'comparisons': [['a', 'b']]}]
    rows = [line('a', A), line('b', B)]
    mine = fill(tmp_path / 'mine', *rows, claims=claims, report='004')
    fill(tmp_path / 'other', *rows, claims=claims, report='003')
    fill(tmp_path / 'drawn', line('a', dataset='synthetic'), claims=claims, report='004')
    (tmp_path / 'damaged').mkdir()
    (tmp_path / 'damaged' / 'results.jsonl').write_text('x\n')
    (alone,) = evaluate(claims, mine)
    np.testing.assert_allclose(alone.p, P_AB)
    assert alone.family == {'mine': 1}
    pair = fill(tmp_path / 'pair', line('a', A[:1]), claims=2 * claims, report='004')
    (together,) = evaluate(claims, mine)
    np.testing.assert_allclose(together.p, 3 * P_AB)
    assert together.family == {'mine': 1, 'pair': 2}
    assert 'corrected (Holm) for the 3 claims of mine, pair' in ' '.join(
        report.workdir_table(mine).split()
    )
    result_lines.append(pair, line('b', LOW))
    assert evaluate(claims, mine)[0].p == together.p
    config = (pair / 'config.json').read_text().replace('["a", "b"]', '["a", "z"]')
    (pair / 'config.json').write_text(config)  # a claim that is refused there
    assert evaluate(claims, mine)[0].p == together.p


def test_a_reversed_comparison_refutes_a_claim_that_is_not_run_in_full(tmp_path):
    claim = outcomes(tmp_path, ['b', 'a'], ['a', 'c'], a=HIGH, b=LOW)
    assert claim.outcome == 'does not hold'


def test_wins_are_those_of_the_claims_direction(tmp_path):
    overlapping = [0.904, 0.907, 0.910]
    share = (1 + 2 + 2.5) / 12  # each one's: of HIGH's 0.90, 0.905, 0.91 and 0.92
    comparisons = (['b', 'a'], ['a', 'b'], [['c', 'a'], ['c', 'b']], ['*', 'a'])
    claim = outcomes(tmp_path, *comparisons, a=HIGH, b=overlapping, c=LOW)
    wins = [comparison.wins for comparison in claim.comparisons]
    np.testing.assert_allclose(wins[:3], [share, 1 - share, share])
    assert wins[3] is None
    assert claim.comparisons[0].wins_interval == probability_better_interval(overlapping, HIGH)


def test_rows_without_enough_seeds(tmp_path):
    claim = outcomes(tmp_path, ['a', 'b'], ['a', 'c'], a=HIGH, b=[0.8])
    assert [c.outcome for c in claim.comparisons] == ['one seed', 'not run yet']
    assert claim.outcome == 'not run yet'
    np.testing.assert_allclose(claim.comparisons[0].contrast.difference, np.mean(HIGH) - 0.8)
    # Part of a pattern is not what the claim is about.
    claim = outcomes(tmp_path / '2', ['a', '[bc]'], a=HIGH, b=LOW)
    assert claim.outcome == 'not run yet'


def test_diverged_seeds_count_and_seeds_without_a_number_do_not(tmp_path):
    claim = outcomes(tmp_path, ['a', 'b'], a=HIGH, b=[*LOW[:3], 0.1, None])
    theirs = stats.ttest_ind(HIGH, [*LOW[:3], 0.1], equal_var=False)
    np.testing.assert_allclose(claim.comparisons[0].p, theirs.pvalue)


def test_rows_that_never_vary_are_undecided(tmp_path):
    claim = outcomes(tmp_path, ['a', 'b'], a=[0.2, 0.2], b=[0.1, 0.1, 0.1])
    assert claim.outcome == 'undecided' and claim.comparisons[0].p is None


def test_rows_of_the_workdir_beside(tmp_path):
    fill(tmp_path / 'other', line('x', LOW), names='x')
    claim = outcomes(tmp_path, ['a', 'other:x'], ['a', 'none:x'], a=HIGH)
    assert [c.outcome for c in claim.comparisons] == ['holds', 'not run yet']


def test_claims_stand_under_the_table(tmp_path):
    claims = [
        {'text': 'A | B', 'comparisons': [['a', 'b']]},
        {'text': 'C', 'comparisons': [['a', 'c'], [['a', 'b'], ['c', 'b']]]},
    ]
    workdir = fill(tmp_path, line('a', HIGH), line('b', LOW), claims=claims)
    text = report.workdir_table(workdir)
    heading, first, ab, second, ac, gain = cells(text.replace(r'A \| B', 'A / B'))[4:]
    assert heading == ['claim', 'difference', '95 % interval', 'wins', 'p', 'outcome']
    assert first == ['**A / B**', '', '', '', '', '**holds (p < 0.0001)**']
    assert ab[:2] == ['`a > b`', '+9.40'] and ab[3] == '1.00 (1.00 to 1.00)' and ab[5] == 'holds'
    assert second[5] == '**not run yet**'
    assert ac == ['`a > c`', '', '', '', '', 'not run yet']
    assert gain[0] == '`(a − b) > (c − b)`'
    assert 'corrected (Holm) for the 2 claims of' in text.replace('\n  ', ' ')


@pytest.mark.parametrize(
    ('run', 'expected'),
    [
        ('ab', ['`a > b`', '`4 more`']),
        ('a', ['`5 comparisons`']),
        ('abcd', ['`a > b`', '`a > c`', '`a > d`', '`a > e`', '`a > f`']),
    ],
)
def test_many_comparisons_not_run_yet_are_one_line(tmp_path, run, expected):
    claims = [{'text': 't', 'comparisons': [['a', other] for other in 'bcdef']}]
    folder = fill(tmp_path, *[line(name, HIGH) for name in run], names='abcdef', claims=claims)
    grid = cells(report.workdir_table(folder))
    start = next(i for i, row in enumerate(grid) if row[0] == '**t**')
    assert [row[0] for row in grid[start + 1 :]] == expected
    html = page.page([folder])
    for text in expected:
        assert f'<code>{text.strip("`").replace(">", "&gt;")}</code>' in html


def test_undecided_says_how_many_seeds_it_would_take(tmp_path):
    claims = [{'text': 't', 'comparisons': [['a', 'b'], ['a', 'c']]}]
    near = [accuracy - 0.004 for accuracy in HIGH]
    rows = [line('a', HIGH), line('b', near[:3]), line('c', HIGH)]
    text = report.workdir_table(fill(tmp_path, *rows, claims=claims))
    *_, b, c = cells(text)
    needed = evaluate(claims, tmp_path)[0].comparisons[0].needed
    assert b[-1] == f'undecided with 3 to 4 seeds, {needed} needed'
    std = np.std(HIGH, ddof=1)  # of all three rows
    assert c[-1] == f'undecided with 4 seeds, {seeds_needed([1, -1], std)} needed'


def test_a_table_without_claims_and_one_of_drawn_images_test_none(tmp_path):
    assert report.claims_text(fill(tmp_path / 'none', line('a'))) == ''
    claims = [{'text': 't', 'comparisons': [['a', 'b']]}]
    rows = [line('a', HIGH, dataset='synthetic'), line('b', LOW, dataset='synthetic')]
    text = report.claims_text(fill(tmp_path / 'drawn', *rows, claims=claims))
    assert 'none is tested on synthetic ones' in text and 'holds' not in text


def test_a_claim_may_compare_validation_accuracies(tmp_path):
    curves = {'a': (0.9, 0.2, 0.4), 'b': (0.8, 0.3, 0.5)}  # test, first and last validation
    lines = []
    for name, (tested, first, last) in curves.items():
        noise = [0.0, 0.001, 0.002]
        epochs = [[value + n for n in noise] for value in (first, last)]
        more = {'history': {'validation_accuracy': epochs}, 'tested_epoch': [2] * 3}
        lines.append(line(name, [tested + n for n in noise], **more))
    measures = ('test_accuracy', 'validation_accuracy', 'early_validation_accuracy')
    claims = [base.claim(m, ('b', 'a'), measure=m) for m in measures]
    tested = evaluate(claims, fill(tmp_path / 'w', *lines))
    assert [claim.outcome for claim in tested] == ['does not hold', 'holds', 'holds']
    differences = [claim.comparisons[0].contrast.difference for claim in tested]
    np.testing.assert_allclose(differences, [-0.1, 0.1, 0.1])
    assert tested[1].comparisons[0].text == 'b > a (validation accuracy)'
    with pytest.raises(ConfigError, match='a measure is one of test_accuracy, validation_accuracy'):
        evaluate([base.claim('t', ('b', 'a'), measure='speed')], tmp_path / 'w')
