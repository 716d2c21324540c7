"""What reports print beside test accuracies, and what stands below a table."""

import math

import pytest
from report_for_tests import cells, fill, history, line

from configs import base
from fmnist_jax import report
from fmnist_jax.report import page
from fmnist_jax.report.other_numbers import other_numbers_grid
from fmnist_jax.report.rows import from_result, not_run
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import workdirs


def shown(**more):
    """{what: (report, ours)} of one row."""
    rows = [from_result(line(**more)), not_run(base.row('b', {}, 0.9, {'aim': 0.8}))]
    return {what: (theirs, ours) for _, what, theirs, ours in other_numbers_grid(rows)[1:]}


def test_numbers_stand_beside_ours():
    reported = {
        'train_accuracy': 0.7,
        'validation_loss': 0.61,
        'parameters': 1234,
        'plus_minus': 0.02,
    }
    reported |= {'train_seconds': 60, 'seconds_per_epoch': 5, 'operations': 7}
    found = shown(also_reported=reported, history=history(), parameters=1230)
    assert found['train accuracy'] == ('70.00', '71.00')  # the last of three epochs, three seeds
    losses = [1 / (1 + 0.7 + 0.01 * seed) for seed in range(3)]
    assert found['validation loss'] == ('0.6100', f'{sum(losses) / 3:.4f}')
    assert found['parameters'] == ('1,234', '1,230 trained, 61,706 in all')
    # 39 batches of 256 images and one of 16.
    spread = 100 * math.sqrt(0.91 * 0.09 * (39 / 256 + 1 / 16) / 40)
    plus_minus = found['± of accuracy over test batches of 256 images']
    assert plus_minus == ('2.00', f'{spread:.2f} (binomial)')
    heavier = (1 / 40 - 256 / 10_000) ** 2 / 256 * 39 + (1 / 40 - 16 / 10_000) ** 2 / 16
    moved = 100 * math.sqrt(0.91 * 0.09 * heavier)
    batch_mean = found['test accuracy as the mean over these batches']
    assert batch_mean == ('95.00', f'91.00 ± {moved:.2f} (binomial)')
    assert found['seconds to train (ours: a seed)'] == ('60.0', '4.1')
    assert found['operations (formulas of report 000)'] == ('7', '422,824')
    assert not any('epoch' in what for what in found)  # a column of the table


def test_the_spread_over_batches_is_the_measured_one_where_the_line_has_it():
    measured = {'batch_accuracy_mean': [0.90, 0.91, None], 'batch_accuracy_std': [0.02, 0.03, None]}
    found = shown(also_reported={'plus_minus': 0.021}, **measured)
    assert found['± of accuracy over test batches of 256 images'] == ('2.10', '2.50')
    assert found['test accuracy as the mean over these batches'] == ('95.00', '90.50')


def test_smoothed_losses_are_smoothed_as_the_reports_are():
    found = shown(also_reported={'smoothed_train_loss': 0.3}, history=history(epochs=2, seeds=1),
                  test_accuracy=[0.9], seeds=[0], diverged=[False])  # fmt: skip
    ours = (0.6 * 0.4 / 1.5 + 0.4 / 1.6) / (1 - 0.36)
    assert found['smoothed train loss'] == ('0.3000', f'{ours:.4f}')


def test_histories_are_read_at_the_tested_epoch():
    found = shown(
        also_reported={'train_accuracy': 0.7}, history=history(seeds=3), tested_epoch=[1, 2, 3]
    )
    assert found['train accuracy'] == ('70.00', '61.00')


@pytest.mark.parametrize(('aim', 'ours'), [(0.8, '91.00, reached'), (0.91, '91.00'),
                                           (0.95, '91.00, not reached')])  # fmt: skip
def test_an_aim_is_reached_if_the_interval_is_above_it(aim, ours):
    assert shown(also_reported={'aim': aim})['hoped-for test accuracy'][1] == ours


def test_synthetic_images_and_rows_not_run_have_no_other_numbers():
    assert shown(dataset='synthetic', also_reported={'aim': 0.8}) == {}


@pytest.mark.parametrize(
    ('l2', 'more', 'expected'),
    [
        (0.0, {}, 0.55),
        (0.002, {'l2_penalty': [0.06, 0.10, None]}, 0.63),  # a seed has diverged
        (0.002, {}, None),  # written before penalties were
    ],
)
def test_keras_loss_includes_the_l2_penalty(l2, more, expected):
    result = line(also_reported={'loss': 0.61}, history={'validation_loss': [[0.5, 0.6, None]]})
    result['config']['optimizer']['l2'] = l2
    result['tested_epoch'] = [None] * 3
    shown = other_numbers_grid([from_result(result | more)])[1]
    assert shown[1:] == ['validation loss with L2 penalty', '0.6100',
                         '' if expected is None else f'{expected:.4f}']  # fmt: skip


def grid_of(tmp_path, *lines, reported=(0.9, 0.8, 0.7)):
    config = base.get_config()
    config.title, config.grid = 'A grid', True
    config.rows = tuple(base.row('abcdefgh'[i], {}, told) for i, told in enumerate(reported))
    workdirs.acquire(tmp_path, config)
    for result in lines:
        result_lines.append(tmp_path, result)
    return report.workdir_table(tmp_path)


def test_mean_and_deviation_over_a_grid(tmp_path):
    text = grid_of(
        tmp_path, line('a', [0.9, 0.92], reported=0.9), line('b', [0.81, 0.81], reported=0.8)
    )
    summary = 'Mean ± sd over the rows: report 80.00 ± 10.00 (3 rows); ours 86.00 ± 7.07 (2 rows); '
    assert f'{summary}the report on the rows that we have 85.00 ± 7.07.' in text
    assert 'Mean ± sd over the rows' in page.page([tmp_path])
    result_lines.append(tmp_path, line('c', [0.7, 0.7]))
    assert 'rows that we have' not in report.workdir_table(tmp_path)


@pytest.mark.parametrize(
    ('ours', 'found'),
    [
        ([0.9, 0.89, 0.88, 0.87, 0.86, 0.85, 0.83, 0.84], 'agree (Spearman'),
        ([0.85, 0.89, 0.83, 0.87, 0.9, 0.84, 0.88, 0.86], 'are not shown to agree (Spearman'),
        ([0.83, 0.84, 0.85, 0.86, 0.87, 0.88, 0.89, 0.9], 'are opposed (Spearman'),
        ([0.9, 0.89, 0.88, 0.87], None),  # too few
    ],
)
def test_a_grid_says_whether_its_order_is_the_reports(tmp_path, ours, found):
    reported = (0.8, 0.79, 0.78, 0.77, 0.76, 0.75, 0.74, 0.73)
    lines = [
        line('abcdefgh'[i], [accuracy], reported=reported[i]) for i, accuracy in enumerate(ours)
    ]
    text = grid_of(tmp_path, *lines, reported=reported)
    if found is None:
        assert 'Spearman' not in text
    else:
        assert f'The orders of report and ours {found}' in text


def test_a_table_says_what_is_not_run_and_how_to_run_it(tmp_path):
    text = grid_of(tmp_path, line('a'))
    assert 'Not run yet: 2 of 3 rows.' in text and f'--workdir={tmp_path}\n' in text
    assert 'Mean ± sd' not in report.workdir_table(fill(tmp_path / 'no', line('a'), names='a'))
    assert 'Not run yet' not in report.workdir_table(tmp_path / 'no')


def test_the_configs_numbers_of_a_report_override_the_lines(tmp_path):
    config = base.get_config()
    config.rows = (base.row('a', {}, 0.95, {'aim': 0.5}, repeats=True),)
    workdirs.acquire(tmp_path, config)
    result_lines.append(tmp_path, line('a', also_reported={'parameters': 3}))
    _, (row,) = report.rows.read(tmp_path)
    assert row.repeats and row.also_reported == {'parameters': 3, 'aim': 0.5}
    names = [row[1] for row in cells(report.workdir_table(tmp_path)) if row[0] == 'a'][1:]
    assert names == ['parameters', 'hoped-for test accuracy']
