"""LeNet-5 as in report 003 (section "LeNet-5 CNN")."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.layers import ACTIVATIONS, Conv, Dense, Dropout
from fmnist_jax.models.pooling import Pool


class LeNet5(nn.Module):
    """conv 6@5x5, pool, conv 16@5x5, pool, 400-120-84-10: 61,706 parameters.

    The first convolution pads by 2, because LeCun's images are 32x32. The report does not say
    where its dropout goes; here it follows each of the two hidden dense layers.
    """

    activation: str = 'tanh'
    pooling: str = 'average'
    dropout: float = 0.0
    initialization: str = 'pytorch'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = ACTIVATIONS[self.activation]
        x = activation(Conv(6, 5, self.initialization, padding=2)(images))
        x = Pool(self.pooling)(x)
        x = activation(Conv(16, 5, self.initialization)(x))
        x = Pool(self.pooling)(x)
        x = x.reshape(x.shape[0], -1)
        for width in (120, 84):
            x = activation(Dense(width, self.initialization)(x))
            x = Dropout(self.dropout)(x, train, batch)
        return Dense(10, self.initialization)(x)
