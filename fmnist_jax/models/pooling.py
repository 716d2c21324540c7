"""Pooling, with gradients that stay fast on a CPU."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.models.fused_norm import Pending, values


class Pool(nn.Module):
    """`pool` as a layer without parameters, so that cost.py finds it among the layers."""

    kind: str  # 'max' or 'average'
    ceil_mode: bool = False

    def __call__(self, x):
        return pool(x, self.kind, self.ceil_mode)


class GlobalAveragePool(nn.Module):
    """The mean of each channel: [N, H, W, C] or Pending -> [N, C]."""

    def __call__(self, x):
        return values(x).mean((1, 2))


def pool(images, kind, ceil_mode=False):
    """2x2 pooling with stride 2: [N, H, W, C] -> [N, H // 2, W // 2, C].

    Written as a reshape because the gradient of `lax.reduce_window` is a scatter, which is slow on
    a CPU. Equal maxima of a window share the gradient; PyTorch gives it to the first.

    Args:
      images: [N, H, W, C] or Pending.
      kind: 'max' or 'average'.
      ceil_mode: pool an odd last row and column by themselves, as PyTorch's `ceil_mode=True`;
        else drop them, as Keras and PyTorch do by default.
    """
    if kind not in ('max', 'average'):
        raise ValueError(f"model.pooling={kind!r}: expected 'max' or 'average'")
    if isinstance(images, Pending):
        return images.then(lambda values: pool(values, kind, ceil_mode))
    n, height, width, channels = images.shape
    rows, columns = [math.ceil(s / 2) if ceil_mode else s // 2 for s in (height, width)]
    images = images[:, : 2 * rows, : 2 * columns]
    missing = ((0, 0), (0, 2 * rows - images.shape[1]), (0, 2 * columns - images.shape[2]), (0, 0))
    padded = jnp.pad(images, missing, constant_values=-jnp.inf if kind == 'max' else 0)
    windows = padded.reshape(n, rows, 2, columns, 2, channels)
    if kind == 'max':
        return _largest(windows)
    inside = np.pad(np.ones(images.shape[1:3]), missing[1:3])  # 0 for padding
    pixels = inside.reshape(rows, 2, columns, 2).sum((1, 3))[:, :, None]
    return windows.sum((2, 4)) / pixels.astype(images.dtype)


@jax.custom_vjp
def _largest(windows):
    """[N, H, 2, W, 2, C] -> the maximum of each window [N, H, W, C]."""
    return windows.max((2, 4))


def _largest_forward(windows):
    largest = _largest(windows)
    return largest, (windows, largest)


def _largest_backward(saved, d):
    """Divides the gradient equally among the maxima of each window, as JAX's own gradient does.

    With JAX's, XLA computes `d`, which may be a long sum, anew for each of the four pixels. It
    computes a division only once.
    """
    windows, largest = saved
    hits = [windows[:, :, i, :, j] == largest for i, j in np.ndindex(2, 2)]
    share = d / sum(hit.astype(d.dtype) for hit in hits)
    parts = [jnp.where(hit, share, 0) for hit in hits]
    rows = [jnp.stack(parts[:2], axis=3), jnp.stack(parts[2:], axis=3)]
    return (jnp.stack(rows, axis=2),)


_largest.defvjp(_largest_forward, _largest_backward)
