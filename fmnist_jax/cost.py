"""Parameters and operations per forward step of every network, layer by layer.

    python -m fmnist_jax.cost                     report 000's Table 1, then all networks
    python -m fmnist_jax.cost --model=mobilenet   one network, layer by layer
    python -m fmnist_jax.cost --dataset=cifar10   for the images and classes of another data set
    python -m fmnist_jax.cost --format=json       for programs

Operations follow report 000's formulas (models/operations.py). Beside them stand the FLOPs that XLA
counts in the program for this machine.
"""

import json
import sys

import jax
import jax.numpy as jnp

from fmnist_jax.config.cli import Parser, exit_code, whole
from fmnist_jax.config.schema import BY_PATH
from fmnist_jax.data import catalog
from fmnist_jax.markdown import markdown, number, sides
from fmnist_jax.models import MODELS, make_model
from fmnist_jax.models.mobilenet import SMALLEST, MobileNet
from fmnist_jax.models.operations import layers, of_kernels, size

IMAGE_SIZE = 56  # of the MobileNets, in report 000
REPORTED = {  # Table 2 of report 000, as printed
    'simple_cnn': {'parameters': '73K', 'operations': '5.6M'},
    'mobilenet': {'parameters': '3239K', 'operations': '242M'},
    'simplified_mobilenet': {'parameters': '140K', 'operations': '93M'},
}
_NOTE = """\
For one image, forward. parameters: with batch norm's moving averages, as report 000 counts them.
operations: report 000's formulas (1) and (2), dense weights, the values that pooling reads.
FLOPs: what XLA counts before it optimizes. A multiply-add is two; the rest is biases, activations
and batch norm. On a CPU, convolutions of 16 features or fewer multiply zeros, too (convolution.py);
elsewhere XLA leaves out the products with the padding's zeros.
Report 000 prints 242M and 93M operations for the MobileNets. Its formulas do not give them at
56×56: they would at sides of 141 to 144 and of 149 to 153 pixels, and no size gives both."""


def compiler_flops(model, variables, image_shape):
    """Floating-point operations that XLA counts in one image's forward pass; None if it cannot."""
    # XLA counts a loop's body once; with one image the loops of convolution.py run once.
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    forward = jax.jit(lambda variables, images: model.apply(variables, images, train=False))
    flops = (forward.lower(variables, images).cost_analysis() or {}).get('flops')
    return None if flops is None else round(flops)


def network_cost(name, image_size=IMAGE_SIZE, dataset='fashion_mnist'):
    """The printed numbers of a network; `image_size`: pixels, of the MobileNets alone."""
    model = make_model(name, len(catalog.CLASS_NAMES[dataset]))
    is_mobilenet = isinstance(model, MobileNet)
    fields = {'image_size': image_size if is_mobilenet else 0, 'channels': 3 if is_mobilenet else 1}
    shape = catalog.input_shape({'name': dataset} | fields)
    found, variables = layers(model, shape)
    return {
        'model': name,
        'dataset': dataset,
        'input': shape,
        'parameters': size(variables),
        'trainable': size(variables['params']),
        'operations': sum(layer.operations for layer in found),
        'multiply_adds': of_kernels(found),
        'flops': compiler_flops(model, variables, shape),
        'backend': jax.default_backend(),
        'reported': REPORTED.get(name) if dataset == 'fashion_mnist' else None,
        'layers': [layer._asdict() for layer in found],
    }


def network_table(cost):
    """A `network_cost` layer by layer: report 000's Table 1, with parameters and names."""
    rows, previous = [], cost['input']
    for layer in cost['layers']:
        if len(previous) == 3 and len(layer['input']) == 1:
            rows.append(('Flatten', '', sides(previous), '', '', ''))
        stride = f' / s{layer["stride"]}' if layer['stride'] else ''
        shapes = sides(layer['shape']), sides(layer['input'])
        counts = str(layer['operations'] or ''), str(layer['parameters'] or '')
        rows.append((layer['kind'] + stride, *shapes, *counts, layer['name']))
        previous = layer['output']
    rows[-1] = ('SoftMax', *rows[-1][1:])  # Table 1's name for the last dense layer
    rows.append(('Total', '', '', str(cost['operations']), str(cost['parameters']), ''))
    heading = ('layer / stride', 'shape', 'input size', 'operations', 'parameters', 'name')
    sums = f'{cost["operations"]:,} operations, {cost["parameters"]:,} parameters'
    sums += f', {cost["trainable"]:,} of them trainable'
    if cost['flops'] is not None:
        sums += f', {cost["flops"]:,} FLOPs (XLA, {cost["backend"]})'
    title = f'{cost["model"]}, operations per forward step (report 000, formulas 1 and 2)'
    text = f'{title}\n\n{markdown(heading, rows)}\n{sums}.'
    if reported := cost['reported']:
        text += f'\nReport 000: {reported["operations"]}, {reported["parameters"]}.'
    return text


def all_networks(costs):
    """Report 000's Table 1, then one line for each network."""
    rows = []
    for cost in costs:
        flops, reported = cost['flops'], cost['reported'] or {}
        rows.append({
            'network': cost['model'],
            'input': sides(cost['input']),
            'parameters': f'{cost["parameters"]:,}',
            'trainable': f'{cost["trainable"]:,}',
            'operations': f'{cost["operations"]:,}',
            f'FLOPs (XLA, {cost["backend"]})': '' if flops is None else f'{flops:,}',
            'FLOPs / (2 × multiply-adds)': number(flops and flops / (2 * cost['multiply_adds']), 2),
            'report: parameters': reported.get('parameters', ''),
            'report: operations': reported.get('operations', ''),
        })  # fmt: skip
    table = markdown(list(rows[0]), [list(row.values()) for row in rows])
    if (dataset := costs[0]['dataset']) != 'fashion_mnist':
        return f'All networks, for {dataset}:\n\n{table}'
    table_1 = next(network_table(cost) for cost in costs if cost['model'] == 'simple_cnn')
    return f'Table 1 of report 000: {table_1}\n\nAll networks:\n\n{table}\n{_NOTE}'


def _options(argv):
    parser = Parser(description=__doc__)
    parser.add_argument('--model', choices=MODELS, metavar='NAME', help=', '.join(MODELS))
    parser.add_argument('--image_size', type=whole(1), help="side of the MobileNets' images (56)")
    names = list(catalog.CLASS_NAMES)
    parser.add_argument('--dataset', choices=names, default=names[0], help=', '.join(names))
    parser.add_argument('--format', choices=('table', 'json'), default='table')
    options = parser.parse_args(argv)
    side, name = options.image_size, options.model
    _, largest = BY_PATH['dataset.image_size'].values
    if side is not None and not SMALLEST <= side <= largest:
        parser.error(f'--image_size={side}: expected {SMALLEST} to {largest}')
    if side is not None and name and not isinstance(make_model(name), MobileNet):
        parser.error(f'--image_size={side}: {name} takes them as they are')
    return options


def _main(argv):
    options = _options(argv)
    names = [options.model] if options.model else MODELS
    side = options.image_size or IMAGE_SIZE
    costs = [network_cost(name, side, options.dataset) for name in names]
    if options.format == 'json':
        print(json.dumps(costs, indent=1))
    else:
        print(network_table(costs[0]) if options.model else all_networks(costs))


def main(argv=None):
    """The command: prints the tables or JSON; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, argv)


if __name__ == '__main__':
    sys.exit(main())
