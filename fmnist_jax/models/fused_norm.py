"""Batch-normalized layers with one pass over memory each.

Batch norm needs sums over the whole batch, so plain code reads and writes every feature map several
times. Here each convolution is one pass over blocks of images that fit the cache: it normalizes,
activates and pools its input, convolves it, and sums the statistics of its output. `Pending` holds
what the next layer has yet to apply.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fmnist_jax.models.backend import in_blocks, once
from fmnist_jax.models.sums import channel_sums

_BLOCK_BYTES = 800_000  # of a block's inputs and outputs, which stay in a core's second-level cache


class Pending(NamedTuple):
    """Feature maps whose normalization, activation and pooling the next layer applies."""

    raw: Any  # [N, H, W, C], output of the convolution
    scaling: tuple  # (multiplier, offset), float32 [C] each; empty for no normalization
    finish: Callable  # activation and pooling: [N, H, W, C] -> [N, H', W', C]

    def values(self):
        """The finished feature maps [N, H', W', C]."""
        return self.apply(self.scaling, self.raw)

    def apply(self, scaling, raw):
        if not scaling:
            return self.finish(raw)
        multiplier, offset = scaling
        normalized = _scaled(raw.astype(jnp.float32), multiplier, offset)
        return self.finish(normalized.astype(raw.dtype))

    def then(self, function):
        """Adds a function [N, H, W, C] -> [N, H', W', C'] to apply."""
        return self._replace(finish=lambda x: function(self.finish(x)))


@jax.custom_vjp
def _scaled(raw, multiplier, offset):
    """raw [N, H, W, C] * multiplier [C] + offset [C], with the sums of `channel_sums`."""
    return raw * multiplier + offset


def _scaled_forward(raw, multiplier, offset):
    return _scaled(raw, multiplier, offset), (raw, multiplier)


def _scaled_backward(saved, d):
    raw, multiplier = saved
    d = once(lambda d: d, d)
    d_multiplier, d_offset = channel_sums(lambda d, raw: [d * raw, d], (d, raw), d.shape[-1])
    return d * multiplier, d_multiplier, d_offset


_scaled.defvjp(_scaled_forward, _scaled_backward)


def pending(images):
    """An array as a Pending with nothing to apply."""
    return images if isinstance(images, Pending) else Pending(images, (), lambda values: values)


def values(images):
    """The finished feature maps of an array or Pending."""
    return pending(images).values()


def with_sums(function, params, images, weights=None):
    """Applies (params, images [n, ...]) -> [n, H, W, C] block by block and sums the outputs.

    Returns (outputs [N, H, W, C], their weighted sum, their weighted sum of squares: float32 [C]).
    `weights` [N] float32 are those of the images in the sums; None for 1.
    """
    if not in_blocks():
        outputs = function(params, images)
        return outputs, *sums(outputs, weights)
    if weights is None:
        weights = jnp.ones(images.shape[0])
    one = jax.ShapeDtypeStruct((1, *images.shape[1:]), images.dtype)
    block = _block_size(images, jax.eval_shape(function, params, one), params)
    return _blockwise(function, block, params, images, weights)


def _block_size(images, one_output, params):
    """Images in a block: the largest divisor of their number that keeps a block in the cache.

    Larger blocks, up to the parameters' size, where the parameters do not fit the cache themselves.
    """
    count = images.shape[0]
    bytes_each = math.prod(images.shape[1:]) * images.dtype.itemsize
    bytes_each += one_output.size * one_output.dtype.itemsize
    kernels = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
    most = max(1, max(_BLOCK_BYTES, kernels) // bytes_each)
    return max(size for size in range(1, min(most, count) + 1) if count % size == 0)


def sums(outputs, weights):
    """Weighted sum and sum of squares of [N, ..., C] over all axes but the last, float32 [C]."""
    if weights is None:
        return tuple(channel_sums(lambda x: [x, x * x], (outputs,), outputs.shape[-1]))
    weights = weights.reshape(-1, *[1] * (outputs.ndim - 1))

    def products(outputs, weights):
        weighted = outputs * weights
        return [weighted, weighted * outputs]

    return tuple(channel_sums(products, (outputs, weights), outputs.shape[-1]))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _blockwise(function, block, params, images, weights):
    """`with_sums` as a loop over blocks; its backward pass is one loop over them, too."""

    def one_block(total, part):
        outputs = once(function, params, part[0])
        return jax.tree.map(jnp.add, total, sums(outputs, part[1])), outputs

    channels = jax.eval_shape(function, params, images[:block]).shape[-1]
    zeros = (jnp.zeros(channels), jnp.zeros(channels))
    total, outputs = jax.lax.scan(one_block, zeros, _split((images, weights), block))
    return _join(outputs), *total


def _forward(function, block, params, images, weights):
    results = _blockwise(function, block, params, images, weights)
    return results, (params, images, weights, results[0])


def _backward(function, block, saved, cotangents):
    params, images, weights, outputs = saved
    d_outputs, d_sum, d_squares = cotangents

    def d_of_outputs(weights, outputs, d):
        """The gradient of a block's outputs, with that of the sums."""
        weights = weights.reshape(-1, *[1] * (outputs.ndim - 1))
        d = d + weights * (d_sum + 2 * outputs.astype(jnp.float32) * d_squares)
        return d.astype(outputs.dtype)

    def one_block(total, part):
        images, weights, outputs, d = part
        _, pull_back = jax.vjp(function, params, images)
        d_params, d_images = pull_back(once(d_of_outputs, weights, outputs, d))
        return jax.tree.map(jnp.add, total, d_params), d_images

    zeros = jax.tree.map(jnp.zeros_like, params)
    parts = _split((images, weights, outputs, d_outputs), block)
    d_params, d_images = jax.lax.scan(one_block, zeros, parts)
    return d_params, _join(d_images), jnp.zeros_like(weights)


_blockwise.defvjp(_forward, _backward)


def _split(arrays, block):
    return [array.reshape(-1, block, *array.shape[1:]) for array in arrays]


def _join(array):
    return array.reshape(-1, *array.shape[2:])
