"""A trained network as a program without this package: uint8 images -> probabilities.

The program scales and resizes the images, applies the network with its parameters, and divides the
logits by the temperature. It takes any number of images. It uses XLA's convolutions, not those of
models/convolution.py, which are for training on a CPU.
"""

import copy
import logging

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.errors import ConfigError
from fmnist_jax.models import convolution
from fmnist_jax.train.losses import probabilities
from fmnist_jax.train.step import model_of, preprocess

PLATFORMS = ('cpu', 'cuda', 'tpu')


def program(settings, variables, temperature=None):
    """The function from images uint8 [N, 28, 28] to probabilities float32 [N, 10], in float32.

    Args:
      settings: settings of a row.
      variables: {'params', 'batch_stats'} of one seed.
      temperature: divisor of the logits, None for 1.
    """
    settings = copy.deepcopy(settings)
    settings.compute = 'float32'
    network = model_of(settings)
    variables = jax.tree.map(jnp.asarray, variables)

    def classify(images):
        with convolution.portable():
            logits = network.apply(variables, preprocess(images, settings), train=False)
        return probabilities(logits / (temperature or 1.0), settings.loss)

    return classify


def stablehlo(classify):
    """The program in JAX's export format, which is StableHLO with its calling convention: bytes.

    `jax.export.deserialize(bytearray(raw)).call(images)` runs it on a CPU, a CUDA GPU or a TPU.
    """
    from jax import export

    (count,) = export.symbolic_shape('images')
    images = jax.ShapeDtypeStruct((count, 28, 28), np.uint8)
    return bytes(export.export(jax.jit(classify), platforms=PLATFORMS)(images).serialize())


def onnx(classify):
    """The program as ONNX, with the input `images` and the output `probabilities`: bytes.

    Raises:
      ConfigError: jax2onnx is not installed.
    """
    try:
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ConfigError(
            f"--formats=onnx needs jax2onnx ({error}): pip install 'fmnist_jax[onnx]', or name "
            'other formats'
        ) from error
    logging.getLogger('onnx_ir').setLevel(logging.ERROR)  # it warns of its own values
    images = jax.ShapeDtypeStruct(('images', 28, 28), np.uint8)
    names = {'input_names': ['images'], 'output_names': ['probabilities']}
    model = to_onnx(classify, [images], model_name='fmnist_jax', **names)
    return model.SerializeToString()
