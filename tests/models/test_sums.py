"""Sums over images and pixels, and what XLA's CPU compiler computes once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_jax.models import sums
from fmnist_jax.models.backend import once


def products(a, b):
    return [a, a * b]


# Numbers of images and rows that fill a sum of the first step, do not divide it, or are prime.
@pytest.mark.parametrize(
    'shape', [(4, 28, 28, 3), (8, 7, 5, 4), (13, 6, 2, 1), (3, 11, 2, 5), (64, 2, 2, 8), (5, 7)]
)
def test_channel_sums(shape):
    a, b = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    found = jax.jit(lambda a, b: sums.channel_sums(products, (a, b), shape[-1]))(a, b)
    axes = tuple(range(len(shape) - 1))
    expected = np.stack([a.sum(axes), (a.astype(np.float64) * b).sum(axes)])
    assert found.shape == (2, shape[-1])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_channel_sums_are_of_float32():
    a = jnp.full((64, 8, 8, 1), 1.0, jnp.bfloat16)  # bfloat16 cannot count to 4096 by ones
    found = sums.channel_sums(products, (a, a), 1)
    assert found.dtype == jnp.float32 and found.tolist() == [[4096.0], [4096.0]]


def test_a_function_of_once_is_computed_once():
    def both(x, wrapped):
        y = once(jnp.cos, x) if wrapped else jnp.cos(x)
        return y[1:] * 2, y[:-1] + y[1:]

    def cosines(wrapped):
        program = jax.jit(lambda x: both(x, wrapped)).lower(jnp.ones(1000)).compile()
        return program.as_text().count(' cosine(')

    if jax.default_backend() == 'cpu':
        assert cosines(wrapped=True) == 1 < cosines(wrapped=False)
    np.testing.assert_array_equal(both(jnp.arange(5.0), True)[0], both(jnp.arange(5.0), False)[0])
