"""The tables that cost.py prints, from what network_cost gives."""

import math

from fmnist_jax.markdown import markdown

# Table 2 of report 000, as printed.
REPORTED = {
    'simple_cnn': {'parameters': '73K', 'operations': '5.6M'},
    'mobilenet': {'parameters': '3239K', 'operations': '242M'},
    'simplified_mobilenet': {'parameters': '140K', 'operations': '93M'},
}

# Sides of images that a MobileNet may have (models/mobilenet.py, fields.py); the report's figures
# are looked for among them.
SIZES = range(32, 513)
# How a layer of stride 2 halves an odd side in MobileNet: as its padding makes it.
_PADDINGS = {"Keras' padding": math.floor, "TensorFlow's 'SAME'": math.ceil}

_NOTE = """\
Of one image, forward. parameters: with batch norm's moving averages, as report 000 counts them.
operations: report 000's formulas (1) and (2), dense weights, the values that pooling reads.
FLOPs: what XLA counts before it optimizes, for one image, so that every loop runs once: it counts
a loop's body once. Two are a multiply-add; the rest is biases, activations, batch norm. On a CPU,
convolutions of 16 features or fewer multiply zeros, too (several pixels at a time,
convolution.py); elsewhere XLA leaves out the products with the padding's zeros."""


def network(cost):
    """A network layer by layer, in the columns of report 000's Table 1 and two more."""
    rows, maps = [], cost['input']
    for layer in cost['layers']:
        if len(maps) == 3 and len(layer['input']) == 1:  # maps taken as one row of numbers
            rows.append(('Flatten', '', _sides(maps), '', '', ''))
        rows.append(_line(layer))
        maps = layer['output']
    # Table 1's name for the last dense layer. (The softmax itself is part of our losses.)
    rows[-1] = ('SoftMax', *rows[-1][1:])
    rows.append(('Total', '', '', str(cost['operations']), str(cost['parameters']), ''))
    heading = ('layer / stride', 'shape', 'input size', 'operations', 'parameters', 'name')
    reported = cost['reported']
    sums = f'{cost["operations"]:,} operations, {cost["parameters"]:,} parameters'
    sums += f', {cost["trainable"]:,} of them trainable'
    if cost['flops'] is not None:
        sums += f', {cost["flops"]:,} FLOPs (XLA, {cost["backend"]})'
    lines = [
        f'{cost["model"]}, operations per forward step (report 000, formulas 1 and 2)',
        '',
        markdown(heading, rows),
        f'{sums}.',
    ]
    if reported:
        lines.append(f'Report 000: {reported["operations"]}, {reported["parameters"]}.')
    return '\n'.join(lines + unexplained([cost]))


def _line(layer):
    """The cells of one layer."""
    stride = f' / s{layer["stride"]}' if layer['stride'] else ''
    return (
        layer['kind'] + stride,
        _sides(layer['shape']),
        _sides(layer['input']),
        str(layer['operations'] or ''),
        str(layer['parameters'] or ''),
        layer['name'],
    )


def _sides(shape):
    return '×'.join(map(str, shape))


def page(costs):
    """One network layer by layer; of all, report 000's Table 1 and one line for each network.

    And what the report leaves unexplained.
    """
    if len(costs) == 1:
        return network(costs[0])
    table_1 = next(network(cost) for cost in costs if cost['model'] == 'simple_cnn')
    parts = [f'Table 1 of report 000: {table_1}', '', 'All networks:', '', overview(costs)]
    return '\n'.join(parts + unexplained(costs))


def overview(costs):
    """One line for each network, and what the columns are."""
    flops = f'FLOPs (XLA, {costs[0]["backend"]})'
    heading = ['network', 'input', 'parameters', 'trainable', 'operations', flops]
    heading += ['FLOPs / (2 × multiply-adds)', 'report: parameters', 'report: operations']
    rows = []
    for cost in costs:
        counted = cost['flops']
        reported = cost['reported'] or {'parameters': '', 'operations': ''}
        rows.append((
            *(cost['model'], _sides(cost['input'])),
            *(f'{cost[field]:,}' for field in ('parameters', 'trainable', 'operations')),
            '' if counted is None else f'{counted:,}',
            '' if counted is None else f'{counted / (2 * cost["multiply_adds"]):.2f}',
            *(reported['parameters'], reported['operations']),
        ))  # fmt: skip
    return markdown(heading, rows) + '\n' + _NOTE


def convolution_operations(cost, side, rounding):
    """What a network's convolutions would take by formulas (1) and (2) with other images.

    Args:
      cost: of a MobileNet, whose sides change by strides alone.
      side: of the images, in pixels.
      rounding: how a stride of 2 halves an odd side: math.floor or math.ceil.
    """
    operations = 0
    for layer in cost['layers']:
        if 'Conv2D' in layer['kind']:
            side = rounding(side / layer['stride'])
            operations += math.prod(layer['shape']) * side**2
    return operations


def is_figure(printed, operations):
    """Whether a number is what a report prints as, say, '5.6M'."""
    figure = printed.removesuffix('M')
    return f'{operations / 1e6:.{len(figure.partition(".")[2])}f}' == figure


def unexplained(costs):
    """Lines on the figures of the report that its formulas do not give; none if they all do."""
    off = [cost for cost in costs if cost['reported'] and not _explained(cost)]
    lines = [''] if off else []
    for cost in off:
        lines += _nearest_sizes(cost)
    if len(off) > 1:
        both = [s for s in SIZES for r in _PADDINGS.values() if all(_fits(c, s, r) for c in off)]
        lines.append(
            f'Image sizes from {SIZES[0]} to {SIZES[-1]} that give both with one padding: '
            f'{", ".join(map(str, both)) or "none"}.'
        )
    return lines


def _explained(cost):
    return is_figure(cost['reported']['operations'], cost['operations'])


def _fits(cost, side, rounding):
    figure = cost['reported']['operations']
    return is_figure(figure, convolution_operations(cost, side, rounding))


def _nearest_sizes(cost):
    """What the formulas give at this image size, and which sizes would give the report's figure."""
    figure, side = cost['reported']['operations'], cost['input'][0]
    target = 1e6 * float(figure.removesuffix('M'))
    lines = [
        f'{cost["model"]}: report 000 prints {figure} operations. By its formulas the convolutions '
        'take'
    ]
    for padding, rounding in _PADDINGS.items():
        counts = {s: convolution_operations(cost, s, rounding) for s in (side, *SIZES)}
        nearest = min(counts, key=lambda s, counts=counts: abs(counts[s] - target))
        lines.append(
            f'  with {padding} {counts[side]:,} at {side}×{side}; '
            f'nearest to {figure} is {nearest}×{nearest} with {counts[nearest]:,}'
        )
    fitting = [s for s in SIZES if any(_fits(cost, s, r) for r in _PADDINGS.values())]
    sizes = ', '.join(f'{s}×{s}' for s in fitting) or f'no size from {SIZES[0]} to {SIZES[-1]}'
    there = f'give {figure} at {sizes}'
    if side not in fitting:
        there = f'do not give {figure} at {side}×{side}; they would at {sizes}'
    return [*lines, f'  So the formulas {there}']
