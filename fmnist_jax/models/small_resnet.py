"""A small residual network: what report 001's conclusion names as the next thing to try."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values
from fmnist_jax.models.layers import ACTIVATIONS, ConvNorm, Dense, Dropout
from fmnist_jax.models.pooling import GlobalAveragePool


class SmallResNet(nn.Module):
    """Residual blocks of two 3x3 convolutions, as He et al. (2015) lay them out for small images.

    A stage for each width, `blocks` blocks a stage; from the second on a stage begins with stride
    2, and its shortcut is a 1x1 convolution. With widths 16, 32, 64 and one block: 77,754
    parameters.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1  # a stage
    activation: str = 'relu'
    dropout: float = 0.0  # before the dense layer
    initialization: str = 'he_normal'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        def convolve(x, width, size, stride=1, activation='linear'):
            layer = ConvNorm(
                *(width, size, 'pytorch', activation, self.initialization),
                padding=size // 2,
                stride=stride,
            )
            return layer(x, train, batch)

        activation = ACTIVATIONS[self.activation]
        x = values(convolve(images, self.widths[0], 3, activation=self.activation))
        for stage, width in enumerate(self.widths):
            for block in range(self.blocks):
                stride = 2 if stage and not block else 1
                shortcut = x
                if x.shape[-1] != width or stride != 1:
                    shortcut = values(convolve(x, width, 1, stride))
                inner = convolve(x, width, 3, stride, self.activation)
                x = activation(values(convolve(inner, width, 3)) + shortcut)
        x = Dropout(self.dropout)(GlobalAveragePool()(x), train, batch)
        return Dense(10, self.initialization)(x)
