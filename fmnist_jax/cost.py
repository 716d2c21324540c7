"""Parameters and operations per forward step of every network, layer by layer.

    python -m fmnist_jax.cost                     report 000's Table 1, then all networks
    python -m fmnist_jax.cost --model=mobilenet   one network, layer by layer
    python -m fmnist_jax.cost --format=json       for programs

Operations are report 000's: formula (1) for a convolution, (2) for a depthwise convolution and
the pointwise one after it, the weights of a dense layer.

    (1)  K K (D/s)^2 C_in C_out        (2)  K K (D/s)^2 C_in + (D/s)^2 C_in C_out

(D/s)^2 is read as the number of output positions, which makes both the true number of
multiply-adds. It agrees with Table 1, whose convolutions have stride 1 and padding; at stride 2
an odd side is rounded as the layer rounds it (7 to 3), and an unpadded convolution has
D - K + 1. With D the input's side, unrounded, MobileNet's convolutions at 56x56 would count
28.5 million instead of 27.4. Pooling counts the values it reads, as in Table 1. Biases,
activations and batch norm are not counted.

Beside it stands what XLA counts in the program that this machine would run.
"""

import argparse
import json
import math
import sys
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from fmnist_jax.config.cli import Parser
from fmnist_jax.models import MODELS, make_model
from fmnist_jax.models.fused_norm import values
from fmnist_jax.models.layers import BatchNorm, Dropout
from fmnist_jax.models.mobilenet import MobileNet
from fmnist_jax.models.pooling import GlobalAveragePool, Pool
from fmnist_jax.report import cost_tables

IMAGE_SIZE = 56  # of the MobileNets, in report 000
_KERNELS = ('Conv2D', 'DepthwiseConv2D', 'Dense')


class Layer(NamedTuple):
    """One line of Table 1, for one image."""

    name: str  # of its parameters
    kind: str
    input: tuple  # (height, width, channels) or (neurons,)
    output: tuple
    shape: tuple = ()  # of the kernel or the window; a dense layer's is (outputs, inputs)
    stride: int | None = None
    parameters: int = 0  # with its batch norm's, moving averages too
    operations: int = 0


def layers(model, image_shape):
    """The layers of a network in the order in which an image passes them.

    Args:
      model: flax module, called as fmnist_jax.models' are.
      image_shape: (height, width, channels) of its input.

    Returns:
      ([Layer], the shapes of the network's variables as a pytree). Nothing is computed.

    Raises:
      ValueError: a parameter with two axes or more is no `kernel` of a layer that was called.
    """
    called = []
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)

    def note(next_call, args, kwargs, context):
        output = next_call(*args, **kwargs)
        if context.method_name == '__call__':
            called.append(_layer(context.module, _shape(args[0]), _shape(output)))
        return output

    with nn.intercept_methods(note):
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    found = [layer for layer in called if layer is not None]
    counted = {f'{layer.name}/kernel'.lstrip('/') for layer in found}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables['params']):
        name = '/'.join(part.key for part in path)
        if leaf.ndim > 1 and name not in counted:
            raise ValueError(f'{name}: a kernel whose operations are not counted')
    return found, variables


def _shape(images):
    """(H, W, C) or (C,) of an array or Pending."""
    return jax.eval_shape(lambda: values(images)).shape[1:]


def _layer(module, inputs, outputs):
    """A called module as a Layer; None for one that only holds others or does nothing."""
    variables = module.variables
    layer = Layer('/'.join(module.path), '', inputs, outputs, parameters=_size(variables))
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
        kind, window = 'GlobalAveragePool2D', inputs[:2]
        return layer._replace(kind=kind, shape=window, operations=math.prod(inputs))
    if isinstance(module, Dropout) and module.rate:
        return layer._replace(kind=f'Dropout, keep prob. = {1 - module.rate:g}')
    return layer._replace(kind='BatchNorm') if isinstance(module, BatchNorm) else None


def _size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def multiply_adds(model, image_shape):
    """Multiply-adds of all convolutions and dense layers for one image, forward.

    Arguments and errors as `layers`.
    """
    return _of_kernels(layers(model, image_shape)[0])


def _of_kernels(found):
    return sum(layer.operations for layer in found if layer.kind in _KERNELS)


def compiler_flops(model, variables, image_shape):
    """Floating-point operations that XLA counts in one image's forward pass; None if it cannot.

    In the program that JAX hands to the compiler on this backend (lowered, not yet optimized),
    without dropout and with batch norm's moving averages. With one image the loops of
    convolution.py and blocks.py run once, which is how often XLA counts a loop's body. (Of 64
    images it counts 6 % to 30 % for the networks with loops.)
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    forward = jax.jit(lambda variables, images: model.apply(variables, images, train=False))
    flops = (forward.lower(variables, images).cost_analysis() or {}).get('flops')
    return None if flops is None else round(flops)


def network_cost(name, image_size=IMAGE_SIZE):
    """What is printed of a network, for json.dumps.

    Args:
      name: of MODELS.
      image_size: side of the MobileNets' images; the others take 28x28.
    """
    model = make_model(name)
    shape = (image_size, image_size, 3) if isinstance(model, MobileNet) else (28, 28, 1)
    found, variables = layers(model, shape)
    return {
        'model': name,
        'input': shape,
        'parameters': _size(variables),
        'trainable': _size(variables['params']),
        'operations': sum(layer.operations for layer in found),
        'multiply_adds': _of_kernels(found),
        'flops': compiler_flops(model, variables, shape),
        'backend': jax.default_backend(),
        'reported': cost_tables.REPORTED.get(name),
        'layers': [layer._asdict() for layer in found],
    }


def _options(argv):
    """The command line's values; exits with one line for what is wrong."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', choices=MODELS, metavar='NAME', help=', '.join(MODELS))
    parser.add_argument('--image_size', type=int, help="side of the MobileNets' images (56)")
    parser.add_argument('--format', choices=('table', 'json'), default='table')
    options = parser.parse_args(argv)
    side, name, sides = options.image_size, options.model, cost_tables.SIZES
    if side is not None and side not in sides:
        parser.error(f'--image_size={side}: expected {sides[0]} to {sides[-1]}')
    if side is not None and name and not isinstance(make_model(name), MobileNet):
        parser.error(f'--image_size={side}: {name} takes images of 28x28')
    return options


def main(argv=None):
    """Prints the tables or JSON; returns the exit code."""
    options = _options(argv)
    names = [options.model] if options.model else MODELS
    costs = [network_cost(name, options.image_size or IMAGE_SIZE) for name in names]
    print(json.dumps(costs, indent=1) if options.format == 'json' else cost_tables.page(costs))
    return 0


if __name__ == '__main__':
    sys.exit(main())
