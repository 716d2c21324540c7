"""Depthwise convolutions: each channel has its own kernel.

They compute little with each value that they read, so the number of passes over memory decides.
"""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.models import backend
from fmnist_jax.models.backend import once
from fmnist_jax.models.convolution import library, padded, sides, windows
from fmnist_jax.models.sums import channel_sums


def depthwise(images, kernel, padding=0, stride=1):
    """Convolves each channel with its own kernel [k, k, 1, C]; else as `convolve`.

    On CPUs and GPUs a sum of shifted products. XLA's CPU compiler would make the kernel's gradient
    a dense convolution; on a GPU the sum is one kernel for all seeds.
    """
    name = backend.name()
    if name not in ('cpu', 'gpu'):
        return library(images, kernel, padding, stride, groups=images.shape[-1])
    if name == 'gpu' and stride > 1:
        shifted = windows(padded(images, padding), *kernel.shape[:2], stride)
        return _sum_of_products(shifted, kernel)
    return _depthwise(images, kernel, sides(padding), stride)


def _sum_of_products(shifted, kernel):
    """The sum of shifted images, each times its tap of a kernel."""
    taps = [kernel[i, j, 0] for i, j in np.ndindex(kernel.shape[:2])]
    return sum(map(operator.mul, shifted, taps))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise(images, kernel, around, stride):
    size, images = kernel.shape[0], padded(images, around)
    if stride == 1:
        return _sum_of_products(windows(images, size, size), kernel)
    rows, columns = ((side - size) // stride + 1 for side in images.shape[1:3])
    parts = once(functools.partial(_by_remainder, stride=stride), images)
    shifted = [
        part[:, down : down + rows, right : right + columns]
        for part, down, right in _places(parts, size, stride)
    ]
    return _sum_of_products(shifted, kernel)


def _depthwise_forward(images, kernel, around, stride):
    return _depthwise(images, kernel, around, stride), (images, kernel)


def _depthwise_backward(around, stride, saved, d_outputs):
    """Sums of shifted products, too; JAX's own gradient adds padded copies."""
    images, kernel = saved
    size, channels = kernel.shape[0], images.shape[-1]
    _, rows, columns, _ = d_outputs.shape

    def stored(images, d_outputs):
        return _by_remainder(padded(images, around), stride), d_outputs

    parts, d_outputs = once(stored, images, d_outputs)

    def products(d, *parts):
        """The output gradient times the shifted images, with columns and channels as one axis."""
        return [
            d * part[:, down : down + rows, right * channels : (right + columns) * channels]
            for part, down, right in _places(parts, size, stride)
        ]

    d_kernel = channel_sums(products, (d_outputs, *parts), channels)
    d_kernel = d_kernel.reshape(kernel.shape).astype(kernel.dtype)
    return _image_gradient(d_outputs, kernel, around, stride, images.shape), d_kernel


_depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _image_gradient(d_outputs, kernel, around, stride, shape):
    """The gradient of images [N, H, W, C] of the given shape."""
    size, (before, after) = kernel.shape[0], around
    if stride == 1:  # a convolution with the kernel turned
        shifted = padded(d_outputs, (size - 1 - before, size - 1 - after))
        return _sum_of_products(windows(shifted, size, size), kernel[::-1, ::-1])
    _, height, width, channels = shape
    reach = (size - 1) // stride
    rows, columns = (-(-(side + before + after) // stride) for side in (height, width))
    below, right = rows - d_outputs.shape[1], columns - d_outputs.shape[2]
    d = jnp.pad(d_outputs, ((0, 0), (reach, below), (reach, right), (0, 0)))

    def gradient(p, q):
        """Of the rows with remainder p and the columns with remainder q: the same taps see them."""
        total = 0
        for i, j in np.ndindex(size, size):
            if (i % stride, j % stride) == (p, q):
                up, left = reach - i // stride, reach - j // stride
                total += d[:, up : up + rows, left : left + columns] * kernel[i, j, 0]
        return total

    parts = [[gradient(p, q) for q in range(stride)] for p in range(stride)]
    d_images = jnp.stack([jnp.stack(part, axis=3) for part in parts], axis=2)
    d_images = d_images.reshape(-1, rows * stride, columns * stride, channels)
    return d_images[:, before : before + height, before : before + width]


def _by_remainder(images, stride):
    """The images of every `stride`th row and column: stride * stride arrays [N, H', W', C].

    Strided reads in the loops over products would be slow.
    """
    if stride == 1:
        return [images]
    n, height, width, channels = images.shape
    rows, columns = -(-height // stride), -(-width // stride)
    missing = rows * stride - height, columns * stride - width
    images = jnp.pad(images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    images = images.reshape(n, rows, stride, columns, stride, channels)
    return [images[:, :, i, :, j] for i, j in np.ndindex(stride, stride)]


def _places(parts, size, stride):
    """For each tap of a kernel: (its part of `_by_remainder`, its first row and column there)."""
    return [
        (parts[i % stride * stride + j % stride], i // stride, j // stride)
        for i, j in np.ndindex(size, size)
    ]
