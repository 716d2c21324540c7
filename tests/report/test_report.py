"""Result lines as tables."""

import csv
import json
import math

import pytest
from html_for_tests import Reader
from report_for_tests import cells, fill, line

from fmnist_jax import report
from fmnist_jax.errors import ConfigError
from fmnist_jax.report import csv as csv_file
from fmnist_jax.report import page, rows
from fmnist_jax.report.tables import rows_text
from fmnist_jax.results.statistics import summarize


def table(*lines):
    return rows_text('Title', [rows.from_result(one) for one in lines])


# --- the table --------------------------------------------------------------------------------


def test_table():
    run = [rows.from_result(line('a')), rows.from_result(line('b', [0.5], reported=None))]
    text = rows_text('Title', [*run, rows.Row('c', 0.25)])
    assert text.splitlines()[0] == 'Title on fashion_mnist'
    heading, a, b, c = cells(text)
    assert heading[:5] == ['row', 'report', 'verdict', 'seeds', 'ours: mean ± sd']
    assert heading[5:] == ['one more seed', '95 % interval', 'test set ±', 'train s', 's / epoch']
    # 12.3 s, 10 epochs, 3 seeds; ± half of Wilson's interval of 0.91 and 0.5 on 10,000 images
    a_numbers = ['91.00 ± 1.00', '86.03 to 95.97', '88.52 to 93.48', '0.56', '12', '0.41']
    assert a == ['a', '95.00', 'cannot tell', '3', *a_numbers]
    assert b == ['b', '', '', '1', '50.00', '', '', '0.98', '12', '1.23']
    assert c == ['c', '25.00', '', '0', 'not run yet', '', '', '', '', '']


def test_columns_that_say_nothing_are_left_out_with_their_notes():
    text = table(line(reported=None))
    assert 'verdict' not in text and 'report' not in cells(text)[0]
    assert 'tested epoch' not in text and 'last epoch' not in text
    assert "report's s / epoch" not in text
    assert 'Wilson' in text


def test_validation_ensemble_and_the_reports_seconds():
    history = {'train_accuracy': [[0.1, 0.1, 0.1], [0.2, 0.2, None], [0.3, 0.3, None]]}
    result = line(
        history=history,
        tested_epoch=[3, 2, 1],
        ensemble_accuracy=0.93456,
        ensemble_seeds=2,
        also_reported={'seconds_per_epoch': 7.0},
        seeds=[0, 1, 2],
        last_test_accuracy=[0.9, 0.88, None],
    )
    result['config']['selection'] = 'val_loss'
    heading, row = cells(table(result))
    shown = dict(zip(heading, row, strict=True))
    assert shown['tested epoch'] == '2.0 of 2.3'
    assert shown['last epoch'] == '89.00 ± 1.41'
    assert shown['ensemble (seeds)'] == '93.46 (2)'
    assert shown['s / epoch'] == '1.37'  # 12.3 s over 3 epochs and 3 seeds
    for mode, seconds in [('map', 12.3 / 7), ('vmap', 12.3 / 9)]:
        result['replicas'] = {'mode': mode}
        assert rows.from_result(result).seconds_per_epoch == pytest.approx(seconds)
    assert shown["report's s / epoch"] == '7.0'
    result['config']['selection'] = 'last'
    assert rows.from_result(result).tested_epoch is None


def test_table_says_synthetic():
    text = table(line(dataset='synthetic'))
    assert 'SYNTHETIC' in text.splitlines()[0]
    assert '95.00' not in text and 'verdict' not in text  # no verdict on drawn images


def test_diverged_seeds_count_as_recorded_and_seeds_without_a_number_do_not():
    row = rows.from_result(line('a', [0.9, 0.1, None], diverged=[False, True, True]))
    assert row.accuracy.count == 2 and row.accuracy.mean == 0.5
    assert row.accuracies == (0.9, 0.1, None)
    text = table(line('a', [0.9, 0.1, None], diverged=[False, True, True]))
    assert '| a (2 of 3 diverged, 1 of 3 without a number) |' in text
    nothing = cells(table(line('a', [None, None])))[1]
    assert nothing == ['a (2 of 2 without a number)', '95.00', '0', '12', '0.61']  # not run


@pytest.mark.parametrize('damage', [{'train_seconds': '12'}, {'dataset': 'x'}, {'history': [1]}])
def test_a_damaged_line_is_named(tmp_path, damage, capsys):
    fill(tmp_path, line('a'), line('b') | damage)
    assert report.main([str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'error: {tmp_path}/results.jsonl, ')
    assert "row 'b': a damaged line" in error or 'line 2: not a result line' in error
    assert error.count('\n') == 1


def test_calibration_is_shown_before_and_after_the_temperature(tmp_path):
    measured = {
        'temperature': 1.3,
        'calibration_error': [0.04, 0.06, None],  # a diverged seed has none
        'calibration_error_tempered': [0.01, 0.02, None],
        'ensemble_calibration_error': 0.025,
    }
    held_out = line('a', **measured)
    without = {'temperature': None, 'calibration_error': [0.03], 'calibration_error_tempered': None}
    fill(tmp_path, held_out, line('b', [0.9], **without), line('c'))
    grid = cells(report.workdir_table(tmp_path))
    column = [row[grid[0].index('calibration error')] for row in grid]
    assert column[1:] == ['5.00 → 1.50', '3.00', '']
    csv_file.write(tmp_path / 'rows.csv', [tmp_path])
    with open(tmp_path / 'rows.csv') as file:
        first, second, third = csv.DictReader(file)
    assert (first['temperature'], first['calibration_error']) == ('1.3', '0.05')
    assert first['calibration_error_tempered'] == '0.015'
    assert first['ensemble_calibration_error'] == '0.025'
    assert (second['temperature'], second['calibration_error']) == ('', '0.03')
    assert third['calibration_error'] == ''
    html = page.page([tmp_path])
    assert '5.00 → 1.50' in html and 'divided by the temperature' in html
    assert 'calibration' not in table(line('c'))


def test_an_older_line_without_its_ensemble(tmp_path):
    fill(tmp_path, line('a'))
    text = report.workdir_table(tmp_path)
    assert 'ensemble' not in cells(text)[0] and 'not in any row' in text


def test_a_row_with_changed_settings_is_not_judged(tmp_path, capsys):
    changed = {'epochs': [7, 2], 'augment.flip': [False, True]}
    rows_run = line('a', reported=0.99, changed=changed), line('b', reported=None, changed=changed)
    fill(tmp_path / 'one', *rows_run, line('c', [0.949, 0.95, 0.951]))
    text = 'changed: epochs 7 → 2, augment.flip False → True'
    heading, a, b, c = cells(report.workdir_table(tmp_path / 'one'))
    column = heading.index('verdict')
    assert [a[column], b[column], c[column]] == [f'{text}; no verdict', text, 'consistent']
    assert rows.verdict_counts(rows.read(tmp_path / 'one')[1]) == {'consistent': 1, 'changed': 1}
    csv_file.write(tmp_path / 'rows.csv', [tmp_path / 'one'])
    with open(tmp_path / 'rows.csv', encoding='utf-8') as file:
        first, _, third = csv.DictReader(file)
    assert (first['verdict'], third['verdict']) == ('changed', 'consistent')
    assert first['changed'] == 'epochs 7 → 2, augment.flip False → True' and not third['changed']
    html = ' '.join(Reader(page.page([tmp_path / 'one'])).text.split())
    assert f'{text}; no verdict' in html and '1 ◇ changed settings' in html
    assert '1 of 1 reported numbers are consistent with ours; counted apart: 1 with changed' in html
    assert report.main([str(tmp_path)]) == 0  # in the overview, too
    assert cells(capsys.readouterr().out)[1][4] == f'{text}; no verdict'


@pytest.mark.parametrize('changed', [[7, 2], {'epochs': 2}, {'epochs': [1, 2, 3]}, 'epochs'])
def test_damaged_changes_are_named(changed):
    with pytest.raises(ConfigError, match="row 'a': a damaged line"):
        rows.from_result(line('a', changed=changed))


# --- the verdict of few seeds -----------------------------------------------------------------


def shown(workdir):
    """{row: {heading: cell}} of a workdir's table, and its text."""
    text = report.workdir_table(workdir)
    heading, *lines = cells(text)
    return {one[0]: dict(zip(heading, one, strict=False)) for one in lines}, ' '.join(text.split())


NARROW = [0.909, 0.910, 0.911]  # sd 0.1 points


def test_a_row_with_few_seeds_is_judged_with_the_spread_of_its_family(tmp_path):
    """Two rows of three seeds: 4 degrees of freedom, t(0.975) = 2.776."""
    workdir = fill(tmp_path / 'one', line('a', NARROW), line('b', NARROW[::-1]), line('c', [0.95]))
    found, text = shown(workdir)
    half = 2.7764 * 0.1 * math.sqrt(1 + 1 / 3)
    assert found['a']['one more seed'] == f'{91 - half:.2f} to {91 + half:.2f} *'
    half = 2.7764 * 0.1 * math.sqrt(2)
    assert found['c']['one more seed'] == f'{95 - half:.2f} to {95 + half:.2f} *'
    assert [found[name]['verdict'] for name in 'abc'] == ['higher', 'higher', 'consistent']
    assert 'rows of models/lenet.py on fashion_mnist with two seeds or more: 0.10 points' in text
    assert '4 degrees of freedom, from one (a, b).' in text
    _, rows_read = rows.read(workdir)
    assert rows_read[2].pool.pooled.dof == 4


def test_tables_beside_count_where_the_table_has_too_few_seeds(tmp_path):
    other_family = line('b', [0.5, 0.6])
    other_family['config']['model']['name'] = 'fcn'
    changed = line('c', [0.3, 0.4], changed={'epochs': [10, 1]})
    fill(tmp_path / 'beside', line('a', NARROW), other_family, changed)
    fill(tmp_path / 'mnist', line('a', [0.5, 0.6], dataset='mnist'))
    fill(tmp_path / 'again', line('b', NARROW[:2]))  # the first seeds of the same runs
    workdir = fill(tmp_path / 'one', line('a', [0.95]), line('b', [0.902, 0.904, 0.9]))
    found, text = shown(workdir)
    assert found['a']['verdict'] == 'consistent' and found['b']['verdict'] == 'higher'
    std = 100 * math.sqrt((2 * 0.001**2 + 2 * 0.002**2) / 4)
    assert f'{std:.2f} points, 4 degrees of freedom, from one (b), beside (a).' in text
    (tmp_path / 'beside' / 'results.jsonl').write_text('damaged\n')
    assert 'from one (b), again (b).' in shown(workdir)[1]


def test_one_seed_without_a_family_has_no_verdict(tmp_path):
    found, text = shown(fill(tmp_path / 'one', line('a', [0.9])))
    assert found['a']['verdict'] == 'one seed' and 'one more seed' not in found['a']
    assert 'degrees of freedom' not in text


def test_five_seeds_have_their_own_spread(tmp_path):
    five = line('a', [0.90, 0.91, 0.91, 0.91, 0.92])
    found, _ = shown(fill(tmp_path / 'one', five, line('b', NARROW), line('c', NARROW)))
    low, high = summarize(five['test_accuracy']).prediction
    assert found['a']['one more seed'] == f'{100 * low:.2f} to {100 * high:.2f}'


def test_seeds_of_which_some_are_stuck_cannot_tell(tmp_path):
    stuck = line('a', [0.646, 0.1645, 0.665, 0.698, 0.703])  # report 003's sigmoid
    found, text = shown(fill(tmp_path / 'one', stuck, line('b', NARROW)))
    assert found['a']['verdict'] == 'cannot tell' and found['a']['one more seed'] == ''
    assert found['a']['seeds that trained'] == '4 of 5; 66.50, 16.45 to 70.30'
    assert found['b']['seeds that trained'] == '' and 'from one (b).' in text  # a is no spread
    html = Reader(page.page([tmp_path / 'one'])).text
    assert '4 of 5; 66.50' in html and '◌ cannot tell' in html


def test_calibrated_numbers_are_shown_and_counted_apart(tmp_path):
    runs = line('a', NARROW, reported=0.91), line('b', NARROW, reported=0.91)
    workdir = fill(tmp_path / 'one', *runs, calibrated_on='L2')
    config = json.loads((workdir / 'config.json').read_text())
    config['rows'][1]['calibrated_on'] = ''
    (workdir / 'config.json').write_text(json.dumps(config))
    found, _ = shown(workdir)
    assert found['a']['calibrated on it'] == 'L2' and found['b']['calibrated on it'] == ''
    assert found['a']['verdict'] == found['b']['verdict'] == 'consistent'
    counts = rows.verdict_counts(rows.read(workdir)[1])
    assert counts == {'consistent': 1, 'calibrated': 1, 'not_run': 1}
    html = ' '.join(Reader(page.page([workdir])).text.split())
    assert '1 of 1 reported numbers are consistent' in html
    assert 'counted apart: 1 by which we chose a setting, 1 not run yet' in html


@pytest.mark.parametrize(('decimals', 'verdict'), [(1, 'consistent'), (2, 'higher'), (3, 'higher')])
def test_a_number_is_shown_and_judged_as_it_is_printed(tmp_path, decimals, verdict):
    """Ours is at most 91.04 to 91.05 %, which rounds to 91.1."""
    workdir = fill(tmp_path, line('a', [0.9104] * 4 + [0.9103], reported=0.911))
    config = json.loads((workdir / 'config.json').read_text()) | {'decimals': decimals}
    (workdir / 'config.json').write_text(json.dumps(config))
    found, _ = shown(workdir)
    assert found['a']['report'] == f'{91.1:.{decimals}f}'
    assert found['a']['verdict'] == verdict
