"""Fully connected networks: `fcn` of report 002 and `ann` of report 004 (section 3.1)."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.layers import ACTIVATIONS, BatchNorm, Dense, Dropout


class MLP(nn.Module):
    """Image -> hidden layers -> 10 logits.

    fcn is 784-400-400-10 (478,410 parameters), ann 784-512-256-dropout-10 (535,818). A hidden
    layer is dense, optional batch norm, activation, dropout. Dropout follows 'each' hidden layer
    or the 'last' (`dropout_after`).
    """

    widths: tuple[int, ...]
    initialization: str
    activation: str = 'relu'
    dropout: float = 0.0
    dropout_after: str = 'each'
    batch_norm: bool = False

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        x = images.reshape(images.shape[0], -1)
        for i, width in enumerate(self.widths):
            x = Dense(width, self.initialization)(x)
            if self.batch_norm:
                x = BatchNorm('pytorch')(x, train, batch)
            x = ACTIVATIONS[self.activation](x)
            if self.dropout_after == 'each' or i == len(self.widths) - 1:
                x = Dropout(self.dropout)(x, train, batch)
        return Dense(10, self.initialization)(x)
