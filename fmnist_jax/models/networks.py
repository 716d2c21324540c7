"""The reports' networks except MobileNet, and a small ResNet."""

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


class LeNet5(nn.Module):
    """LeNet-5 of report 003: conv 6@5x5, pool, conv 16@5x5, pool, 400-120-84-10: 61,706 parameters.

    The first convolution pads by 2, because LeCun's images are 32x32. The report does not say
    where its dropout goes.
    """

    activation: str = 'tanh'
    pooling: str = 'average'
    dropout: float = 0.0
    initialization: str = 'pytorch'

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
        return layers.Dense(10, self.initialization)(x)


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
        return layers.Dense(10, self.initialization)(x)


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
        return layers.Dense(10, self.initialization)(x)


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
    initialization: str = 'keras'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        activation = layers.ACTIVATIONS[self.activation]
        x = images
        for i, width in enumerate(self.widths):
            if i > 0:
                x = layers.Pool(self.pooling)(x)
            x = activation(layers.Conv(width, self.kernel_size, self.initialization)(x))
        x = layers.Dropout(self.dropout)(x.reshape(x.shape[0], -1), train, batch)
        x = activation(layers.Dense(self.dense, self.initialization)(x))
        return layers.Dense(10, self.initialization)(x)


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
        return layers.Dense(10, self.initialization)(x)


class SmallResNet(nn.Module):
    """A small residual network, the next step that report 001 names: 77,754 parameters.

    As for small images in He et al. 2015, section 4.2: a stage of `blocks` blocks for each width.
    Later stages begin with stride 2 and a 1x1 convolution as the shortcut.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1  # in each stage
    activation: str = 'relu'
    dropout: float = 0.0  # before the dense layer
    initialization: str = 'he_normal'

    @nn.compact
    def __call__(self, images, train, batch=EVERY_IMAGE):
        def convolve(x, width, size, stride=1, activation='linear'):
            layer = layers.ConvNorm(
                width, size, 'pytorch', activation, self.initialization, size // 2, stride
            )
            return layer(x, train, batch)

        activation = layers.ACTIVATIONS[self.activation]
        x = values(convolve(images, self.widths[0], 3, activation=self.activation))
        for stage, width in enumerate(self.widths):
            for block in range(self.blocks):
                stride = 2 if stage and not block else 1
                shortcut = x
                if x.shape[-1] != width or stride != 1:
                    shortcut = values(convolve(x, width, 1, stride))
                inner = convolve(x, width, 3, stride, self.activation)
                x = activation(values(convolve(inner, width, 3)) + shortcut)
        x = layers.Dropout(self.dropout)(layers.GlobalAveragePool()(x), train, batch)
        return layers.Dense(10, self.initialization)(x)
