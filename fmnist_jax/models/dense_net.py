"""A small densely connected network."""

import flax.linen as nn
import jax.numpy as jnp

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values


class DenseNet(nn.Module):
    """A small network of dense blocks, a next step that report 001 names: 64,600 parameters.

    Each convolution of a block gets the outputs of all earlier ones of the block beside each other
    (Huang et al. 2016). A 1x1 convolution halves the features between stages and 2x2 average
    pooling the images. Batch norm and activation follow each convolution (in the paper they come
    before it).
    """

    widths: tuple[int, ...] = (12, 12, 12)  # features that each convolution of a stage adds
    blocks: int = 4  # convolutions of each stage
    activation: str = 'relu'
    dropout: float = 0.0  # before the dense layer
    initialization: str = 'he_normal'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        def convolve(x, width, size):
            layer = layers.ConvNorm(
                width, size, 'pytorch', self.activation, self.initialization, size // 2
            )
            return values(layer(x, train, batch))

        x = convolve(images, self.widths[0], 3)
        for stage, width in enumerate(self.widths):
            if stage:
                x = layers.Pool('average')(convolve(x, x.shape[-1] // 2, 1))
            for _ in range(self.blocks):
                x = jnp.concatenate([x, convolve(x, width, 3)], axis=-1)
        x = layers.Dropout(self.dropout)(layers.GlobalAveragePool()(x), train, batch)
        return layers.Dense(self.classes, self.initialization)(x)
