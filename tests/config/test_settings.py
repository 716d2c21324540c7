"""Rows, checks and the split of settings into program and numbers."""

import pytest
from ml_collections import ConfigDict
from settings_for_tests import small_settings

from configs import base
from fmnist_jax.config import settings
from fmnist_jax.config.checks import check


def config_with(*rows):
    config = base.get_config()
    config.rows = rows
    return config


def test_a_row_changes_its_fields_and_no_others():
    config = config_with()
    resolved = settings.resolve(config, base.row('a', {'model.activation': 'relu', 'epochs': 3}))
    changes = settings.difference(
        settings.plain(settings.resolve(config, base.row('b', {}))), settings.plain(resolved)
    )
    assert changes == ['epochs: 10 -> 3', 'model.activation: None -> relu']
    assert config.epochs == 10  # the config itself is as it was


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'model.activations': 'relu'}, "row 'a', field model.activations: .*activation"),
        ({'epochs': 'many'}, "row 'a', field epochs=.*int"),
        ({'optimizr.name': 'sgd'}, "row 'a', field optimizr.name"),
    ],
)
def test_a_wrong_row_is_named(change, message):
    with pytest.raises(settings.ConfigError, match=message):
        settings.resolve(config_with(), base.row('a', change))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'copies': 1}, 'config.augment.copies=1: the copies would equal the images; set one of'),
        ({'copies': 1, 'alternate_flip': True}, 'copies=1: the copies would equal the images'),
        ({'flip': True, 'alternate_flip': True}, 'alternate_flip and .*flip: the random flips'),
        ({'fill': 'edge', 'crop_padding': 2}, "fill='edge': no image is moved; set one of"),
        ({'cutout': 56}, 'cutout=56 would blacken all images of 28 pixels a side'),
        ({'rotation': 10.0}, 'augment.rotation=10.0: expected 0 to 3.2'),
    ],
)
def test_augmentations_without_effect_are_refused(change, message):
    with pytest.raises(settings.ConfigError, match=message):
        check(small_settings(**{f'augment__{name}': value for name, value in change.items()}))


def test_augmentations_that_go_together():
    for change in (
        {'copies': 1, 'alternate_flip': True, 'rotation': 0.1, 'fill': 'edge'},
        {'copies': 2, 'cutout': 8},
        {'flip': True, 'fill': 'edge', 'shift': 0.1, 'cutout': 55},
    ):
        accepted = small_settings(**{f'augment__{name}': value for name, value in change.items()})
        assert check(accepted) is None


def test_muon_needs_convolutions():
    with pytest.raises(settings.ConfigError, match="'muon' with model.name='fcn'.*set optimizer."):
        check(small_settings(optimizer__name='muon'))
    check(small_settings(optimizer__name='muon', model__name='lenet5', model__widths=None))


def test_what_is_about_the_table_is_no_setting():
    config = config_with(base.row('a', {}))
    config.claims = (base.claim('a is better than b', ('a', 'b')),)
    fields = settings.resolve(config, config.rows[0]).keys()
    assert set(settings.TABLE_ONLY) == set(config.keys()) - set(fields)


def test_rows_are_selected_by_glob():
    config = config_with(*[base.row(name, {}) for name in ('relu_max', 'tanh_max', 'relu_avg')])
    assert [r['name'] for r in settings.select_rows(config, 'relu*')] == ['relu_max', 'relu_avg']
    with pytest.raises(settings.ConfigError, match='no row matches; the rows are relu_max, tanh'):
        settings.select_rows(config, 'sigmoid*')


def test_rows_are_selected_by_a_list_of_globs():
    config = config_with(*[base.row(name, {}) for name in ('relu_max', 'tanh_max', 'relu_avg')])
    names = [r['name'] for r in settings.select_rows(config, 'tanh*, relu_max')]
    assert names == ['relu_max', 'tanh_max']
    with pytest.raises(settings.ConfigError, match='--rows=b: no row matches'):
        settings.select_rows(config, 'relu*,b')


def test_the_command_line_comes_before_the_rows():
    config = config_with(base.row('a', {'epochs': 3, 'seed': 1}), base.row('b', {}))
    new, notes = settings.override(config, {'epochs': 2, 'seed': 7})
    a, b = (settings.resolve(new, row) for row in new.rows)
    assert (a.epochs, a.seed, b.epochs) == (2, 7, 2)
    assert notes[0] == '--config.epochs replaces the value of a'
    assert new.rows[0]['changed'] == {'epochs': [3, 2]}
    assert new.rows[1]['changed'] == {'epochs': [10, 2]}
    assert settings.resolve(config, config.rows[0]).epochs == 3  # the config itself stays


def test_a_row_that_keeps_its_settings_is_not_changed():
    config = config_with(base.row('a', {'epochs': 3}))
    new, notes = settings.override(config, {'epochs': 3, 'num_seeds': 2, 'replicas': 'map'})
    assert 'changed' not in new.rows[0] and notes == ['--config.epochs replaces the value of a']
    assert new.num_seeds == 2


def test_another_network_drops_the_fields_that_it_lacks():
    config = config_with(base.row('a', {'model.kernel_size': 3, 'model.activation': 'tanh'}))
    new, notes = settings.override(config, {'model.name': 'fcn'})
    row = settings.resolve(new, new.rows[0])
    assert (row.model.name, row.model.kernel_size, row.model.activation) == ('fcn', None, 'tanh')
    assert notes == ['config.model.kernel_size is left out of a: fcn has no such field']


def test_numbers_are_the_floats_that_are_not_zero():
    key, hparams = settings.split_static(small_settings(model__dropout=0.5))
    assert hparams == {
        'dataset.std': 1.0,
        'model.dropout': 0.5,
        'optimizer.learning_rate': 0.05,
        'schedule.decay_rate': 1.0,
    }
    same = settings.split_static(small_settings(model__dropout=0.2, seed=7))[0]
    assert key == same
    for other in ({'model__dropout': 0.0}, {'optimizer__l2': 0.1}, {'model__activation': 'tanh'}):
        assert settings.split_static(small_settings(**other))[0] != key


def test_a_number_that_decides_shapes_decides_the_program():
    wide, narrow = [
        settings.split_static(
            small_settings(
                model__name='mobilenet', model__widths=None, model__width_multiplier=factor
            )
        )
        for factor in (1.0, 0.5)
    ]
    assert wide[0] != narrow[0]
    assert 'model.width_multiplier' not in wide[1]


def test_numbers_come_back():
    mine = small_settings(model__dropout=0.5)
    bound = settings.with_hparams(mine, {'model.dropout': 0.25, 'optimizer.learning_rate': 3.0})
    assert isinstance(bound, ConfigDict)
    assert (bound.model.dropout, bound.optimizer.learning_rate) == (0.25, 3.0)
    assert mine.model.dropout == 0.5


def test_hash_tells_settings_apart():
    assert settings.settings_hash(small_settings()) == settings.settings_hash(small_settings())
    other = small_settings(optimizer__learning_rate=0.051)
    assert settings.settings_hash(small_settings()) != settings.settings_hash(other)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'model__name': 'resnet'}, "config.model.name='resnet': expected one of 'fcn', 'ann'"),
        ({'model__activation': 'selu'}, "config.model.activation='selu': expected one of 'linear'"),
        ({'model__pooling': 'max'}, 'config.model.pooling: fcn has no such field; it has widths'),
        ({'compute': 'float16'}, "config.compute='float16': expected one of 'float32', 'bfloat16'"),
        ({'devices_per_seed': -1}, 'config.devices_per_seed=-1: expected 0 to 65536'),
        (
            {'model__name': 'mobilenet', 'model__widths': None},
            'config.dataset.image_size=28: mobilenet halves its images five times, expected 32',
        ),
        ({'optimizer__name': 'lion'}, "config.optimizer.name='lion': expected one of 'sgd'"),
        ({'schedule__name': 'poly'}, "config.schedule.name='poly': expected one of 'constant'"),
        ({'loss': 'hinge'}, "config.loss='hinge': expected one of 'softmax', 'sigmoid'"),
        ({'dataset__name': 'cifar'}, "config.dataset.name='cifar': expected one of 'fashion_"),
        ({'epochs': 0}, 'config.epochs=0: expected 1 to 100000'),
        ({'batch_size': -1}, 'config.batch_size=-1: expected 1 to 60000'),
        ({'num_seeds': 0}, 'config.num_seeds=0: expected 1 to 10000'),
        ({'model__dropout': 1.0}, 'config.model.dropout=1.0: expected 0 to below 1'),
        ({'optimizer__learning_rate': float('nan')}, 'learning_rate=nan: expected 0 or more'),
        (
            {'optimizer__learning_rate': float('inf')},
            'learning_rate=inf: .* within float32',
        ),
        ({'dataset__std': 0.0}, 'config.dataset.std=0.0: expected more than 0'),
        ({'model__widths': (0,)}, r'config.model.widths=\(0,\): expected 1 to 100 whole numbers'),
        ({'model__widths': ('a',)}, 'config.model.widths=.*: expected 1 to 100 whole numbers'),
        ({'patience': 2}, 'config.patience needs config.selection'),
        (
            {'optimizer__nesterov': True},
            'config.optimizer.nesterov=True .* needs sgd',
        ),
        (
            {'schedule__name': 'triangular', 'schedule__warmup_epochs': 2.0},
            'config.schedule.warmup_epochs=2.0: expected less than',
        ),
        (
            {'schedule__name': 'cosine', 'schedule__warmup_epochs': 2.0},
            "warmup_epochs=2.0 with name='cosine': expected 0.0, or one of name=warmup_cosine",
        ),
        (
            {'schedule__name': 'triangular', 'schedule__warmup_epochs': 2.0, 'epochs': 9}
            | {'model__name': 'mobilenet', 'pretrained': 'imagenet', 'head_epochs': 2}
            | {'dataset__channels': 3, 'dataset__image_size': 56, 'model__widths': None},
            'warmup_epochs=2.0: expected less than config.head_epochs, 2',
        ),
        (
            {'dataset__validate_on_test': True},
            'num_validation=.* with config.dataset.validate_on_test: .*set config',
        ),
        (
            {'model__name': 'inception_net', 'model__widths': (4, 8)},
            r'config.model.widths=\(4, 8\): expected 8 or more',
        ),
        ({'model__widths': ()}, r'config.model.widths=\(\): expected 1 to 100 whole numbers'),
        ({'schedule__name': 'step', 'schedule__decay_rate': 0.0}, 'config.schedule.decay_rate=0.0'),
    ],
)
def test_bad_values_get_one_line_that_names_the_field(change, message):
    with pytest.raises(settings.ConfigError, match=message) as error:
        check(small_settings(**change))
    assert '\n' not in str(error.value)


def test_selection_needs_a_validation_set():
    with pytest.raises(settings.ConfigError, match="config.selection='val_loss' needs a valid"):
        check(small_settings(selection='val_loss', dataset__num_validation=0))


def test_good_settings_pass():
    assert check(small_settings()) is None
    assert check(small_settings(selection='val_loss', patience=3, model__dropout=0.0)) is None


def test_how_a_run_is_kept_is_no_part_of_its_settings():
    """A row that was trained with other checkpoints is the same row, in the same program."""
    ours, theirs = small_settings(), small_settings(checkpoint_epochs=3, checkpoints_kept=0)
    assert settings.settings_hash(ours) == settings.settings_hash(theirs)
    assert settings.split_static(ours)[0] == settings.split_static(theirs)[0]
    assert settings.settings_hash(ours) != settings.settings_hash(small_settings(epochs=3))


def test_a_field_younger_than_a_result_does_not_make_another_experiment():
    now = settings.plain(small_settings())
    older = settings.plain(small_settings(num_seeds=9, seed=3))
    del older['augment']['erase'], older['optimizer']['l2_on'], older['compute']
    key = settings.experiment_key(now)
    assert settings.experiment_key(older) == key
    assert settings.experiment_key(older | {'compute': 'bfloat16'}) != key
    other = older | {'augment': older['augment'] | {'erase': 0.5}}
    assert settings.experiment_key(other) != key
