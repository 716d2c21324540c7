"""Parameters and operations of every network: report 000's tables to the digit, and by hand."""

import functools
import json
import math

import flax.linen as nn
import jax
import pytest
from test_models import PARAMETERS

from fmnist_jax import cost, cost_tables
from fmnist_jax.models import MODELS, make_model

# Report 000, Table 1: layer / stride, shape, input size, operations. (A dropout has no input
# size there and its keep probability under "shape".)
TABLE_1 = """
    Conv2D / s1    | 3×3×1×16  | 28×28×1  | 112896
    Conv2D / s1    | 3×3×16×16 | 28×28×16 | 1806336
    MaxPool2D / s2 | 2×2       | 28×28×16 | 12544
    Conv2D / s1    | 3×3×16×32 | 14×14×16 | 903168
    Conv2D / s1    | 3×3×32×32 | 14×14×32 | 1806336
    MaxPool2D / s2 | 2×2       | 14×14×32 | 6272
    Conv2D / s1    | 3×3×32×32 | 7×7×32   | 451584
    Conv2D / s1    | 3×3×32×32 | 7×7×32   | 451584
    MaxPool2D / s2 | 2×2       | 7×7×32   | 1568
    Flatten        |           | 3×3×32   |
    Dropout, keep prob. = 0.5 | | 288     |
    Dense          | 128×288   | 288      | 36864
    SoftMax        | 10×128    | 128      | 1280
    Total          |           |          | 5590432
"""
# Its "3239K" and "140K" count the moving averages, two a channel.
WITH_AVERAGES = {'mobilenet': 3_239_114, 'simplified_mobilenet': 139_722}


def cells(text):
    """The cells of every table line."""
    return [[cell.strip() for cell in line.split('|')] for line in text.splitlines() if '|' in line]


cost_of = functools.cache(cost.network_cost)


def operations(model, image_shape):
    """{kind and name: operations}"""
    found, _ = cost.layers(model, image_shape)
    return {layer.name: layer.operations for layer in found}


def test_table_1_row_by_row(capsys):
    assert cost.main(['--model=simple_cnn']) == 0
    printed = capsys.readouterr().out
    rows = [row[1:5] for row in cells(printed)][2:]  # below the heading and its line
    assert rows == cells(TABLE_1)
    assert '5,590,432 operations, 73,146 parameters' in printed
    assert 'Report 000: 5.6M, 73K.' in printed and '242M' not in printed


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
    found, _ = cost.layers(make_model('fcn', batch_norm=True, widths=(7,)), (28, 28, 1))
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
    assert cost.multiply_adds(make_model(name), (28, 28, 1)) == count


class _Depthwise(nn.Module):
    """One kernel a channel, called `name_of_kernel`."""

    name_of_kernel: str = 'kernel'

    @nn.compact
    def __call__(self, x, train):
        kernel = self.param(self.name_of_kernel, nn.initializers.ones, (3, 3, 1, x.shape[-1]))
        return jax.lax.conv_general_dilated(
            *(x, kernel, (2, 2), 'VALID'),
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            feature_group_count=x.shape[-1],
        )


def test_multiply_adds_of_a_depthwise_convolution_with_stride():
    assert cost.multiply_adds(_Depthwise(), (9, 7, 5)) == 4 * 3 * 9 * 5


def test_a_kernel_that_would_not_be_counted_is_an_error():
    with pytest.raises(ValueError, match='weights: a kernel whose operations are not counted'):
        cost.multiply_adds(_Depthwise('weights'), (9, 7, 5))


def test_the_overview_and_the_note_on_the_report(capsys, monkeypatch):
    monkeypatch.setattr(cost, 'network_cost', lambda name, _: cost_of(name))
    assert cost.main([]) == 0
    text = capsys.readouterr().out
    lines = {row[1]: row[2:-1] for row in cells(text) if len(row) == 11}
    assert list(lines)[2:] == list(MODELS)
    assert lines['simple_cnn'][:4] == ['28×28×1', '73,146', '73,146', '5,590,432']
    assert lines['simple_cnn'][-2:] == ['73K', '5.6M']
    assert lines['mobilenet'][:4] == ['56×56×3', '3,239,114', '3,217,226', '27,452,800']
    assert lines['cnn_2'][-2:] == ['', '']
    # Hand count of the convolutions at 56x56; 'SAME' leaves 4x4 and 2x2 of 7x7 instead of 3x3, 1x1.
    assert "Keras' padding 27,441,536 at 56×56" in text
    assert "TensorFlow's 'SAME' 42,471,552 at 56×56" in text
    assert "Keras' padding 12,650,624 at 56×56" in text
    assert 'give both with one padding: none' in text


@pytest.mark.parametrize('name', ['mobilenet', 'simplified_mobilenet'])
def test_other_image_sizes_are_reckoned_as_the_network_has_them(name):
    """Keras' padding is what our MobileNets have; 50 gives odd sides at every other stride."""
    at_56, at_50 = cost_of(name), cost.layers(make_model(name), (50, 50, 3))[0]
    convolutions = sum(layer.operations for layer in at_50 if 'Conv2D' in layer.kind)
    assert cost_tables.convolution_operations(at_56, 50, math.floor) == convolutions
    assert cost_tables.convolution_operations(at_56, 50, math.ceil) > convolutions


def test_a_figure_is_compared_to_its_last_digit():
    assert cost_tables.is_figure('5.6M', 5_590_432) and cost_tables.is_figure('93M', 93_499_999)
    assert not cost_tables.is_figure('5.6M', 5_500_000)
    assert not cost_tables.is_figure('93M', 92_400_000)


def test_json_is_all_of_the_output(capsys):
    assert cost.main(['--format=json', '--model=simplified_mobilenet', '--image_size=32']) == 0
    (read,) = json.loads(capsys.readouterr().out)
    assert read['model'] == 'simplified_mobilenet' and read['input'] == [32, 32, 3]
    assert (read['parameters'], read['trainable']) == (139_722, 136_778)
    assert read['reported'] == {'parameters': '140K', 'operations': '93M'}
    assert read['operations'] == sum(layer['operations'] for layer in read['layers'])
    assert read['layers'][0]['shape'] == [3, 3, 3, 32] and read['flops'] > 0


def test_json_of_all_networks(capsys, monkeypatch):
    monkeypatch.setattr(cost, 'network_cost', lambda name, _: cost_of(name))
    assert cost.main(['--format=json']) == 0
    read = json.loads(capsys.readouterr().out)
    assert [one['model'] for one in read] == list(MODELS)
    assert {one['model']: one['trainable'] for one in read} == PARAMETERS


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--model=lenet'], "error: argument --model: invalid choice: 'lenet' (choose from "),
        (['--image_size=31'], 'error: --image_size=31: expected 32 or more'),
        (['--image_size=56', '--model=fcn'], 'error: --image_size=56: fcn takes images of 28x28'),
        (['--format=csv'], "error: argument --format: invalid choice: 'csv'"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit, match='2'):
        cost.main(arguments)
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count('\n') == 1
