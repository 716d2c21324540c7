"""MobileNet and the simplified MobileNet of report 000 (Howard et al. 2017, arXiv 1704.04861)."""

import flax.linen as nn

from fmnist_jax.blocks import values
from fmnist_jax.layers import ConvNorm, Dense, Dropout
from fmnist_jax.share import EVERY_IMAGE

# Features and stride of the thirteen depthwise-separable blocks (its Table 1).
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2))
_BLOCKS += ((512, 1),) * 5 + ((1024, 2), (1024, 1))
_SMALLEST = 32  # pixels


class MobileNet(nn.Module):
    """Stem, depthwise-separable blocks, global average pooling, dropout, dense 10.

    Layer names and arithmetic are Keras': no convolution bias, ReLU6, batch norm with epsilon
    1e-3 and decay 0.99; a layer of stride 2 pads one row below and one column to the right.
    13 blocks have 3,217,226 trainable parameters (3,239,114 with the moving averages), the
    report's simplified network of 5 has 136,778 (139,722). Where the report puts its dropout
    it gives p = 0.5 for the simple CNN; the same here.
    """

    blocks: int = 13  # how many of the thirteen
    width_multiplier: float = 1.0
    activation: str = 'relu6'
    dropout: float = 0.5
    initialization: str = 'keras'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        if images.shape[1] < _SMALLEST:
            raise ValueError(
                f'dataset.image_size={images.shape[1]}: mobilenet halves its images five times, '
                f'expected {_SMALLEST} or more (report 000: 56)'
            )

        def layer(name, features, kernel_size, stride):
            padding = {(3, 1): 1, (3, 2): (0, 1), (1, 1): 0}[kernel_size, stride]
            fields = {'activation': self.activation, 'initialization': self.initialization}
            fields |= {'padding': padding, 'stride': stride, 'name': name}
            features = round(features * self.width_multiplier)
            return ConvNorm(features, kernel_size, framework='keras', **fields)

        x = layer('conv1', 32, 3, 2)(images, train, batch)
        for number, (features, stride) in enumerate(_BLOCKS[: self.blocks], start=1):
            x = layer(f'conv_dw_{number}', 0, 3, stride)(x, train, batch)
            x = layer(f'conv_pw_{number}', features, 1, 1)(x, train, batch)
        x = values(x).mean((1, 2))
        x = Dropout(self.dropout)(x, train, batch)
        return Dense(10, self.initialization)(x)
