"""LeNet-5 of report 003."""

import flax.linen as nn

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE


class LeNet5(nn.Module):
    """LeNet-5 of report 003: conv 6@5x5, pool, conv 16@5x5, pool, 400-120-84-10: 61,706 parameters.

    The first convolution pads by 2, because LeCun's images are 32x32. The report does not say
    where its dropout goes.
    """

    activation: str = 'tanh'
    pooling: str = 'average'
    dropout: float = 0.0
    initialization: str = 'pytorch'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = layers.ACTIVATIONS[self.activation]
        x = activation(layers.Conv(6, 5, self.initialization, padding=2)(images))
        x = layers.Pool(self.pooling)(x)
        x = activation(layers.Conv(16, 5, self.initialization)(x))
        x = layers.Pool(self.pooling)(x)
        x = x.reshape(x.shape[0], -1)
        for width in (120, 84):
            x = activation(layers.Dense(width, self.initialization)(x))
            x = layers.Dropout(self.dropout)(x, train, batch)
        return layers.Dense(self.classes, self.initialization)(x)
