"""The layers that the networks are made of.

They compute in the type of their input (float32, or bfloat16 if `compute` says so) with
float32 parameters. `batch` (share.Batch) says which images count and which part of the batch
a device holds.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.convolution import convolve, depthwise
from fmnist_jax.models.fused_norm import Pending, pending, sums, with_sums

# What "off" means for a number that may be traced: the one rule of layers and training code.


def is_off(number):
    """Whether a setting is the static 0.0; a traced number is on, whatever its value."""
    return isinstance(number, (int, float)) and number == 0


ACTIVATIONS = {
    'linear': lambda x: x,
    # Forward 1 if x > 0 else 0; backward as if it were the identity, the straight-through
    # estimator of Bengio et al. 2013 (arXiv 1308.3432): the true gradient is zero everywhere.
    'step': lambda x: x + jax.lax.stop_gradient((x > 0).astype(x.dtype) - x),
    'sigmoid': jax.nn.sigmoid,
    'tanh': jnp.tanh,
    'relu': jax.nn.relu,
    'relu6': jax.nn.relu6,
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
        bias = self.param('bias', bias_init, (self.features,))
        return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


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
        bias = self.param('bias', bias_init, (self.features,))
        return convolve(x, kernel.astype(x.dtype), self.padding) + bias.astype(x.dtype)


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
    def __call__(self, x, train, batch=EVERY_IMAGE):
        if not train or is_off(self.rate):
            return x
        whole = (x.shape[0] * batch.share.parts, *x.shape[1:])
        bits = batch.share.take(_random_16_bits(self.make_rng('dropout'), whole))
        keep = bits >= jnp.round(jnp.asarray(self.rate) * 65536).astype(jnp.int32)
        return jnp.where(keep, x / (1 - self.rate), 0).astype(x.dtype)


class BatchNorm(nn.Module):
    """Batch normalization over all axes but the last (Ioffe and Szegedy, arXiv 1502.03167).

    Running averages use the batch's biased variance, as Keras does (PyTorch multiplies it by
    n / (n - 1), with n = images x pixels). Statistics are float32 whatever the input is.
    """

    framework: str  # whose constants: 'pytorch' or 'keras'

    @nn.compact
    def scaling(self, moments, train):
        """What normalizes and scales: (multiplier, offset), float32 [C] each.

        Args:
          moments: (mean, biased variance) of the batch, float32 [C] each.
          train: use them and move the running averages; else use the running averages.
        """
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
        """[N, ..., C] -> the same shape."""
        moments = _moments(x, sums(x, _weights(batch)), batch)
        return Pending(x, self.scaling(moments, train), lambda values: values).values()


def _weights(batch):
    return None if batch.mask is None else batch.mask.astype(jnp.float32)


def _moments(outputs, sums, batch):
    """Mean and biased variance per channel of the images that count, on all devices."""
    weights = _weights(batch)
    images = jnp.float32(outputs.shape[0]) if weights is None else weights.sum()
    images, total, squares = batch.share.sum((images, *sums))
    count = images * math.prod(outputs.shape[1:-1])
    mean = total / count
    return mean, jnp.maximum(squares / count - mean * mean, 0)


class ConvNorm(nn.Module):
    """Convolution, batch norm, activation: [N, H, W, C] or Pending -> Pending (see blocks.py)."""

    features: int  # 0 for a depthwise convolution
    kernel_size: int
    framework: str  # whose batch norm: 'pytorch' or 'keras'
    activation: str
    initialization: str
    padding: int | tuple[int, int] = 0
    stride: int = 1
    use_bias: bool = False
    frozen_norm: bool = False  # batch norm by the running averages in training, too, and as it is

    @nn.compact
    def __call__(self, x, train, batch=EVERY_IMAGE):
        x = pending(x)
        channels = jax.eval_shape(x.values).shape[-1]
        inputs, outputs = (channels, self.features) if self.features else (1, channels)
        shape = (self.kernel_size, self.kernel_size, inputs, outputs)
        kernel = self.param('kernel', KERNEL_INITIALIZERS[self.initialization], shape)
        bias = jnp.zeros(())
        if self.use_bias:
            bias_init = _bias_initializer(self.initialization, math.prod(shape[:3]))
            bias = self.param('bias', bias_init, (outputs,))
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
