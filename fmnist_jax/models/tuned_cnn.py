"""The CNNs of report 004."""

import flax.linen as nn

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE


class TunedCNN(nn.Module):
    """The base CNN and the tuning grids' networks of report 004 (sections 4.2 and 5).

    Unpadded convolutions, 2x2 pooling between them (none after the last), one dense layer.
    base_cnn has 28,394 parameters, the best tuned network (64, 64, dense 128) 1,030,218.
    """

    widths: tuple[int, ...]
    dense: int
    kernel_size: int = 3
    activation: str = 'relu'
    pooling: str = 'max'
    dropout: float = 0.5
    dropout_after: str = 'last'  # convolution, or 'each' (and its pooling)
    initialization: str = 'keras'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = layers.ACTIVATIONS[self.activation]
        x = images
        for i, width in enumerate(self.widths):
            if i > 0:
                x = layers.Pool(self.pooling)(x)
                if self.dropout_after == 'each':
                    x = layers.Dropout(self.dropout)(x, train, batch)
            x = activation(layers.Conv(width, self.kernel_size, self.initialization)(x))
        x = layers.Dropout(self.dropout)(x.reshape(x.shape[0], -1), train, batch)
        x = activation(layers.Dense(self.dense, self.initialization)(x))
        return layers.Dense(self.classes, self.initialization)(x)
