"""Result lines as tables."""

import csv

import pytest
from report_for_tests import cells, fill, line

from fmnist_jax import report
from fmnist_jax.report import csv as csv_file
from fmnist_jax.report import page, rows
from fmnist_jax.report.tables import rows_text

# --- the table --------------------------------------------------------------------------------


def test_table():
    run = [rows.from_result(line('a')), rows.from_result(line('b', [0.5], reported=None))]
    text = rows_text('Title', [*run, rows.Row('c', 0.25)])
    assert text.splitlines()[0] == 'Title on fashion_mnist'
    heading, a, b, c = cells(text)
    assert heading[:4] == ['row', 'report', 'seeds', 'ours: mean ± sd']
    assert heading[4:] == ['95 % interval', 'test set ±', 'verdict', 'train s', 's / epoch']
    # 12.3 s, 10 epochs, 3 seeds; ± half of Wilson's interval of 0.91 and 0.5 on 10,000 images
    a_numbers = ['91.00 ± 1.00', '88.52 to 93.48', '0.56', 'consistent', '12', '0.41']
    assert a == ['a', '95.00', '3', *a_numbers]
    assert b == ['b', '', '1', '50.00', '', '0.98', '', '12', '1.23']
    assert c == ['c', '25.00', '0', 'not run yet', '', '', '', '', '']


def test_columns_that_say_nothing_are_left_out_with_their_notes():
    text = report.table([line(reported=None)], 'Title')
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
        also_reported={'seconds_per_epoch': 7.0},
        seeds=[0, 1, 2],
        last_test_accuracy=[0.9, 0.88, None],
    )
    result['config']['selection'] = 'val_loss'
    heading, row = cells(report.table([result], 'Title'))
    shown = dict(zip(heading, row, strict=True))
    assert shown['tested epoch'] == '2.0 of 2.3'
    assert shown['last epoch'] == '89.00 ± 1.41'
    assert shown['ensemble'] == '93.46'
    assert shown['s / epoch'] == '1.37'  # 12.3 s over 3 epochs and 3 seeds
    for mode, seconds in [('map', 12.3 / 7), ('vmap', 12.3 / 9)]:
        result['replicas'] = {'mode': mode}
        assert rows.from_result(result).seconds_per_epoch == pytest.approx(seconds)
    assert shown["report's s / epoch"] == '7.0'
    result['config']['selection'] = 'last'
    assert rows.from_result(result).tested_epoch is None


def test_table_says_synthetic():
    text = report.table([line(dataset='synthetic')], 'Title')
    assert 'SYNTHETIC' in text.splitlines()[0]
    assert '95.00' not in text and 'verdict' not in text  # no verdict on drawn images


def test_diverged_seeds_count_as_recorded_and_seeds_without_a_number_do_not():
    row = rows.from_result(line('a', [0.9, 0.1, None], diverged=[False, True, True]))
    assert row.accuracy.count == 2 and row.accuracy.mean == 0.5
    assert row.accuracies == (0.9, 0.1, None)
    text = report.table([line('a', [0.9, 0.1, None], diverged=[False, True, True])], 'Title')
    assert '| a (2 of 3 diverged, 1 of 3 without a number) |' in text
    nothing = cells(report.table([line('a', [None, None])], 'Title'))[1]
    assert nothing == ['a (2 of 2 without a number)', '95.00', '0', '12', '0.61']


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
    assert 'calibration' not in report.table([line('c')], 'Title')


def test_an_older_line_without_its_ensemble(tmp_path):
    fill(tmp_path, line('a'))
    text = report.workdir_table(tmp_path)
    assert 'ensemble' not in cells(text)[0] and 'not in any row' in text
