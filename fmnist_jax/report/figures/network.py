"""The network of a row: its layers as blocks, and what its convolutions make of an image."""

import math
import pathlib

import numpy as np

from fmnist_jax.config.settings import from_plain
from fmnist_jax.data import catalog
from fmnist_jax.markdown import sides
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.mistakes import by_accuracy, names_of, place_of
from fmnist_jax.report.figures.style import Figure
from fmnist_jax.results import arrays
from fmnist_jax.results.measures import known

_MOST_BLOCKS = 16  # more do not fit beside each other
_SHEETS = 4  # drawn of a feature map's channels, at most
_MAPS = 12  # response maps of a convolution, at most
_SHOWN = {'Conv2D': 'conv', 'MaxPool2D': 'max pool', 'AveragePool2D': 'average pool'}


def _label(layer):
    """'conv 5×5' of a models.operations.Layer."""
    name = _SHOWN.get(layer.kind, layer.kind.lower())
    if layer.kind in ('Dense', 'GlobalAveragePool2D'):
        return name
    # A convolution with batch norm holds its parameters, too.
    has_norm = layer.parameters > math.prod(layer.shape) + layer.output[-1]
    return f'{name}\n{sides(layer.shape[:2])}' + '\nbatch norm' * has_norm


def _blocks(layers, image_shape):
    """[(what leads there, shape, parameters)] of the image and the outputs of layers."""
    blocks, remarks = [('image', image_shape, 0)], []
    for layer in layers:
        if layer.kind.startswith('Dropout'):
            remarks.append(f'dropout {1 - float(layer.kind.rpartition(" ")[2]):g}')
        elif layer.kind == 'BatchNorm':
            what, shape, parameters = blocks[-1]
            blocks[-1] = (f'{what}\nbatch norm', shape, parameters + layer.parameters)
        else:
            what = '\n'.join([*remarks, _label(layer)])
            blocks.append((what, layer.output, layer.parameters))
            remarks = []
    return blocks


def architecture(row):
    """(Figure of a row's network or None, why there is none): a block for each layer's output."""
    from fmnist_jax.models.operations import layers, size  # imports JAX
    from fmnist_jax.train.step import model_of

    if not row.result or 'model' not in row.result['config']:
        return None, f'row {row.name} has no network'
    config = from_plain({k: row.result['config'][k] for k in ('model', 'dataset')})
    shape = catalog.input_shape(config.dataset)
    called, variables = layers(model_of(config), shape)
    blocks = _blocks(called, shape)
    if len(blocks) > _MOST_BLOCKS:
        return None, f'the network of row {row.name} has {len(blocks)} layers'
    count = f'{size(variables["params"]):,} trainable parameters'
    title = f'{config.model.name}, row {row.name}: {count}'
    plot = style.new(2.1, title, left=0.1, right=0.1, top=0.3, bottom=0.05)
    axes = plot.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.6, len(blocks) - 0.4)
    axes.set_ylim(-1.25, 0.8)
    for x, (what, output, parameters) in enumerate(blocks):
        top = _draw_block(axes, x, output)
        _write(axes, x, top + 0.06, sides(output), va='bottom')
        _write(axes, x, -0.62, what, va='top')
        if parameters:
            _write(axes, x, -1.22, f'{parameters:,}', va='bottom', color=style.MUTED)
    sizes = ', '.join(sides(output) for _, output, _ in blocks)
    caption = (
        "Above each block: height × width × channels of a layer's output; below: the layer, and "
        "its number of parameters, with batch norm's averages. A block is as high as its images; "
        'vectors grow with the logarithm of their length.'
    )
    alt = f'{config.model.name}: outputs of its layers {sizes}; {count}.'
    return Figure('architecture', title, caption, alt, plot), ''


def _draw_block(axes, x, shape):
    """Draws sheets for a feature map or a bar for a vector; returns its upper end."""
    from matplotlib.patches import Rectangle

    is_map = len(shape) == 3
    high = shape[0] / 28 if is_map else 0.2 + 0.25 * math.log10(shape[0])
    high, wide = min(high, 1.0), 0.4 * min(shape[1] / 28, 1.0) if is_map else 0.08
    sheets = min(_SHEETS, 1 + int(math.log2(shape[2]) / 2)) if is_map else 1
    for sheet in reversed(range(sheets)):
        step = 0.05 * (sheet - (sheets - 1) / 2)
        corner = (x - wide / 2 + 0.8 * step, -high / 2 + step)
        patch = Rectangle(corner, wide, high, fc=style.PAPER, ec=style.BLUE, lw=1.0)
        axes.add_patch(patch)
    return high / 2 + 0.05 * (sheets - 1) / 2


def _write(axes, x, y, text, **options):
    axes.text(x, y, text, ha='center', fontsize=6.5, linespacing=1.05, **options)


def _kept(row, workdir):
    """The networks.Networks of the first file of a row's parameters that is there, or None."""
    from fmnist_jax.results import networks  # imports JAX

    paths = [pathlib.Path(workdir) / file for file in known(row.result.get('parameters_file'))]
    path = next(filter(pathlib.Path.is_file, paths), None)
    return path and networks.load(path)


def _responses(settings, variables, image):
    """[float [H, W, C]] of an image uint8 [H, W, ...]: what each convolution gives, in order."""
    import flax.linen as nn

    from fmnist_jax.models.fused_norm import values
    from fmnist_jax.models.layers import Conv, ConvNorm
    from fmnist_jax.train.step import model_of, preprocess

    outputs = []

    def record(next_call, args, kwargs, context):
        output = next_call(*args, **kwargs)
        if isinstance(context.module, Conv | ConvNorm) and context.method_name == '__call__':
            outputs.append(np.asarray(values(output)[0], np.float32))
        return output

    with nn.intercept_methods(record):
        model_of(settings).apply(variables, preprocess(image[None], settings), train=False)
    return outputs


def response_maps(rows, workdir, data_dir=None, image=0):
    """(Figure of the convolutions' outputs in the best row with parameters, or None, why not).

    Args:
      rows: [Row].
      workdir: folder of the results, with the files of the parameters.
      data_dir: see `arrays.labels_at_hand`.
      image: index of a test image.
    """
    kept = ((row, _kept(row, workdir)) for row in by_accuracy(rows))
    row, network = next((pair for pair in kept if pair[1]), (None, None))
    if network is None:
        return None, "no row's parameters are at hand (parameters/ is left out of git)"
    place = place_of(row, data_dir)
    images = arrays.images_at_hand(*place)
    if images is None:
        return None, f'the test images of {row.dataset} are not at hand'
    variables = network.seed(network.seeds[0])
    responses = _responses(network.settings, variables, images[image])
    if not 0 < len(responses) <= _MOST_BLOCKS:
        return None, f'row {row.name} has {len(responses)} convolutions'
    title = f'Response maps of row {row.name}, seed {network.seeds[0]}'
    plot = style.new(0.4 + 0.62 * (1 + len(responses)), title, left=1.3, right=0.1, bottom=0.1)
    grid = plot.subplots(1 + len(responses), 1, gridspec_kw={'hspace': 0.12})
    names = [f'test image {image}'] + [
        f'convolution {k}\n{sides(maps.shape)}' for k, maps in enumerate(responses, 1)
    ]
    height, width = images.shape[1:3]
    shown = [images[image].reshape(height, width, -1), *responses]
    for axes, name, maps in zip(grid, names, shown, strict=True):
        axes.imshow(_strip(maps), cmap='gray', vmin=0, vmax=1, interpolation='none')
        axes.set_anchor('W')
        axes.set_axis_off()
        axes.text(-0.02, 0.5, name, transform=axes.transAxes, ha='right', va='center', fontsize=7.5)
    label = names_of(row)[arrays.labels_at_hand(*place)[image]]
    caption = (
        f'Test image {image} ({label}) and the first {_MAPS} outputs of each convolution, before '
        'the activation (after batch norm and activation where the network has batch norm). '
        'Each map from its smallest value (black) to its largest (white).'
    )
    alt = f'{label} and the response maps of {len(responses)} convolutions of {row.name}.'
    return Figure('response_maps', title, caption, alt, plot), ''


def _strip(maps):
    """The first maps of [H, W, C] beside each other, each scaled to [0, 1]: [H, `_MAPS` * (W + 1)].

    Fewer maps are filled up, so that all strips of a network have maps of the same size.
    """
    height, width, count = maps.shape
    strip = np.full((height, _MAPS * (width + 1)), np.nan)
    for k in range(min(count, _MAPS)):
        one = maps[..., k].astype(float)
        spread = np.ptp(one)
        strip[:, k * (width + 1) :][:, :width] = (one - one.min()) / spread if spread else 0.0
    return strip
