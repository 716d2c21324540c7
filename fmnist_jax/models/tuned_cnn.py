"""The base CNN and the tuning grids' networks of report 004 (sections 4.2 and 5)."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.layers import ACTIVATIONS, Conv, Dense, Dropout
from fmnist_jax.models.pooling import Pool


class TunedCNN(nn.Module):
    """Unpadded convolutions with 2x2 pooling between them (none after the last), one dense layer.

    base_cnn has widths 32, 32, 32 and dense 32 (28,394 parameters), the best tuned network 64, 64
    and 128 (1,030,218). The grids vary `widths` and `dense`.
    """

    widths: tuple[int, ...]
    dense: int
    kernel_size: int = 3
    activation: str = 'relu'
    pooling: str = 'max'
    dropout: float = 0.5
    initialization: str = 'keras'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = ACTIVATIONS[self.activation]
        x = images
        for i, width in enumerate(self.widths):
            if i > 0:
                x = Pool(self.pooling)(x)
            x = activation(Conv(width, self.kernel_size, self.initialization)(x))
        x = Dropout(self.dropout)(x.reshape(x.shape[0], -1), train, batch)
        x = activation(Dense(self.dense, self.initialization)(x))
        return Dense(10, self.initialization)(x)
