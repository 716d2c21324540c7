"""A small residual network, which report 001 names as its next step."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values
from fmnist_jax.models.layers import ACTIVATIONS, ConvNorm, Dense, Dropout
from fmnist_jax.models.pooling import GlobalAveragePool


class SmallResNet(nn.Module):
    """Residual blocks of two 3x3 convolutions, for small images (He et al. 2015, section 4.2).

    There is a stage of `blocks` blocks for each width. Later stages begin with stride 2 and a 1x1
    convolution as the shortcut. The default has 77,754 parameters.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1  # in each stage
    activation: str = 'relu'
    dropout: float = 0.0  # before the dense layer
    initialization: str = 'he_normal'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        def convolve(x, width, size, stride=1, activation='linear'):
            layer = ConvNorm(
                width, size, 'pytorch', activation, self.initialization, size // 2, stride
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
