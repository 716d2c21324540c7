"""The scores of the reports: how near the numbers are, and how many claims hold."""

import types

import pytest
from html_for_tests import Reader
from report_for_tests import fill, line

from fmnist_jax.report import page, scorecard
from fmnist_jax.report.rows import from_result, not_run


def row(reported, accuracies=(0.90, 0.91, 0.92), **more):
    return from_result(line('a', accuracies, reported=reported))._replace(**more)


def scored(rows, claims=(), title='Report 007: spies'):
    return [
        dict(zip(scorecard.HEADING, cells, strict=True))
        for cells in scorecard.scores([(title, rows, claims)])
    ]


def test_distances_bias_and_rmse():
    # ours is 0.91: differences of 0.5, -0.8, 1.5 and 5 points
    (score,) = scored([row(0.905), row(0.918), row(0.895), row(0.86)])
    assert [score[name] for name in ('numbers', 'within 0.5', 'within 1', 'within 2')] == [
        '4',
        '1',
        '2',
        '3',
    ]
    assert score['bias'] == '+1.55'
    root = ((0.5**2 + 0.8**2 + 1.5**2 + 5**2) / 4) ** 0.5
    assert float(score['RMSE']) == pytest.approx(root, abs=0.005)


def test_only_the_reports_own_numbers_count():
    missing = not_run({'name': 'b', 'reported': 0.9})
    others = [row(0.5, repeats=True), row(None), row(0.5, dataset='synthetic')]
    changed = row(0.5, changed={'epochs': (7, 2)}, verdict='')
    (score,) = scored([row(0.91), missing, changed, *others])
    assert (score['report'], score['numbers'], score['bias']) == ('007', '1 of 3', '+0.00')
    (score,) = scored([missing])
    assert (score['numbers'], score['RMSE']) == ('0 of 1', '')
    assert scored([row(0.9)], title='bfloat16 against float32') == []
    assert scored(others) == []


def test_numbers_that_chose_a_setting_count_apart():
    rows = [row(0.91), row(0.92, calibrated_on='L2'), row(0.93, calibrated_on='L2')]
    own, calibrated = scored(rows)
    assert (own['report'], own['numbers'], own['bias']) == ('007', '1', '+0.00')
    assert calibrated['report'] == '007, used to choose settings'
    assert (calibrated['numbers'], calibrated['bias']) == ('2', '-1.50')


def test_claims_of_the_report_alone_count():
    outcomes = {'A': 'holds', 'B': 'undecided', 'C': 'holds', 'Ours: D': 'holds'}
    claims = [types.SimpleNamespace(text=text, outcome=o) for text, o in outcomes.items()]
    (score,) = scored([row(0.9)], scorecard.of_report({'report': '007'}, claims))
    assert score['claims'] == 'holds 2, undecided 1'
    assert scorecard.of_report({'report': ''}, claims) == []  # a table with claims of ours alone


def test_the_tables_of_a_report_are_one_line():
    tables = [(f'Report {n}: a table', [row(0.9)], []) for n in ('008', '007', '008')]
    assert [cells[:2] for cells in scorecard.scores(tables)] == [['007', '1'], ['008', '2']]


def test_the_first_screen_shows_the_scores(tmp_path):
    folder = fill(tmp_path / 'one', line('a', reported=0.905))
    assert 'How near' not in Reader(page.page([folder])).text
    config = folder / 'config.json'
    config.write_text(config.read_text().replace('"one run"', '"Report 007: spies"'))
    assert 'Report 007' in config.read_text()
    text = Reader(page.page([folder])).text
    assert 'How near the numbers are' in text and '+0.50' in text
    assert text.index('How near') < text.index('The best number of each table')
