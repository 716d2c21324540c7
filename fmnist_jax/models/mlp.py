"""The fully connected networks of reports 002 and 004."""

import flax.linen as nn

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE


class MLP(nn.Module):
    """Fully connected networks: `fcn` of report 002 and `ann` of report 004 (section 3.1).

    fcn is 784-400-400-10 (478,410 parameters), ann 784-512-256-dropout-10 (535,818).
    """

    widths: tuple[int, ...]
    initialization: str
    activation: str = 'relu'
    dropout: float = 0.0
    dropout_after: str = 'each'  # hidden layer, or 'last'
    batch_norm: bool = False
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        x = images.reshape(images.shape[0], -1)
        for i, width in enumerate(self.widths):
            x = layers.Dense(width, self.initialization)(x)
            if self.batch_norm:
                x = layers.BatchNorm('pytorch')(x, train, batch)
            x = layers.ACTIVATIONS[self.activation](x)
            if self.dropout_after == 'each' or i == len(self.widths) - 1:
                x = layers.Dropout(self.dropout)(x, train, batch)
        return layers.Dense(self.classes, self.initialization)(x)
