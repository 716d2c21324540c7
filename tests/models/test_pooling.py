"""Pooling against lax.reduce_window, forward and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_jax.models import layers
from fmnist_jax.models.fused_norm import pending


def squares_gradient(function, images):
    return jax.jit(jax.grad(lambda x: (function(x) ** 2).sum()))(images)


@pytest.mark.parametrize(('height', 'width'), [(4, 6), (7, 7), (5, 8)])
@pytest.mark.parametrize('ceil_mode', [False, True])
def test_pooling(height, width, ceil_mode):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, height, width, 3)).astype(np.float32)
    padding = [(0, 0), (0, height % 2), (0, width % 2), (0, 0)] if ceil_mode else 'VALID'

    def reduce(images, start, function):
        return jax.lax.reduce_window(images, start, function, (1, 2, 2, 1), (1, 2, 2, 1), padding)

    np.testing.assert_array_equal(
        layers.pool(images, 'max', ceil_mode), reduce(images, -np.inf, jax.lax.max)
    )
    sums = reduce(images, 0.0, jax.lax.add)
    pixels = reduce(np.ones_like(images), 0.0, jax.lax.add)
    np.testing.assert_allclose(
        layers.pool(images, 'average', ceil_mode), sums / pixels, rtol=1e-5, atol=1e-6
    )
    for kind, expected in [
        ('max', lambda x: reduce(x, -np.inf, jax.lax.max)),
        ('average', lambda x: reduce(x, 0.0, jax.lax.add) / pixels),
    ]:
        ours = squares_gradient(lambda x, k=kind: layers.pool(x, k, ceil_mode), images)
        theirs = squares_gradient(expected, images)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_pooling_of_an_unknown_kind_names_the_field():
    with pytest.raises(ValueError, match="model.pooling='median'"):
        layers.pool(jnp.zeros((1, 4, 4, 1)), 'median')


def test_equal_maxima_share_the_gradient():
    images = jnp.array([[1.0, 1.0], [0.0, 1.0]])[None, :, :, None]
    gradient = jax.grad(lambda x: 6 * layers.pool(x, 'max').sum())(images)
    np.testing.assert_allclose(gradient[0, :, :, 0], [[2, 2], [0, 2]])


@pytest.mark.parametrize('ceil_mode', [False, True])
def test_pooling_as_a_layer_has_no_parameters(ceil_mode):
    images = jax.random.normal(jax.random.key(0), (2, 7, 6, 3))
    layer = layers.Pool('average', ceil_mode)
    assert layer.init(jax.random.key(0), images) == {}
    expected = layers.pool(images, 'average', ceil_mode)
    np.testing.assert_array_equal(layer.apply({}, images), expected)


def test_global_average_pooling():
    images = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    means = layers.GlobalAveragePool().apply({}, pending(images).then(lambda x: 2 * x))
    np.testing.assert_allclose(means, 2 * images.mean((1, 2)), rtol=1e-5, atol=1e-6)
