"""Parameters and operations of every network, counted by hand."""

import functools

import flax.linen as nn
import jax
import pytest
from parameter_counts import PARAMETERS

from fmnist_jax import cost
from fmnist_jax.models import MODELS, make_model
from fmnist_jax.models.layers import Dense
from fmnist_jax.models.operations import layers, multiply_adds

# Report 000's "3239K" and "140K" count the moving averages, two a channel.
WITH_AVERAGES = {'mobilenet': 3_239_114, 'simplified_mobilenet': 139_722}


cost_of = functools.cache(cost.network_cost)


def operations(model, image_shape):
    """{kind and name: operations}"""
    found, _ = layers(model, image_shape)
    return {layer.name: layer.operations for layer in found}


@pytest.mark.parametrize('name', MODELS)
def test_every_network(name):
    counted = cost_of(name)
    assert counted['trainable'] == PARAMETERS[name]
    assert counted['parameters'] == WITH_AVERAGES.get(name, counted['parameters'])
    assert counted['parameters'] == sum(layer['parameters'] for layer in counted['layers'])
    assert counted['operations'] == sum(layer['operations'] for layer in counted['layers'])
    # XLA counts two for a multiply-add and some for all else. LeNet-5 multiplies zeros, too, on
    # a CPU; a loop counted once that runs several times would miss most of the arithmetic.
    assert 1 < counted['flops'] / (2 * counted['multiply_adds']) < 1.4


def test_formula_1_unpadded_and_formula_2_at_stride_2_by_hand():
    lenet = operations(make_model('lenet5'), (28, 28, 1))
    assert lenet['Conv_0'] == 5 * 5 * 28**2 * 1 * 6  # padded by 2
    assert lenet['Conv_1'] == 5 * 5 * 10**2 * 6 * 16  # 14 - 5 + 1
    assert lenet['Pool_1'] == 10 * 10 * 16
    # Sides 36, 18, 9 and 4: the last stride meets an odd side.
    mobilenet = operations(make_model('mobilenet', blocks=4), (36, 36, 3))
    assert mobilenet['conv1'] == 3 * 3 * 18**2 * 3 * 32
    first = mobilenet['conv_dw_1'] + mobilenet['conv_pw_1']
    assert first == 3 * 3 * 18**2 * 32 + 18**2 * 32 * 64
    last = mobilenet['conv_dw_4'] + mobilenet['conv_pw_4']
    assert last == 3 * 3 * 4**2 * 128 + 4**2 * 128 * 256
    assert mobilenet['GlobalAveragePool_0'] == 4 * 4 * 256


def test_pooling_that_rounds_up_reads_every_value():
    assert operations(make_model('cnn_5'), (28, 28, 1))['Pool_1'] == 3 * 3 * 256


def test_batch_norm_without_a_convolution_is_a_layer():
    found, _ = layers(make_model('fcn', batch_norm=True, widths=(7,)), (28, 28, 1))
    assert [(layer.kind, layer.parameters) for layer in found] == [
        ('Dense', 785 * 7),
        ('BatchNorm', 4 * 7),
        ('Dense', 80),
    ]


@pytest.mark.parametrize(
    ('name', 'count'),
    [
        ('fcn', 784 * 400 + 400 * 400 + 400 * 10),
        ('lenet5', 28**2 * 25 * 6 + 10**2 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10),
        (
            'simple_cnn',
            28**2 * 9 * (16 + 16 * 16)
            + 14**2 * 9 * (16 * 32 + 32 * 32)
            + 7**2 * 9 * 2 * 32 * 32
            + (288 * 128 + 128 * 10),
        ),
    ],
)
def test_multiply_adds(name, count):
    assert multiply_adds(make_model(name), (28, 28, 1)) == count


class _Depthwise(nn.Module):
    """One kernel a channel, called `name_of_kernel`."""

    name_of_kernel: str = 'kernel'

    @nn.compact
    def __call__(self, x, train):
        kernel = self.param(self.name_of_kernel, nn.initializers.ones, (3, 3, 1, x.shape[-1]))
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (2, 2),
            'VALID',
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            feature_group_count=x.shape[-1],
        )


def test_multiply_adds_of_a_depthwise_convolution_with_stride():
    assert multiply_adds(_Depthwise(), (9, 7, 5)) == 4 * 3 * 9 * 5


def test_a_kernel_that_would_not_be_counted_is_an_error():
    with pytest.raises(ValueError, match='weights: a kernel whose operations are not counted'):
        multiply_adds(_Depthwise('weights'), (9, 7, 5))


class _Watched(nn.Module):
    """A dense layer that takes shapes alone."""

    @nn.compact
    def __call__(self, images, train):
        assert isinstance(images, jax.core.Tracer)
        return Dense(2, 'keras')(images)


def test_no_image_is_made_to_count_its_operations():
    """One of 30,000x30,000 would take 11 GB."""
    assert multiply_adds(_Watched(), (5,)) == 10
