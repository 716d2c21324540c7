"""A small residual network."""

import flax.linen as nn

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values


class SmallResNet(nn.Module):
    """A small residual network, the next step that report 001 names: 77,754 parameters.

    As for small images in He et al. 2015, section 4.2: a stage of `blocks` blocks for each width.
    Later stages begin with stride 2 and a 1x1 convolution as the shortcut.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1  # in each stage
    activation: str = 'relu'
    dropout: float = 0.0  # before the dense layer
    initialization: str = 'he_normal'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        def convolve(x, width, size, stride=1, activation='linear'):
            layer = layers.ConvNorm(
                width, size, 'pytorch', activation, self.initialization, size // 2, stride
            )
            return layer(x, train, batch)

        activation = layers.ACTIVATIONS[self.activation]
        x = values(convolve(images, self.widths[0], 3, activation=self.activation))
        for stage, width in enumerate(self.widths):
            for block in range(self.blocks):
                stride = 2 if stage and not block else 1
                shortcut = x
                if x.shape[-1] != width or stride != 1:
                    shortcut = values(convolve(x, width, 1, stride))
                inner = convolve(x, width, 3, stride, self.activation)
                x = activation(values(convolve(inner, width, 3)) + shortcut)
        x = layers.Dropout(self.dropout)(layers.GlobalAveragePool()(x), train, batch)
        return layers.Dense(self.classes, self.initialization)(x)
