"""Parameters and operations of a network, layer by layer, by report 000's formulas.

(1) K K (D/s)^2 C_in C_out for a convolution; (2) K K (D/s)^2 C_in + (D/s)^2 C_in C_out for a
depthwise convolution and the pointwise one after it; the weights of a dense layer. (D/s)^2 is the
number of output positions. Pooling counts the values it reads; biases, batch norm are not counted.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
from flax.traverse_util import flatten_dict

from fmnist_jax.models import variable_shapes
from fmnist_jax.models.fused_norm import values
from fmnist_jax.models.layers import BatchNorm, Dropout, GlobalAveragePool, Pool


class Layer(NamedTuple):
    """One line of report 000's Table 1, for one image."""

    name: str  # of its parameters
    kind: str
    input: tuple  # (height, width, channels) or (features,)
    output: tuple
    shape: tuple = ()  # of the kernel or the window; (outputs, inputs) of a dense layer
    stride: int | None = None
    parameters: int = 0  # with batch norm's moving averages
    operations: int = 0


def layers(model, image_shape):
    """The layers of a network in the order in which an image [height, width, channels] passes them.

    Returns ([Layer], the network's variables as a pytree of shapes). Raises ValueError if a
    parameter with two axes or more is not the `kernel` of a called layer.
    """
    called = []

    def record(next_call, args, kwargs, context):
        output = next_call(*args, **kwargs)
        if context.method_name == '__call__':
            called.append(_layer(context.module, _shape(args[0]), _shape(output)))
        return output

    with nn.intercept_methods(record):
        variables = variable_shapes(model, image_shape)
    called = [layer for layer in called if layer is not None]
    counted = {f'{layer.name}/kernel'.lstrip('/') for layer in called}
    for name, leaf in flatten_dict(variables['params'], sep='/').items():
        if leaf.ndim > 1 and name not in counted:
            raise ValueError(f'{name}: a kernel whose operations are not counted')
    return called, variables


def _shape(images):
    """(H, W, C) or (C,) of an array or Pending."""
    return jax.eval_shape(lambda: values(images)).shape[1:]


def _layer(module, inputs, outputs):
    """A called module as a Layer; None if it only holds others or does nothing."""
    variables = module.variables
    layer = Layer('/'.join(module.path), '', inputs, outputs, parameters=size(variables))
    kernel = variables.get('params', {}).get('kernel')
    if kernel is not None:
        # A kernel is applied once at each output position; a dense layer has one.
        layer = layer._replace(operations=kernel.size * math.prod(outputs[:-1]))
        if kernel.ndim == 2:
            return layer._replace(kind='Dense', shape=kernel.shape[::-1])
        kind = 'DepthwiseConv2D' if kernel.shape[-2] < inputs[-1] else 'Conv2D'
        return layer._replace(kind=kind, shape=kernel.shape, stride=getattr(module, 'stride', 1))
    if isinstance(module, Pool):
        kind = {'max': 'MaxPool2D', 'average': 'AveragePool2D'}[module.kind]
        return layer._replace(kind=kind, shape=(2, 2), stride=2, operations=math.prod(inputs))
    if isinstance(module, GlobalAveragePool):
        layer = layer._replace(kind='GlobalAveragePool2D', shape=inputs[:2])
        return layer._replace(operations=math.prod(inputs))
    if isinstance(module, Dropout) and module.rate:
        return layer._replace(kind=f'Dropout, keep prob. = {1 - module.rate:g}')
    return layer._replace(kind='BatchNorm') if isinstance(module, BatchNorm) else None


def size(tree):
    """The number of values in a pytree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def of_kernels(layers):
    """Multiply-adds of the convolutions and dense layers among [Layer]."""
    kinds = ('Conv2D', 'DepthwiseConv2D', 'Dense')
    return sum(layer.operations for layer in layers if layer.kind in kinds)


def multiply_adds(model, image_shape):
    """Multiply-adds of all convolutions and dense layers for one image, forward; see `layers`."""
    return of_kernels(layers(model, image_shape)[0])
