"""CNN_1 to CNN_5 of report 001."""

import flax.linen as nn

from fmnist_jax.models import layers
from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values

# (kernel size, features, whether pooled) of each convolution; widths of the hidden dense layers.
_CNN_VARIANTS = dict.fromkeys(
    ('cnn_1', 'cnn_2', 'cnn_3'),
    (((3, 32, False), (3, 64, False), (3, 128, True), (3, 128, True)), (1024, 512)),
) | {
    'cnn_4': (((5, 32, True), (5, 64, True), (1, 128, True)), ()),
    'cnn_5': (
        ((3, 32, False), (3, 64, False), (3, 128, True), (5, 128, False), (5, 256, True)),
        (512,),
    ),
}


class CNNVariant(nn.Module):
    """CNN_1 to CNN_5 of report 001: convolution, batch norm (not in cnn_1), activation, pooling.

    Convolutions are unpadded and pooling rounds up, which gives the report's 3200 = 5*5*128.
    Dropout (cnn_3) comes before the activation of each hidden dense layer. Parameters: cnn_1
    4,048,010, cnn_2 and cnn_3 4,048,714, cnn_4 65,994, cnn_5 1,853,002.
    """

    variant: str
    activation: str = 'relu'
    pooling: str = 'max'
    dropout: float = 0.0
    batch_norm: bool = True
    initialization: str = 'pytorch'
    classes: int = 10

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        convolutions, dense_widths = _CNN_VARIANTS[self.variant]
        activation = layers.ACTIVATIONS[self.activation]
        x = images
        for size, features, pooled in convolutions:
            if self.batch_norm:
                layer = layers.ConvNorm(
                    features, size, 'pytorch', self.activation, self.initialization, use_bias=True
                )
                x = layer(x, train, batch)
            else:
                x = activation(layers.Conv(features, size, self.initialization)(x))
            if pooled:
                x = layers.Pool(self.pooling, ceil_mode=True)(x)
        x = values(x).reshape(images.shape[0], -1)
        for width in dense_widths:
            x = layers.Dense(width, self.initialization)(x)
            x = activation(layers.Dropout(self.dropout)(x, train, batch))
        return layers.Dense(self.classes, self.initialization)(x)
