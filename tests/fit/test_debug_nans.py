"""config.debug_nans: seed, epoch, step and layer of the first number that is not finite."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from settings_for_tests import small_dataset, small_settings

from configs import base
from fmnist_jax.config import settings
from fmnist_jax.config.settings import split_static
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import debug_nans, mesh
from fmnist_jax.fit.api import fit_trials
from fmnist_jax.fit.fit import fit
from fmnist_jax.models import layers
from fmnist_jax.sweep import experiment
from fmnist_jax.train import epoch, losses
from fmnist_jax.train import step as steps

DATASET = small_dataset()  # 80 training images: 5 steps an epoch


def run(mode='auto', dataset=DATASET, devices=2, **change):
    tiny = small_settings(debug_nans=True, **change)
    layout = mesh.arrange(tiny.num_seeds, mode, devices=jax.local_devices()[:devices])
    return fit(tiny, dataset, layout)


def message(*args, **change):
    with pytest.raises(ConfigError) as error:
        run(*args, **change)
    assert '\n' not in str(error.value)
    return str(error.value)


def first_step_that_is_not_finite(tiny):
    """The step of epoch 1, counted from 1, by brute force, of seed 0."""
    indices = jnp.asarray(datasets.split(100, tiny.dataset.num_validation, 0)[0])
    images, labels = map(jnp.asarray, DATASET[:2])
    state = steps.init(tiny, 0, len(indices))
    step = jax.jit(
        lambda state, i: epoch.train_steps(
            tiny, state, losses.zeros(), 0, indices, (images, labels), 1, i, i + 1
        )
    )
    for i in range(5):
        state, metrics = step(state, i)
        if not all(np.isfinite(x).all() for x in jax.tree.leaves((state.params, metrics))):
            return i + 1
    return None


@pytest.mark.slow
def test_a_learning_rate_that_diverges_is_found_where_it_does():
    change = {'optimizer__learning_rate': 1e12, 'model__activation': 'relu', 'epochs': 1}
    change['model__widths'] = (12, 12)
    step = first_step_that_is_not_finite(small_settings(**change))
    assert step > 1  # not at once
    said = message('vmap', **change)
    assert said.startswith(f'config.debug_nans: seed 0, epoch 1, step {step}: not finite first in ')
    assert 'the loss of the step before was' in said


@pytest.mark.slow
def test_the_parameter_whose_update_overflows_is_named():
    said = message(optimizer__learning_rate=3e38, optimizer__l2=3e38)
    assert 'seed 0, epoch 1, step 1: not finite first in what the optimizer made of finite' in said
    assert 'parameters/Dense_0/kernel' in said


def test_the_layer_whose_activation_is_not_finite_is_named(monkeypatch):
    """An activation that is the first to go wrong in one layer, where batch norm delays it."""
    monkeypatch.setitem(
        layers.ACTIVATIONS, 'relu', lambda x: x / 0 if x.shape[-1] == 64 else jax.nn.relu(x)
    )
    tiny = small_settings(
        model__name='cnn_4', model__widths=None, model__activation='relu', batch_size=2
    )
    state = jax.jit(lambda: steps.init(tiny, 0, 80))()
    inputs = steps.preprocess(jnp.asarray(DATASET.train_images[:2]), tiny)
    (name,) = debug_nans._layers(tiny, state, inputs, None, jax.random.key(0))
    assert name == 'ConvNorm_1, behind Pool_0'


def test_a_layer_that_is_not_finite_comes_before_the_loss(monkeypatch):
    monkeypatch.setitem(layers.ACTIVATIONS, 'relu', lambda x: x / 0)
    said = message(model__activation='relu', num_seeds=1, devices=1)
    assert 'epoch 1, step 1: not finite first in the activations of Dropout_0, behind Den' in said


def test_a_gradient_that_is_not_finite_is_named(monkeypatch):
    @jax.custom_vjp
    def broken(x):
        return x

    broken.defvjp(lambda x: (x, None), lambda _, g: (g / 0 * 0,))
    monkeypatch.setitem(layers.ACTIVATIONS, 'tanh', broken)
    said = message(model__activation='tanh', num_seeds=1, devices=1)
    assert 'not finite first in the gradient of Dense_0/bias, Dense_0/kernel' in said


def test_only_the_seed_that_goes_wrong_is_named(monkeypatch):
    copy = debug_nans.copy

    def spoiled(layout, state):
        """The second seed's parameters are not finite from the start."""
        copied = copy(layout, state)
        copied.params['Dense_1']['bias'][1] = np.nan
        return copied

    monkeypatch.setattr(debug_nans, 'copy', spoiled)
    said = message(seed=5)
    assert said.startswith('config.debug_nans: seed 6, epoch 1, step 1: not finite first in the')
    assert 'the parameters before it parameters/Dense_1/bias' in said


def test_a_validation_loss_that_is_not_finite_is_told():
    metrics = losses.Metrics(np.array([1.0, np.inf]), np.zeros(2), np.ones(2))
    layout = mesh.arrange(2, devices=jax.local_devices()[:1])
    run = types.SimpleNamespace(layout=layout, seeds=mesh.shard(layout, np.array([5, 7])))
    with pytest.raises(ConfigError, match='seed 7, epoch 3: the validation loss is not finite'):
        debug_nans.check_validation(run, metrics, 3)


@pytest.mark.slow
def test_a_trial_of_a_search_is_repeated_with_its_own_numbers():
    trials = [small_settings(optimizer__learning_rate=rate, num_seeds=1) for rate in (0.1, 1e30)]
    hparams = [split_static(settings)[1] for settings in trials]
    trials[0].debug_nans = True
    with pytest.raises(ConfigError, match='debug_nans: seed 0, epoch 1, step .: not finite first'):
        fit_trials(trials[0], hparams, DATASET)


def test_a_run_without_such_numbers_is_the_same_run():
    tiny = small_settings(model__dropout=0.2)
    layout = mesh.arrange(3, devices=jax.local_devices()[:2])
    expected = fit(tiny, DATASET, layout)
    np.testing.assert_array_equal(run(model__dropout=0.2).logits, expected.logits)


def test_no_result_depends_on_it():
    with_it = small_settings(debug_nans=True)
    assert settings.settings_hash(with_it) == settings.settings_hash(small_settings())
    assert settings.split_static(with_it) == settings.split_static(small_settings())
    plain = [settings.plain(s) for s in (small_settings(), with_it)]
    assert settings.difference(*plain) == []
    older = {name: value for name, value in plain[0].items() if name != 'debug_nans'}
    assert settings.difference(older, plain[1]) == []
    assert base.get_config().debug_nans is False


@pytest.mark.slow
def test_without_it_a_diverging_row_is_recorded_and_the_next_one_runs(tmp_path):
    config = base.get_config()
    config.epochs, config.num_seeds, config.batch_size = 2, 2, 40
    config.model.name, config.model.widths = 'fcn', (12,)
    config.dataset.name, config.dataset.num_validation = 'synthetic', 20
    config.optimizer.name = 'adam'
    rows = [
        base.row('high', {'optimizer.learning_rate': 1e38}),
        base.row('low', {'optimizer.learning_rate': 0.001}),
    ]
    config.rows = tuple(rows)
    high, low = experiment.run(config, rows, tmp_path, lambda _: DATASET)
    assert high['diverged'] == [True] * 2 and high['test_loss'] == [None] * 2
    assert high['history']['train_loss'][-1] == [None] * 2
    assert low['diverged'] == [False] * 2 and min(low['test_loss']) > 0
    config.debug_nans = True
    assert experiment.run(config, rows, tmp_path, lambda _: DATASET) == [high, low]
    with pytest.raises(ConfigError, match="row 'high': config.debug_nans: seed 0, epoch 1"):
        experiment.run(config, rows, tmp_path / 'other', lambda _: DATASET)
