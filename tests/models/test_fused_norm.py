"""Batch-normalized layers in blocks against the same layers written plainly."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_jax.models import fused_norm, layers
from fmnist_jax.models.batch import EVERY_IMAGE, Batch


def draw(count, side=6, channels=3):
    return jnp.asarray(np.random.default_rng(count).normal(1, 2, (count, side, side, channels)))


@pytest.mark.parametrize('count', [1, 8, 37])  # 37 is prime: blocks of one
@pytest.mark.parametrize('weighted', [False, True])
def test_with_sums_is_the_function_and_its_sums(count, weighted, monkeypatch):
    monkeypatch.setattr(fused_norm, '_BLOCK_BYTES', 2000)  # several blocks
    images, kernel = draw(count), draw(1, 3, 5)[0, 0]
    weights = jnp.arange(count) % 3.0 if weighted else None

    def function(params, x):
        return jnp.tanh(x) @ params

    def plain(params, x):
        outputs = function(params, x)
        scaled = outputs * (1 if weights is None else weights[:, None, None, None])
        return outputs, scaled.sum((0, 1, 2)), (scaled * outputs).sum((0, 1, 2))

    def loss(run):
        def total(params, x):
            outputs, first, second = run(params, x)
            return (outputs**2).sum() + (first * jnp.arange(5)).sum() + (second**2).sum() * 1e-3

        return total

    def ours(params, x):
        return fused_norm.with_sums(function, params, x, weights)

    chex.assert_trees_all_close(ours(kernel, images), plain(kernel, images), rtol=1e-4, atol=1e-3)
    gradients = jax.jit(jax.grad(loss(ours), (0, 1)))(kernel, images)
    expected = jax.grad(loss(plain), (0, 1))(kernel, images)
    for gradient, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


class Plain(nn.Module):
    """conv, norm, activation, pool, depthwise conv, norm, activation by flax's own layers."""

    @nn.compact
    def __call__(self, x, train):
        norm = {'use_running_average': not train, 'momentum': 0.99, 'epsilon': 1e-3}
        x = nn.Conv(8, (3, 3), name='conv')(x)
        x = nn.relu(nn.BatchNorm(**norm, name='norm')(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.Conv(8, (3, 3), feature_group_count=8, use_bias=False, name='depthwise')(x)
        return nn.relu(nn.BatchNorm(**norm, name='depthwise_norm')(x))


class Ours(nn.Module):
    """The same network by our layers."""

    @nn.compact
    def __call__(self, x, train, batch=EVERY_IMAGE):
        fields = {'framework': 'keras', 'activation': 'relu', 'initialization': 'keras'}
        x = layers.ConvNorm(8, 3, **fields, padding=1, use_bias=True, name='conv')(x, train, batch)
        x = layers.pool(x, 'max')
        x = layers.ConvNorm(0, 3, **fields, padding=1, name='depthwise')(x, train, batch)
        return fused_norm.values(x)


def flax_names(tree):
    """Our tree of a ConvNorm network with flax's names for the same leaves."""
    conv, depthwise = dict(tree['conv']), dict(tree['depthwise'])
    norms = {'norm': conv.pop('norm'), 'depthwise_norm': depthwise.pop('norm')}
    return norms | {k: v for k, v in {'conv': conv, 'depthwise': depthwise}.items() if v}


@pytest.mark.slow
@pytest.mark.parametrize('train', [True, False])
def test_a_network_of_blocks_is_the_plain_network(train, monkeypatch):
    monkeypatch.setattr(fused_norm, '_BLOCK_BYTES', 10_000)
    images = draw(12, 8).astype(jnp.float32)
    variables = Ours().init(jax.random.key(0), images, True)
    plain = {name: flax_names(tree) for name, tree in variables.items()}

    def run(network, variables):
        def loss(params):
            outputs, updated = network.apply(
                variables | {'params': params}, images, train, mutable=['batch_stats']
            )
            return (outputs**2 * jnp.cos(jnp.arange(outputs.size)).reshape(outputs.shape)).sum(), (
                outputs,
                updated['batch_stats'],
            )

        return jax.jit(jax.grad(loss, has_aux=True))(variables['params'])

    gradients, (outputs, stats) = run(Ours(), variables)
    expected, (wanted, wanted_stats) = run(Plain(), plain)
    np.testing.assert_allclose(outputs, wanted, rtol=1e-3, atol=1e-3)
    chex.assert_trees_all_close(flax_names(stats), wanted_stats, rtol=1e-4, atol=1e-5)
    gradients = flax_names(gradients)
    for path, want in jax.tree_util.tree_leaves_with_path(expected):
        gradient = gradients
        for key in path:
            gradient = gradient[key.key]
        atol = 2e-3 * max(1, np.abs(want).max())
        np.testing.assert_allclose(gradient, want, rtol=2e-3, atol=atol)


def test_masked_images_count_for_nothing():
    images = draw(6, 8).astype(jnp.float32)
    variables = Ours().init(jax.random.key(0), images, True)
    mask = jnp.array([True] * 4 + [False] * 2)
    network = Ours()
    y, stats = network.apply(variables, images, True, Batch(mask), mutable=['batch_stats'])
    y4, stats4 = network.apply(variables, images[:4], True, mutable=['batch_stats'])
    np.testing.assert_allclose(y[:4], y4, rtol=1e-4, atol=1e-4)
    chex.assert_trees_all_close(stats, stats4, rtol=1e-4, atol=1e-5)


def test_other_backends_give_the_same(monkeypatch):
    images = draw(5, 8).astype(jnp.float32)
    variables = Ours().init(jax.random.key(0), images, True)
    ours = Ours().apply(variables, images, True, mutable=['batch_stats'])
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
    chex.assert_trees_all_close(
        Ours().apply(variables, images, True, mutable=['batch_stats']), ours, rtol=1e-3, atol=1e-4
    )
