"""A small network that learns in few epochs."""

import flax.linen as nn
import jax.numpy as jnp

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values

_WHITEN = 'whiten'  # name of the first convolution
_LEAST_VARIANCE = 1e-2  # added to the patches' variances: directions without signal stay small


class SpeedNet(nn.Module):
    """Whitening, then a stage of two 3x3 convolutions for each width: 385,534 parameters.

    After airbench (Keller Jordan, arXiv 2404.00498), for images of one channel. The first
    convolution is fixed: it decorrelates 3x3 patches (see `whitening_kernel`). Each stage is
    convolution, batch norm, activation, max-pooling, convolution, batch norm, activation.
    """

    widths: tuple[int, ...] = (32, 96, 128)
    activation: str = 'relu'
    initialization: str = 'dirac'
    logit_scale: float = 1 / 9
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        filters = 2 * 9 * images.shape[-1]
        x = layers.Conv(filters, 3, 'pytorch', padding=1, name=_WHITEN)(images)
        x = layers.ACTIVATIONS[self.activation](x)
        for width in self.widths:
            for place in range(2):
                convolution = layers.ConvNorm(
                    width, 3, 'pytorch', self.activation, self.initialization, padding=1
                )
                x = convolution(x, train, batch)
                x = layers.Pool('max')(x) if place == 0 else x
        x = values(x).max((1, 2))
        return self.logit_scale * layers.Dense(self.classes, 'pytorch')(x)

    def is_frozen(self, path):
        """Whether training leaves a parameter as it is: the whitening kernel."""
        return path == (_WHITEN, 'kernel')

    def start(self, params, images):
        """The initial parameters with the whitening kernel of training images [N, H, W, C]."""
        return params | {_WHITEN: params[_WHITEN] | {'kernel': whitening_kernel(images)}}


def whitening_kernel(images):
    """Filters that decorrelate the 3x3 patches of images: float32 [3, 3, C, 2 * 9 * C].

    Each eigenvector of the patches' second moments, divided by its standard deviation, and its
    negative (arXiv 2404.00498, section 3.2). Patches without contrast do not count.

    Args:
      images: [N, H, W, C], scaled as the network's inputs.
    """
    images = images.astype(jnp.float32)
    height, width, channels = images.shape[1:]
    patches = jnp.stack(
        [images[:, i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)], 3
    ).reshape(-1, 9 * channels)
    weights = (patches.max(1) > patches.min(1)).astype(jnp.float32)
    moments = (patches * weights[:, None]).T @ patches / jnp.maximum(weights.sum(), 1)
    variances, vectors = jnp.linalg.eigh(moments)
    filters = vectors / jnp.sqrt(variances + _LEAST_VARIANCE)
    return jnp.concatenate([filters, -filters], 1).reshape(3, 3, channels, -1)
