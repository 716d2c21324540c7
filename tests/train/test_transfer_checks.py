"""Training from pretrained weights: settings and weights that do not go together are refused."""

import jax
import pytest
from settings_for_tests import small_settings
from test_transfer import ALL, settings

from fmnist_jax.config import cli
from fmnist_jax.config.checks import check, check_weights
from fmnist_jax.errors import ConfigError
from fmnist_jax.models import pretrained
from fmnist_jax.train import step


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'model__frozen_blocks': 3}, 'config.model.frozen_blocks=3: expected 0 to 2'),
        ({'model__frozen_blocks': -1}, 'config.model.frozen_blocks=-1: expected 0 to 13'),
        ({'head_epochs': 2, 'epochs': 2}, 'config.head_epochs=2: expected less than config.epochs'),
        ({'pretrained': 'cifar'}, "config.pretrained='cifar': expected one of '', 'imagenet'"),
        (
            {'pretrained': 'imagenet', 'dataset__channels': 1},
            'config.dataset.channels=1: .* need 3',
        ),
        ({'head_epochs': 1}, 'config.head_epochs=1 would freeze random layers: set config.pretr'),
        ({'model__frozen_blocks': 1}, 'config.model.frozen_blocks=1 would freeze random layers'),
        ({'model__frozen_batch_norm': True}, 'config.model.frozen_batch_norm=True would freeze'),
    ],
)
def test_settings_that_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        check(settings(**change))


@pytest.mark.parametrize('field', [{'pretrained': 'imagenet'}, {'head_epochs': 1}])
def test_other_networks_have_no_pretrained_weights(field):
    with pytest.raises(ConfigError, match=f'config.{next(iter(field))}=.*: fcn has none'):
        check(small_settings(**field))


def weights(*left_out):
    """Variables of every convolution and batch norm but these, by Keras' names."""
    state = jax.eval_shape(lambda: step.init(settings(), 0, 32))
    params, batch_stats = {}, {}
    for name in ALL:
        both = {'kernel': name, 'norm': f'{name}_bn'}
        params[name] = {k: v for k, v in state.params[name].items() if both[k] not in left_out}
        if f'{name}_bn' not in left_out:
            batch_stats[name] = state.batch_stats[name]
    return {'params': params, 'batch_stats': batch_stats}


@pytest.mark.parametrize(
    ('change', 'left_out', 'message'),
    [
        ({}, ['conv_pw_2', 'conv_pw_2_bn'], None),
        ({'head_epochs': 1}, [], None),
        (
            {'head_epochs': 1},
            ['conv_pw_2', 'conv_pw_2_bn'],
            'config.head_epochs=1 freezes conv_pw_2, conv_pw_2_bn, which would stay random',
        ),
        ({'model__frozen_blocks': 1}, ['conv_pw_2'], None),
        ({'model__frozen_blocks': 1}, ['conv1'], 'config.model.frozen_blocks=1 freezes conv1, whi'),
        ({'model__frozen_blocks': 2}, ['conv_pw_2'], 'config.model.frozen_blocks=2 freezes conv_p'),
        ({'model__frozen_batch_norm': True}, ['conv_pw_2'], None),
        (
            {'model__frozen_batch_norm': True, 'model__frozen_blocks': 1},
            ['conv_pw_2_bn'],
            'config.model.frozen_batch_norm=True freezes conv_pw_2_bn, which would stay random',
        ),
    ],
)
def test_a_layer_that_starts_at_random_is_not_frozen(change, left_out, message, monkeypatch):
    mine = settings(pretrained='imagenet', **change)
    check(mine)
    given = weights(*left_out)
    # What the commands load is checked at once.
    monkeypatch.setattr(pretrained, 'load', lambda *_: pretrained.Pretrained(given, {}))
    _, load_pretrained = cli.loaders(cli.table_parser('main', '').parse_args([]), None, ())
    if message is None:
        check_weights(mine, given)
        assert load_pretrained(mine).variables is given
        return
    for refuses in (lambda: check_weights(mine, given), lambda: load_pretrained(mine)):
        with pytest.raises(ConfigError, match=message) as caught:
            refuses()
        assert 'give weights that have them (no --fresh), or do not' in str(caught.value)


def test_blocks_that_a_network_does_not_have_are_not_missed():
    """Keras' file of the full network serves a smaller one, with the same --fresh."""
    check_weights(settings(pretrained='imagenet', model__frozen_batch_norm=True), weights())
