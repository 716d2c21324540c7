"""Layers: they compute in the type of their input with float32 parameters."""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.convolution import convolve
from fmnist_jax.models.depthwise import depthwise
from fmnist_jax.models.fused_norm import Pending, pending, sums, values, with_sums


def is_off(number):
    """Whether a setting is the Python number 0, which means "off". A traced number is on."""
    return isinstance(number, (int, float)) and number == 0


ACTIVATIONS = {
    'linear': lambda x: x,
    # Forward 1 if x > 0 else 0. The true gradient is zero everywhere; this is the gradient of
    # the identity, the straight-through estimator of Bengio et al. 2013 (arXiv 1308.3432).
    'step': lambda x: x + jax.lax.stop_gradient((x > 0).astype(x.dtype) - x),
    'sigmoid': jax.nn.sigmoid,
    'tanh': jnp.tanh,
    'relu': jax.nn.relu,
    'relu6': jax.nn.relu6,
    'leaky_relu': jax.nn.leaky_relu,  # slope 0.01 below zero
    'silu': jax.nn.silu,
    'gelu': jax.nn.gelu,
}


def _dirac(key, shape, dtype=jnp.float32):
    """The first outputs of a convolution are its inputs; PyTorch's default otherwise."""
    kernel = KERNEL_INITIALIZERS['pytorch'](key, shape, dtype)
    if len(shape) != 4:
        return kernel
    height, width, inputs, outputs = shape
    # `kernel.at[..., :count].set(0)` would pass an empty array of indices to pmap if it sets all
    # outputs. jax 0.11.2 crashes when it compiles that for several devices.
    identity = np.zeros(shape, dtype)
    identity[height // 2, width // 2] = np.eye(inputs, outputs)
    return jnp.where(np.arange(outputs) < inputs, identity, kernel)


KERNEL_INITIALIZERS = {
    # U(-1/sqrt(fan_in), 1/sqrt(fan_in)) as torch.nn.Linear and torch.nn.Conv2d; bias likewise
    'pytorch': nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform'),
    'keras': nn.initializers.glorot_uniform(),  # with a zero bias, like all below
    'glorot_uniform': nn.initializers.glorot_uniform(),
    'he_normal': nn.initializers.he_normal(),
    'random_normal': nn.initializers.normal(1.0),  # torch.nn.init.normal_'s default
    'dirac': _dirac,  # torch.nn.init.dirac_, for as many outputs as there are inputs
}

BATCH_NORM = {'pytorch': (0.9, 1e-5), 'keras': (0.99, 1e-3)}  # decay of running averages, epsilon


def _kernel_and_bias(module, *shape, use_bias=True):
    """The parameters of a layer: kernel [..., features] and bias [features], or a bias of 0."""
    kernel = module.param('kernel', KERNEL_INITIALIZERS[module.initialization], shape)
    if not use_bias:
        return kernel, jnp.zeros(())
    initializer = nn.initializers.zeros
    if module.initialization == 'pytorch':
        limit = 1 / math.sqrt(math.prod(shape[:-1]))
        initializer = partial(jax.random.uniform, minval=-limit, maxval=limit)
    return kernel, module.param('bias', initializer, shape[-1:])


class Dense(nn.Module):
    """Fully connected layer: [N, inputs] -> [N, features]."""

    features: int
    initialization: str

    @nn.compact
    def __call__(self, x):
        kernel, bias = _kernel_and_bias(self, x.shape[-1], self.features)
        return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


class Conv(nn.Module):
    """Convolution with stride 1 and a bias: [N, H, W, C] -> [N, H', W', features]."""

    features: int
    kernel_size: int
    initialization: str
    padding: int = 0

    @nn.compact
    def __call__(self, x):
        size = self.kernel_size
        kernel, bias = _kernel_and_bias(self, size, size, x.shape[-1], self.features)
        return convolve(x, kernel.astype(x.dtype), self.padding) + bias.astype(x.dtype)


def _random_16_bits(key, shape):
    """Random uint16, two from each 32-bit word."""
    count = math.prod(shape)
    words = jax.random.bits(key, ((count + 1) // 2,), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count].reshape(shape)


class Dropout(nn.Module):
    """Dropout, whose rate may be a traced number. It is exact to 1/65536: 16 random bits decide."""

    rate: float

    @nn.compact
    def __call__(self, x, train, batch=EVERY_IMAGE):
        if not train or is_off(self.rate):
            return x
        whole = (x.shape[0] * batch.share.parts, *x.shape[1:])
        bits = batch.share.take(_random_16_bits(self.make_rng('dropout'), whole))
        keep = bits >= jnp.round(jnp.asarray(self.rate) * 65536).astype(jnp.int32)
        return jnp.where(keep, x / (1 - self.rate), 0).astype(x.dtype)


class BatchNorm(nn.Module):
    """Batch normalization over all axes but the last (arXiv 1502.03167), with float32 statistics.

    Running averages use the batch's biased variance, as Keras does; PyTorch's is unbiased.
    """

    framework: str  # whose constants: 'pytorch' or 'keras'

    @nn.compact
    def scaling(self, moments, train):
        """(mean, biased variance), float32 [C] each -> (multiplier, offset) for a feature map."""
        decay, epsilon = BATCH_NORM[self.framework]
        shape = moments[0].shape
        scale = self.param('scale', nn.initializers.ones, shape)
        bias = self.param('bias', nn.initializers.zeros, shape)
        running_mean = self.variable('batch_stats', 'mean', jnp.zeros, shape)
        running_var = self.variable('batch_stats', 'var', jnp.ones, shape)
        mean, var = running_mean.value, running_var.value
        if train:
            if not self.is_initializing():
                running_mean.value = decay * mean + (1 - decay) * moments[0]
                running_var.value = decay * var + (1 - decay) * moments[1]
            mean, var = moments
        multiplier = scale * jax.lax.rsqrt(var + epsilon)
        return multiplier, bias - mean * multiplier

    def __call__(self, x, train, batch=EVERY_IMAGE):
        moments = _moments(x, sums(x, _weights(batch)), batch)
        return Pending(x, self.scaling(moments, train), lambda values: values).values()


def _weights(batch):
    return None if batch.mask is None else batch.mask.astype(jnp.float32)


def _moments(outputs, sums, batch):
    """(mean, biased variance) of each channel, over the unmasked images of all devices."""
    weights = _weights(batch)
    images = jnp.float32(outputs.shape[0]) if weights is None else weights.sum()
    images, total, squares = batch.share.sum((images, *sums))
    count = images * math.prod(outputs.shape[1:-1])
    mean = total / count
    return mean, jnp.maximum(squares / count - mean * mean, 0)


class ConvNorm(nn.Module):
    """Convolution, batch norm, activation: [N, H, W, C] or Pending -> Pending."""

    features: int  # 0 for a depthwise convolution
    kernel_size: int
    framework: str  # whose batch norm: 'pytorch' or 'keras'
    activation: str
    initialization: str
    padding: int | tuple[int, int] = 0
    stride: int = 1
    use_bias: bool = False
    frozen_norm: bool = False  # use the running averages in training, too; no gradients for norm

    @nn.compact
    def __call__(self, x, train, batch=EVERY_IMAGE):
        x = pending(x)
        channels = jax.eval_shape(x.values).shape[-1]
        inputs, outputs = (channels, self.features) if self.features else (1, channels)
        size = self.kernel_size
        kernel, bias = _kernel_and_bias(self, size, size, inputs, outputs, use_bias=self.use_bias)
        convolution = convolve if self.features else depthwise

        def function(params, raw):
            scaling, kernel, bias = params
            images = x.apply(scaling, raw)
            result = convolution(images, kernel.astype(raw.dtype), self.padding, self.stride)
            return result + bias.astype(raw.dtype)

        raw, *sums = with_sums(function, (x.scaling, kernel, bias), x.raw, _weights(batch))
        norm = BatchNorm(self.framework, name='norm')
        scaling = norm.scaling(_moments(raw, sums, batch), train and not self.frozen_norm)
        if self.frozen_norm:
            scaling = jax.lax.stop_gradient(scaling)
        return Pending(raw, scaling, ACTIVATIONS[self.activation])


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
    """2x2 pooling with stride 2: [N, H, W, C] or Pending -> [N, H // 2, W // 2, C].

    A reshape, because the gradient of `lax.reduce_window` is a scatter, which is slow on a CPU.
    Equal maxima of a window share the gradient. `ceil_mode` is that of PyTorch.
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
    """As JAX's own gradient, with which XLA computes `d` anew for each of the four pixels."""
    windows, largest = saved
    hits = [windows[:, :, i, :, j] == largest for i, j in np.ndindex(2, 2)]
    share = d / sum(hit.astype(d.dtype) for hit in hits)
    parts = [jnp.where(hit, share, 0) for hit in hits]
    rows = [jnp.stack(parts[:2], axis=3), jnp.stack(parts[2:], axis=3)]
    return (jnp.stack(rows, axis=2),)


_largest.defvjp(_largest_forward, _largest_backward)
