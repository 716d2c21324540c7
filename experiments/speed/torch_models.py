"""The networks of fmnist_jax/models in PyTorch, layer by layer.

For speed, activations are in place and convolutions pad by themselves where they can. Images are
[N, channels, height, width].
"""

import torch.nn.functional as F
from torch import nn


def _dense(inputs, features):
    """A dense layer and ReLU."""
    return [nn.Linear(inputs, features), nn.ReLU(inplace=True)]


def _fcn():
    return nn.Sequential(
        nn.Flatten(),
        *_dense(784, 400),
        *_dense(400, 400),
        nn.Linear(400, 10),
    )


def _convolution(inputs, features, size, padding=0, batch_norm=False):
    """A convolution, batch norm if `batch_norm`, and ReLU."""
    norm = [nn.BatchNorm2d(features)] if batch_norm else []
    return [nn.Conv2d(inputs, features, size, padding=padding), *norm, nn.ReLU(inplace=True)]


def _lenet5():
    return nn.Sequential(
        *_convolution(1, 6, 5, padding=2),
        nn.MaxPool2d(2),
        *_convolution(6, 16, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        *_dense(400, 120),
        *_dense(120, 84),
        nn.Linear(84, 10),
    )


def _simple_cnn():
    layers, inputs = [], 1
    for width in (16, 32, 32):
        layers += _convolution(inputs, width, 3, padding=1)
        layers += [*_convolution(width, width, 3, padding=1), nn.MaxPool2d(2)]
        inputs = width
    layers += [nn.Flatten(), nn.Dropout(0.5), *_dense(288, 128)]
    return nn.Sequential(*layers, nn.Linear(128, 10))


def _tuned_cnn():
    return nn.Sequential(
        *_convolution(1, 64, 3),
        nn.MaxPool2d(2),
        *_convolution(64, 64, 3),
        nn.Flatten(),
        nn.Dropout(0.5),
        *_dense(64 * 11 * 11, 128),
        nn.Linear(128, 10),
    )


def _cnn_variant(batch_norm):
    layers, inputs = [], 1
    for features, pooled in ((32, False), (64, False), (128, True), (128, True)):
        layers += _convolution(inputs, features, 3, batch_norm=batch_norm)
        layers += [nn.MaxPool2d(2, ceil_mode=True)] if pooled else []
        inputs = features
    layers += [nn.Flatten(), *_dense(3200, 1024), *_dense(1024, 512), nn.Linear(512, 10)]
    return nn.Sequential(*layers)


class _Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits):
        return self.factor * logits


def _norm_convolution(inputs, features):
    """A padded 3x3 convolution without a bias, and batch norm."""
    return [nn.Conv2d(inputs, features, 3, padding=1, bias=False), nn.BatchNorm2d(features)]


def _speed_net(widths=(32, 96, 128)):
    """The fixed first kernel keeps its random start here: its values do not change the time.

    Max-pooling is before ReLU, which gives the same and is faster: ReLU has a quarter of the
    values. It cannot be before batch norm, whose statistics are those of all values.
    """
    whiten = nn.Conv2d(1, 18, 3, padding=1)
    whiten.weight.requires_grad_(False)
    layers, inputs = [whiten, nn.ReLU(inplace=True)], 18
    for width in widths:
        layers += [*_norm_convolution(inputs, width), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        layers += [*_norm_convolution(width, width), nn.ReLU(inplace=True)]
        inputs = width
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(inputs, 10), _Scale(1 / 9)]
    return nn.Sequential(*layers)


class _PadEnd(nn.Module):
    """Adds a row of zeros below and a column on the right, as Keras does before stride 2."""

    def forward(self, images):
        return F.pad(images, (0, 1, 0, 1))


def _norm_relu6(features):
    return [nn.BatchNorm2d(features, eps=1e-3), nn.ReLU6(inplace=True)]


def _separable(inputs, features, stride):
    """A depthwise 3x3 and a pointwise convolution, each with batch norm and ReLU6."""
    return [
        *([_PadEnd()] if stride == 2 else []),
        nn.Conv2d(inputs, inputs, 3, stride, 2 - stride, groups=inputs, bias=False),
        *_norm_relu6(inputs),
        nn.Conv2d(inputs, features, 1, bias=False),
        *_norm_relu6(features),
    ]


_MOBILENET_BLOCKS = (  # (features, stride)
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


def _mobilenet(blocks):
    layers = [_PadEnd(), nn.Conv2d(3, 32, 3, 2, bias=False), *_norm_relu6(32)]
    inputs = 32
    for features, stride in _MOBILENET_BLOCKS[:blocks]:
        layers += _separable(inputs, features, stride)
        inputs = features
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(inputs, 10)]
    return nn.Sequential(*layers)


MODELS = {
    'fcn': _fcn,
    'lenet5': _lenet5,
    'simple_cnn': _simple_cnn,
    'tuned_cnn': _tuned_cnn,
    'cnn_1': lambda: _cnn_variant(batch_norm=False),
    'cnn_2': lambda: _cnn_variant(batch_norm=True),
    'speed_net': _speed_net,
    'simplified_mobilenet': lambda: _mobilenet(blocks=5),
    'mobilenet': lambda: _mobilenet(blocks=13),
}
