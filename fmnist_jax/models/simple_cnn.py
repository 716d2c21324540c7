"""The simple CNN of report 000 (Table 1), after VGG."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.layers import ACTIVATIONS, Conv, Dense, Dropout
from fmnist_jax.models.pooling import Pool


class SimpleCNN(nn.Module):
    """Three blocks of two 3x3 convolutions and a max-pool, then 288-128-10: 73,146 parameters.

    The last pooling drops a row and a column of 7x7, as the size of Table 1's Flatten shows.
    """

    widths: tuple[int, ...] = (16, 32, 32)
    dense: int = 128
    activation: str = 'relu'
    pooling: str = 'max'
    dropout: float = 0.5
    initialization: str = 'keras'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = ACTIVATIONS[self.activation]
        x = images
        for width in self.widths:
            for _ in range(2):
                x = activation(Conv(width, 3, self.initialization, padding=1)(x))
            x = Pool(self.pooling)(x)
        x = Dropout(self.dropout)(x.reshape(x.shape[0], -1), train, batch)
        x = activation(Dense(self.dense, self.initialization)(x))
        return Dense(10, self.initialization)(x)
