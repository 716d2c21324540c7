"""Arithmetic of a network, counted from its kernels."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp


def multiply_adds(model, image_shape):
    """Multiply-adds of all convolutions and dense layers for one image, forward.

    A kernel is applied once at each output position (a dense layer has one), so a layer costs
    the kernel's size times those. Biases, activations, pooling and BatchNorm are not counted.

    Args:
      model: flax module, called as fmnist_jax.models' are.
      image_shape: (height, width, channels) of its input.

    Raises:
      ValueError: a parameter with two axes or more is no `kernel` of a layer that was called.
    """
    counted = {}

    def count(next_call, args, kwargs, context):
        output = next_call(*args, **kwargs)
        kernel = context.module.variables.get('params', {}).get('kernel')
        if context.method_name == '__call__' and kernel is not None:
            path = (*context.module.path, 'kernel')
            output = getattr(output, 'raw', output)  # what batch norm will normalize
            counted[path] = kernel.size * math.prod(output.shape[1:-1])
        return output

    images = jnp.zeros((1, *image_shape))
    with nn.intercept_methods(count):
        variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables['params']):
        names = tuple(part.key for part in path)
        if leaf.ndim > 1 and names not in counted:
            raise ValueError(f'{"/".join(names)}: a kernel whose operations are not counted')
    return sum(counted.values())


def training_flops(multiply_adds):
    """Floating-point operations to train on one image: forward, and both gradients.

    A multiply-add is two; each gradient costs what the forward pass does. (The first layer
    needs no gradient for its input: that third is counted and not computed.)
    """
    return 3 * 2 * multiply_adds
