"""What fmnist_jax.cost prints: report 000's tables to the digit, what they leave unexplained."""

import json
import math

import pytest
from parameter_counts import PARAMETERS
from test_cost import cost_of

from fmnist_jax import cost
from fmnist_jax.config import schema
from fmnist_jax.models import MODELS, make_model
from fmnist_jax.models.mobilenet import SMALLEST
from fmnist_jax.report import cost_tables

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


def cells(text):
    """The cells of every table line."""
    return [[cell.strip() for cell in line.split('|')] for line in text.splitlines() if '|' in line]


def test_table_1_row_by_row(capsys):
    assert cost.main(['--model=simple_cnn']) == 0
    printed = capsys.readouterr().out
    rows = [row[1:5] for row in cells(printed)][2:]  # below the heading and its line
    assert rows == cells(TABLE_1)
    assert '5,590,432 operations, 73,146 parameters' in printed
    assert '73,146 of them trainable, 12,516,372 FLOPs (XLA, cpu).' in printed
    assert 'Report 000: 5.6M, 73K.' in printed and '242M' not in printed


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
    # All with 'SAME': the first convolution leaves 71 or 72, then 36, 18, 9 and 5.
    would = 'they would at 141×141, 142×142, 143×143, 144×144'
    assert f'So the formulas do not give 242M at 56×56; {would}' in text
    assert 'So the formulas do not give 93M at 56×56; they would at 149×149, 150×150' in text


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
        (['--image_size=31'], 'error: --image_size=31: expected 32 to 512'),
        (['--image_size=10000000'], 'error: --image_size=10000000: expected 32 to 512'),
        (['--image_size=56', '--model=fcn'], 'error: --image_size=56: fcn takes images of 28x28'),
        (['--format=csv'], "error: argument --format: invalid choice: 'csv'"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit, match='2'):
        cost.main(arguments)
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count('\n') == 1


def test_image_sizes_are_those_that_can_be_trained():
    _, most = schema._WHOLE['dataset.image_size']
    assert range(SMALLEST, most + 1) == cost_tables.SIZES


def test_the_conclusion_follows_the_image_size():
    """At 143x143 the report's number comes out with TensorFlow's padding, though not with ours."""
    large = cost_of('mobilenet') | {'input': (143, 143, 3)}
    assert cost_tables.unexplained([large])[-1] == (
        '  So the formulas give 242M at 141×141, 142×142, 143×143, 144×144'
    )
    never = large | {'reported': {'parameters': '3239K', 'operations': '1M'}}
    assert cost_tables.unexplained([never])[-1].endswith('they would at no size from 32 to 512')


def test_flops_that_cannot_be_counted_are_left_out():
    text = cost_tables.network(cost_of('simple_cnn') | {'flops': None})
    assert '73,146 of them trainable.' in text and 'FLOPs' not in text
