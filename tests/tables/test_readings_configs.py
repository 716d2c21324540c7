"""Tables of readings: they repeat reported numbers, and start from the tables that have them."""

import pytest
from configs_for_tests import CONFIGS, rows_of, settings_of

from fmnist_jax.config.settings import flatten, plain

READINGS = [name for name in CONFIGS if name.startswith('readings_')] + ['rmsprop_rules']


def difference(one, other):
    """{field} in which the settings of two (config, row) differ, but for the number of seeds."""
    ours, theirs = (flatten(plain(settings_of(*which))) for which in (one, other))
    return {path for path in ours if ours[path] != theirs[path]} - {'num_seeds'}


@pytest.mark.parametrize('name', READINGS)
def test_readings_repeat_the_numbers_of_other_tables(name):
    of_others = {
        row['reported']
        for other, config in CONFIGS.items()
        if other not in READINGS
        for row in config.rows
    }
    for row in CONFIGS[name].rows:
        assert row['repeats'] and row['reported'] in of_others


@pytest.mark.parametrize(
    ('reading', 'row'),
    [
        (('readings_000', 'as_table_2'), ('mobilenet', 'simple_cnn_flip_rotate')),
        (('readings_001', 'sigmoid_plain_as_table_1'), ('cnn_variants', 'cnn_4_sigmoid_plain')),
        (('readings_001', 'softmax_augment_as_table_1'), ('cnn_variants', 'cnn_4_softmax_augment')),
        (('readings_002', 'rmsprop_0.1_standardized'), ('fcn_optimizers', 'rmsprop_0.1')),
        (('readings_003', 'worst_lr_0.01_7_epochs'), ('lenet', 'tanh_max_sgd_augment')),
    ],
)
def test_a_table_of_readings_starts_from_a_row(reading, row):
    assert difference(reading, row) == set()


@pytest.mark.parametrize('row', ['16_16_16_dense_128', '64_128_128_dense_128'])
def test_report_004_is_read_with_its_own_keras(row):
    changed = difference(('readings_004', f'{row}_as_grid'), ('tuning_3_layers', row))
    assert changed == {'optimizer.framework'}


def test_the_rules_differ_in_the_framework_alone():
    for name in rows_of('rmsprop_rules'):
        table = 'ann_vs_cnn' if name in rows_of('ann_vs_cnn') else 'tuning_3_layers'
        table = 'tuning_2_layers' if name == '16_16_dense_16' else table
        changed = difference(('rmsprop_rules', name), (table, name))
        assert changed == {'optimizer.framework'}
        (claim,) = [c for c in CONFIGS['rmsprop_rules'].claims if c['text'].startswith(name)]
        assert claim['comparisons'] == [[name, f'{table}:{name}', 0.005, 'same']]
