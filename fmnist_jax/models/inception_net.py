"""A small network of inception blocks."""

import flax.linen as nn
import jax.numpy as jnp

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values


class InceptionNet(nn.Module):
    """A small inception network, a next step that report 001 names: 61,858 parameters.

    Each block has four branches beside each other (Szegedy et al. 2014, figure 2b, with batch
    norm): 1x1; 1x1 and 3x3; 1x1 and 5x5; 3x3 max pooling and 1x1. A block of width w has w / 4, w /
    2, w / 8 and w / 8 features in them. 2x2 max pooling between stages.
    """

    widths: tuple[int, ...] = (64, 96, 128)  # of each stage
    blocks: int = 1  # in each stage
    activation: str = 'relu'
    dropout: float = 0.0  # before the dense layer
    initialization: str = 'he_normal'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        if min(self.widths) < 8:
            raise ValueError(
                f'model.widths={self.widths}: expected 8 or more, because the narrowest branch of '
                'an inception block has an eighth of its width'
            )

        def convolve(x, width, size):
            layer = layers.ConvNorm(
                width, size, 'pytorch', self.activation, self.initialization, size // 2
            )
            return values(layer(x, train, batch))

        x = convolve(images, 16, 3)
        for stage, width in enumerate(self.widths):
            x = layers.Pool('max')(x) if stage else x
            for _ in range(self.blocks):
                branches = (
                    convolve(x, width // 4, 1),
                    convolve(convolve(x, width // 4, 1), width // 2, 3),
                    convolve(convolve(x, width // 8, 1), width // 8, 5),
                    convolve(_largest_around(x), width // 8, 1),
                )
                x = jnp.concatenate(branches, axis=-1)
        x = layers.Dropout(self.dropout)(layers.GlobalAveragePool()(x), train, batch)
        return layers.Dense(self.classes, self.initialization)(x)


def _largest_around(x):
    """3x3 max pooling with stride 1 and padding; shifted slices, see `layers.pool`."""
    for axis in (1, 2):
        edge = [(1, 1) if k == axis else (0, 0) for k in range(x.ndim)]
        padded = jnp.pad(x, edge, constant_values=-jnp.inf)
        before, after = (jnp.take(padded, jnp.arange(k, k + x.shape[axis]), axis) for k in (0, 2))
        x = jnp.maximum(x, jnp.maximum(before, after))
    return x
