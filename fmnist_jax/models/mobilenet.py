"""MobileNet and the simplified MobileNet of report 000 (Howard et al. 2017, arXiv 1704.04861)."""

import flax.linen as nn
import jax

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.layers import ConvNorm, Dense, Dropout, GlobalAveragePool

# Features and stride of the thirteen depthwise-separable blocks (its Table 1).
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2))
_BLOCKS += ((512, 1),) * 5 + ((1024, 2), (1024, 1))
SMALLEST = 32  # pixels


class MobileNet(nn.Module):
    """Stem, depthwise-separable blocks, global average pooling, dropout, dense 10.

    Layer names and arithmetic are Keras': no convolution bias, ReLU6, batch norm with epsilon
    1e-3 and decay 0.99; a layer of stride 2 pads one row below and one column to the right.
    13 blocks have 3,217,226 trainable parameters (3,239,114 with the moving averages), the
    report's simplified network of 5 has 136,778 (139,722); it names no dropout rate, 0.5 is that
    of its simple CNN. Frozen layers keep their pretrained weights, and their batch norm uses the
    running averages, as Keras' layers with `trainable = False` do.
    """

    blocks: int = 13  # the first so many of the thirteen
    width_multiplier: float = 1.0
    activation: str = 'relu6'
    dropout: float = 0.5
    initialization: str = 'keras'
    frozen_blocks: int = 0  # 1 or more freezes the stem and so many blocks
    frozen_batch_norm: bool = False  # freezes every batch norm
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        if images.shape[1] < SMALLEST:
            raise ValueError(
                f'dataset.image_size={images.shape[1]}: mobilenet halves its images five times, '
                f'expected {SMALLEST} or more (report 000: 56)'
            )
        if self.frozen_blocks > self.blocks:
            raise ValueError(
                f'model.frozen_blocks={self.frozen_blocks}: expected 0 to {self.blocks}, '
                'as many as there are blocks'
            )

        def layer(name, features, kernel_size, stride):
            """A convolution with batch norm and its activation."""
            padding = {(3, 1): 1, (3, 2): (0, 1), (1, 1): 0}[kernel_size, stride]
            return ConvNorm(
                int(features * self.width_multiplier),  # rounds down, as Keras does
                kernel_size,
                'keras',
                self.activation,
                self.initialization,
                padding,
                stride,
                frozen_norm=self.frozen_batch_norm or self._is_frozen_layer(name),
                name=name,
            )

        x = layer('conv1', 32, 3, 2)(images, train, batch)
        for number, (features, stride) in enumerate(_BLOCKS[: self.blocks], start=1):
            x = layer(f'conv_dw_{number}', 0, 3, stride)(x, train, batch)
            x = layer(f'conv_pw_{number}', features, 1, 1)(x, train, batch)
            if number == self.frozen_blocks:  # no gradient for the layers up to here
                raw, scaling = jax.lax.stop_gradient((x.raw, x.scaling))
                x = x._replace(raw=raw, scaling=scaling)
        x = GlobalAveragePool()(x)
        x = Dropout(self.dropout)(x, train, batch)
        return Dense(self.classes, self.initialization)(x)

    def _is_frozen_layer(self, name):
        """Whether the layer `name` is in the frozen blocks; the stem `conv1` is, with block 1."""
        if not name.startswith('conv'):
            return False
        return int(name.removeprefix('conv').rpartition('_')[2]) <= self.frozen_blocks

    def is_frozen(self, path):
        """Whether training does not change the parameter at `path`, as ('conv1', 'kernel')."""
        return self._is_frozen_layer(path[0]) or (self.frozen_batch_norm and 'norm' in path)
