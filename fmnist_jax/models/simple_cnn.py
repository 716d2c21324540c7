"""The simple CNN of report 000."""

import flax.linen as nn

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE


class SimpleCNN(nn.Module):
    """The simple CNN of report 000 (Table 1), after VGG: 73,146 parameters.

    Three blocks of two 3x3 convolutions and a max-pool (the last drops a row and a column), then
    288-128-10.
    """

    widths: tuple[int, ...] = (16, 32, 32)
    dense: int = 128
    activation: str = 'relu'
    pooling: str = 'max'
    dropout: float = 0.5
    initialization: str = 'keras'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = layers.ACTIVATIONS[self.activation]
        x = images
        for width in self.widths:
            for _ in range(2):
                x = activation(layers.Conv(width, 3, self.initialization, padding=1)(x))
            x = layers.Pool(self.pooling)(x)
        x = layers.Dropout(self.dropout)(x.reshape(x.shape[0], -1), train, batch)
        x = activation(layers.Dense(self.dense, self.initialization)(x))
        return layers.Dense(self.classes, self.initialization)(x)
