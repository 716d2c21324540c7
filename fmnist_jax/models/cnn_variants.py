"""CNN_1 to CNN_5 of report 001 (section "Models")."""

import flax.linen as nn

from fmnist_jax.models.batch import EVERY_IMAGE
from fmnist_jax.models.fused_norm import values
from fmnist_jax.models.layers import ACTIVATIONS, Conv, ConvNorm, Dense, Dropout
from fmnist_jax.models.pooling import Pool

# (kernel size, features, whether pooled) of each convolution; widths of the hidden dense layers.
_FOUR_CONVOLUTIONS = ((3, 32, False), (3, 64, False), (3, 128, True), (3, 128, True))
_ARCHITECTURES = {
    'cnn_1': (_FOUR_CONVOLUTIONS, (1024, 512)),
    'cnn_2': (_FOUR_CONVOLUTIONS, (1024, 512)),
    'cnn_3': (_FOUR_CONVOLUTIONS, (1024, 512)),
    'cnn_4': (((5, 32, True), (5, 64, True), (1, 128, True)), ()),
    'cnn_5': (
        ((3, 32, False), (3, 64, False), (3, 128, True), (5, 128, False), (5, 256, True)),
        (512,),
    ),
}


class CNNVariant(nn.Module):
    """Convolution, batch norm (not in cnn_1), activation, pooling; then dense layers.

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

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        convolutions, dense_widths = _ARCHITECTURES[self.variant]
        activation = ACTIVATIONS[self.activation]
        x = images
        for size, features, pooled in convolutions:
            if self.batch_norm:
                layer = ConvNorm(
                    features, size, 'pytorch', self.activation, self.initialization, use_bias=True
                )
                x = layer(x, train, batch)
            else:
                x = activation(Conv(features, size, self.initialization)(x))
            if pooled:
                x = Pool(self.pooling, ceil_mode=True)(x)
        x = values(x).reshape(images.shape[0], -1)
        for width in dense_widths:
            x = Dense(width, self.initialization)(x)
            x = activation(Dropout(self.dropout)(x, train, batch))
        return Dense(10, self.initialization)(x)
