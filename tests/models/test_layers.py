"""Layers against plain lax operations, forward and gradients, under jit, scan and vmap."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_jax.models import layers
from fmnist_jax.models.batch import Batch


def test_step_activation_has_a_straight_through_gradient():
    x = jnp.array([-2.0, -0.0, 0.5, 3.0])
    np.testing.assert_array_equal(layers.ACTIVATIONS['step'](x), [0, 0, 1, 1])
    np.testing.assert_array_equal(jax.grad(lambda x: layers.ACTIVATIONS['step'](x).sum())(x), 1)


@pytest.mark.parametrize(
    ('name', 'values'),
    [
        ('linear', [-2.0, 0.0, 3.0]),
        ('sigmoid', [1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-3)]),
        ('tanh', [np.tanh(-2), 0, np.tanh(3)]),
        ('relu', [0, 0, 3]),
        ('leaky_relu', [-0.02, 0, 3]),
    ],
)
def test_activations(name, values):
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(layers.ACTIVATIONS[name](x), values, rtol=1e-5)


def test_pytorch_initialization_is_uniform_within_its_bound():
    variables = layers.Conv(64, 3, 'pytorch').init(jax.random.key(0), jnp.zeros((1, 5, 5, 16)))
    bound = 1 / np.sqrt(3 * 3 * 16)
    for values in jax.tree.leaves(variables):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
        np.testing.assert_allclose(np.std(values), bound / np.sqrt(3), rtol=0.2)


@pytest.mark.parametrize(
    ('name', 'std'),
    [
        ('keras', np.sqrt(2 / (300 + 200))),
        ('glorot_uniform', np.sqrt(2 / (300 + 200))),
        ('he_normal', np.sqrt(2 / 300)),
        ('random_normal', 1.0),
    ],
)
def test_other_initializations(name, std):
    params = layers.Dense(200, name).init(jax.random.key(0), jnp.zeros((1, 300)))['params']
    np.testing.assert_allclose(np.std(params['kernel']), std, rtol=0.02)
    np.testing.assert_array_equal(params['bias'], 0)


@pytest.mark.parametrize('rate', [0.2, 0.5])
def test_dropout_keeps_the_mean(rate):
    x = jnp.ones((300, 301))
    drop = jax.jit(  # the rate as a traced number, as in training
        lambda rate: layers.Dropout(rate).apply({}, x, True, rngs={'dropout': jax.random.key(0)})
    )
    y = np.asarray(drop(rate))
    np.testing.assert_allclose((y == 0).mean(), rate, atol=0.005)
    np.testing.assert_allclose(y[y > 0], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_array_equal(layers.Dropout(rate).apply({}, x, False), x)


def test_batch_norm_equals_flax():
    x = jnp.asarray(np.random.default_rng(0).normal(2, 3, (6, 4, 4, 5)), jnp.float32)
    ours, theirs = layers.BatchNorm('pytorch'), nn.BatchNorm(momentum=0.9, epsilon=1e-5)
    y, updated = ours.apply(ours.init(jax.random.key(0), x, True), x, True, mutable=['batch_stats'])
    expected, expected_stats = theirs.apply(
        theirs.init(jax.random.key(0), x, use_running_average=False),
        x,
        use_running_average=False,
        mutable=['batch_stats'],
    )
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(updated, expected_stats, rtol=1e-5)


def test_batch_norm_ignores_masked_images():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4, 4, 5)), jnp.float32)
    layer = layers.BatchNorm('keras')
    variables = layer.init(jax.random.key(0), x, True)
    mask = jnp.array([True] * 4 + [False] * 2)
    y, stats = layer.apply(variables, x, True, Batch(mask), mutable=['batch_stats'])
    y4, stats4 = layer.apply(variables, x[:4], True, mutable=['batch_stats'])
    np.testing.assert_allclose(y[:4], y4, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(stats, stats4, rtol=1e-4)
