"""Sums over images and pixels, for the statistics of batch norm and the gradients of kernels."""

import jax
import jax.numpy as jnp

from fmnist_jax.models.backend import in_blocks

_ROWS_TOGETHER = 8  # at most: rows of an image that `channel_sums` adds in its second step
_TERMS = 32  # at most: products that a sum of its first step adds


def channel_sums(products, arrays, channels):
    """Sums of products of arrays over all axes but the last: float32 [products, channels].

    XLA's CPU compiler makes a scalar loop of a reduction of products. So the products of different
    images and rows are added elementwise first, which leaves few values to reduce.

    Args:
      products: (arrays [N, H, W * C]) -> a list of arrays [N, H', W' * channels].
      arrays: a tuple of arrays [N, H, W, C] or [N, C].
    """
    arrays = [a.astype(jnp.float32) for a in arrays]
    arrays = [a.reshape(a.shape[0], a.shape[1] if a.ndim == 4 else 1, -1) for a in arrays]
    n, height, width = jax.eval_shape(products, *arrays)[0].shape
    if not in_blocks():
        return jnp.stack([p.reshape(-1, channels).sum(0) for p in products(*arrays)])
    rows = max(k for k in range(1, _ROWS_TOGETHER + 1) if height % k == 0)
    each = max(1, _TERMS // (height // rows))
    each = max(k for k in range(1, each + 1) if n % k == 0)  # images whose products one sum adds
    places = [(i, row) for i in range(each) for row in range(0, height, rows)]
    parts = []
    for product in products(*arrays):
        grouped = product.reshape(n // each, each, height, width)
        parts.append(sum(grouped[:, i, row : row + rows] for i, row in places))
    parts = jax.lax.optimization_barrier(jnp.stack(parts))
    # No second barrier here: between two reshapes before a long sum, it makes jax 0.10.1 add wrong
    # numbers on a CPU (tests/train/test_numerics.py).
    parts = sum(parts[:, :, row] for row in range(rows))
    return parts.reshape(len(parts), -1, channels).sum(1)
