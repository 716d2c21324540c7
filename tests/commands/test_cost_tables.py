"""What fmnist_jax.cost prints: report 000's tables to the digit."""

import json

import pytest
from parameter_counts import PARAMETERS
from test_cost import cost_of

from fmnist_jax import cost
from fmnist_jax.models import MODELS

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
    assert '73,146 of them trainable, 11,312,156 FLOPs (XLA, cpu).' in printed
    assert 'Report 000: 5.6M, 73K.' in printed and '242M' not in printed


def test_the_overview_and_the_note_on_the_report(capsys, monkeypatch):
    monkeypatch.setattr(cost, 'network_cost', lambda name, *_: cost_of(name))
    assert cost.main([]) == 0
    text = capsys.readouterr().out
    lines = {row[1]: row[2:-1] for row in cells(text) if len(row) == 11}
    assert list(lines)[2:] == list(MODELS)
    assert lines['simple_cnn'][:4] == ['28×28×1', '73,146', '73,146', '5,590,432']
    assert lines['simple_cnn'][-2:] == ['73K', '5.6M']
    assert lines['mobilenet'][:4] == ['56×56×3', '3,239,114', '3,217,226', '27,452,800']
    assert lines['cnn_2'][-2:] == ['', '']
    assert 'sides of 141 to 144 and of 149 to 153 pixels' in text


def test_json_is_all_of_the_output(capsys):
    assert cost.main(['--format=json', '--model=simplified_mobilenet', '--image_size=32']) == 0
    (read,) = json.loads(capsys.readouterr().out)
    assert read['model'] == 'simplified_mobilenet' and read['input'] == [32, 32, 3]
    assert (read['parameters'], read['trainable']) == (139_722, 136_778)
    assert read['reported'] == {'parameters': '140K', 'operations': '93M'}
    assert read['operations'] == sum(layer['operations'] for layer in read['layers'])
    assert read['layers'][0]['shape'] == [3, 3, 3, 32] and read['flops'] > 0


def test_json_of_all_networks(capsys, monkeypatch):
    monkeypatch.setattr(cost, 'network_cost', lambda name, *_: cost_of(name))
    assert cost.main(['--format=json']) == 0
    read = json.loads(capsys.readouterr().out)
    assert [one['model'] for one in read] == list(MODELS)
    assert {one['model']: one['trainable'] for one in read} == PARAMETERS


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--model=lenet'], "error: --model: 'lenet': expected one of fcn, "),
        (['--image_size=31'], 'error: --image_size=31: expected 32 to 512'),
        (['--image_size=10000000'], 'error: --image_size=10000000: expected 32 to 512'),
        (
            ['--image_size=56', '--model=fcn'],
            'error: --image_size=56: fcn takes them as they are',
        ),
        (['--format=csv'], "error: --format: 'csv': expected one of table, json"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments, message, capsys):
    assert cost.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count('\n') == 1


def test_flops_that_cannot_be_counted_are_left_out():
    text = cost.network_table(cost_of('simple_cnn') | {'flops': None})
    assert '73,146 of them trainable.' in text and 'FLOPs' not in text
