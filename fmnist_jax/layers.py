"""Layers that stay fast inside `scan`, under `vmap` and on every backend.

XLA's CPU compiler runs the gradient of `lax.conv` up to 40 times slower inside a loop body
than outside (jax issue 12868), and turns a convolution with one kernel per seed into a slow
grouped convolution. A training epoch is a loop and seeds are trained together, so both would
hit us. On the CPU a convolution is therefore written as patches times a matrix ("im2col"),
a few images at a time so that the patches stay in the processor's cache; its gradient is
two more matrix products, which JAX derives by itself. On other backends it is `lax.conv`.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

# Images whose patches are built at a time on the CPU. A 3x3 convolution of 128 images of
# 24x24x64 to 128 features with its gradients took 80 ms in blocks of 8, 184 ms in one.
IMAGES_PER_BLOCK = 8

ACTIVATIONS = {
    'linear': lambda x: x,
    # Forward 1 if x > 0 else 0; backward as if it were the identity, the straight-through
    # estimator of Bengio et al. 2013 (arXiv 1308.3432): the true gradient is zero everywhere.
    'step': lambda x: x + jax.lax.stop_gradient((x > 0).astype(x.dtype) - x),
    'sigmoid': jax.nn.sigmoid,
    'tanh': jnp.tanh,
    'relu': jax.nn.relu,
    'leaky_relu': jax.nn.leaky_relu,  # slope 0.01 below zero
}

KERNEL_INITIALIZERS = {
    # U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch.nn.Linear and torch.nn.Conv2d; same for bias
    'pytorch': nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform'),
    'keras': nn.initializers.glorot_uniform(),  # with a zero bias, as all that follow
    'glorot_uniform': nn.initializers.glorot_uniform(),
    'he_normal': nn.initializers.he_normal(),
    'random_normal': nn.initializers.normal(1.0),  # torch.nn.init.normal_'s default
}

BATCH_NORM = {  # framework -> (decay of the running averages, epsilon)
    'pytorch': (0.9, 1e-5),
    'keras': (0.99, 1e-3),
}


def extract_patches(images, kernel_size):
    """All windows of an image, side by side: [N, H, W, C] -> [N, H', W', kh*kw*C], unpadded."""
    kh, kw = kernel_size
    height, width = images.shape[1] - kh + 1, images.shape[2] - kw + 1
    windows = [images[:, i : i + height, j : j + width] for i in range(kh) for j in range(kw)]
    return jnp.concatenate(windows, axis=-1)


def _convolve_block(images, kernel):
    patches = extract_patches(images, kernel.shape[:2])
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def convolve(images, kernel, padding=0):
    """Two-dimensional convolution with stride 1, as patches times a matrix.

    Args:
      images: [N, H, W, C].
      kernel: [kh, kw, C, features].
      padding: rows and columns of zeros added on each side.

    Returns:
      [N, H + 2 * padding - kh + 1, W + 2 * padding - kw + 1, features].
    """
    sides = ((padding, padding), (padding, padding))
    if jax.default_backend() != 'cpu':
        return jax.lax.conv_general_dilated(
            images, kernel, (1, 1), sides, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
        )
    images = jnp.pad(images, ((0, 0), *sides, (0, 0)))
    count, block = images.shape[0], IMAGES_PER_BLOCK
    if count <= 2 * block:
        return _convolve_block(images, kernel)
    # checkpoint: the backward pass builds the patches again (a copy in the cache) instead of
    # reading nine times the activations back from memory.
    convolve_block = jax.checkpoint(lambda block: _convolve_block(block, kernel))
    whole = count - count % block
    blocks = images[:whole].reshape(-1, block, *images.shape[1:])
    outputs = jax.lax.map(convolve_block, blocks)
    outputs = outputs.reshape(whole, *outputs.shape[2:])
    if whole == count:
        return outputs
    return jnp.concatenate([outputs, convolve_block(images[whole:])])


def pool(images, kind, ceil_mode=False):
    """2x2 pooling with stride 2: [N, H, W, C] -> [N, H // 2, W // 2, C], rounded up if asked.

    An odd last row and column are dropped (Keras' and PyTorch's default), or with `ceil_mode`
    pooled by themselves (PyTorch's `ceil_mode=True`). Written as a reshape because the
    gradient of `lax.reduce_window` is a scatter, 8 times slower on a CPU. Where a window has
    several equal maxima the gradient is shared among them; PyTorch gives it to the first.

    Args:
      images: [N, H, W, C].
      kind: 'max' or 'average'.
      ceil_mode: round the output's sides up instead of down.
    """
    if kind not in ('max', 'average'):
        raise ValueError(f"model.pooling={kind!r}: expected 'max' or 'average'")
    n, height, width, channels = images.shape
    rows, columns = [math.ceil(s / 2) if ceil_mode else s // 2 for s in (height, width)]
    images = images[:, : 2 * rows, : 2 * columns]
    missing = ((0, 0), (0, 2 * rows - images.shape[1]), (0, 2 * columns - images.shape[2]), (0, 0))
    padded = jnp.pad(images, missing, constant_values=-jnp.inf if kind == 'max' else 0)
    windows = padded.reshape(n, rows, 2, columns, 2, channels)
    if kind == 'max':
        return windows.max((2, 4))
    inside = np.pad(np.ones(images.shape[1:3]), missing[1:3])  # padding does not count
    pixels = inside.reshape(rows, 2, columns, 2).sum((1, 3))[:, :, None]
    return windows.sum((2, 4)) / pixels.astype(np.float32)


def _bias_initializer(initialization, fan_in):
    if initialization != 'pytorch':
        return nn.initializers.zeros
    limit = 1 / math.sqrt(fan_in)
    return lambda key, shape: jax.random.uniform(key, shape, minval=-limit, maxval=limit)


class Dense(nn.Module):
    """Fully connected layer: [N, inputs] -> [N, features]."""

    features: int
    initialization: str

    @nn.compact
    def __call__(self, x):
        kernel_init = KERNEL_INITIALIZERS[self.initialization]
        kernel = self.param('kernel', kernel_init, (x.shape[-1], self.features))
        bias_init = _bias_initializer(self.initialization, x.shape[-1])
        return x @ kernel + self.param('bias', bias_init, (self.features,))


class Conv(nn.Module):
    """Convolution with stride 1 and a bias: [N, H, W, C] -> [N, H', W', features]."""

    features: int
    kernel_size: int
    initialization: str
    padding: int = 0

    @nn.compact
    def __call__(self, x):
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param('kernel', KERNEL_INITIALIZERS[self.initialization], shape)
        bias_init = _bias_initializer(self.initialization, math.prod(shape[:3]))
        return convolve(x, kernel, self.padding) + self.param('bias', bias_init, (self.features,))


def _random_16_bits(key, shape):
    """Two from each 32-bit word: 0.8 ms a million on a CPU instead of 2.1 from a word each."""
    count = math.prod(shape)
    words = jax.random.bits(key, ((count + 1) // 2,), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count].reshape(shape)


class Dropout(nn.Module):
    """Sets values to zero with probability `rate` while training, scales the others up.

    The rate may be a traced number. A random 16-bit integer decides, so it is met to 1/65536.
    """

    rate: float

    @nn.compact
    def __call__(self, x, train):
        if not train or (isinstance(self.rate, (int, float)) and self.rate == 0):
            return x
        bits = _random_16_bits(self.make_rng('dropout'), x.shape)
        keep = bits >= jnp.round(jnp.asarray(self.rate) * 65536).astype(jnp.int32)
        return jnp.where(keep, x / (1 - self.rate), 0)


class BatchNorm(nn.Module):
    """Batch normalization over all axes but the last (Ioffe and Szegedy, arXiv 1502.03167).

    Running averages use the batch's biased variance, as Keras does (PyTorch multiplies it by
    n / (n - 1), with n = images x pixels).
    """

    framework: str

    @nn.compact
    def __call__(self, x, train, mask=None):
        """mask: [N] bool or None; images where it is False count for nothing."""
        decay, epsilon = BATCH_NORM[self.framework]
        shape = x.shape[-1:]
        scale = self.param('scale', nn.initializers.ones, shape)
        bias = self.param('bias', nn.initializers.zeros, shape)
        running_mean = self.variable('batch_stats', 'mean', jnp.zeros, shape)
        running_var = self.variable('batch_stats', 'var', jnp.ones, shape)
        if train:
            mean, var = _moments(x, mask)
            if not self.is_initializing():
                running_mean.value = decay * running_mean.value + (1 - decay) * mean
                running_var.value = decay * running_var.value + (1 - decay) * var
        else:
            mean, var = running_mean.value, running_var.value
        return (x - mean) * (scale * jax.lax.rsqrt(var + epsilon)) + bias


def _moments(x, mask):
    """Mean and biased variance per channel of the images that count."""
    axes = tuple(range(x.ndim - 1))
    if mask is None:
        mean, mean_of_squares = x.mean(axes), (x * x).mean(axes)
    else:
        weights = mask.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        total = weights.sum() * math.prod(x.shape[1:-1])
        mean = (x * weights).sum(axes) / total
        mean_of_squares = (x * x * weights).sum(axes) / total
    return mean, jnp.maximum(mean_of_squares - mean * mean, 0)
