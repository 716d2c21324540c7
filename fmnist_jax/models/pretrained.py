"""Keras' ImageNet weights for MobileNet as our parameters.

Source: keras/src/applications/mobilenet.py (Keras 3.15). Keras publishes no checksums. A download
is checked by its server's MD5, and every file by the layers and shapes of the network.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from fmnist_jax.data import datasets, download
from fmnist_jax.files import local_path
from fmnist_jax.models import keras_files, variable_shapes
from fmnist_jax.models.keras_files import WeightsError

ADDRESS = 'https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/'
_FILES = {  # width multiplier -> file, trained on images of 224x224
    1.0: 'mobilenet_1_0_224_tf_no_top.h5',
    0.75: 'mobilenet_7_5_224_tf_no_top.h5',
    0.5: 'mobilenet_5_0_224_tf_no_top.h5',
    0.25: 'mobilenet_2_5_224_tf_no_top.h5',
}
_NUMBERS = range(1, 14)
_CONVOLUTIONS = ['conv1', *(f'conv_{kind}_{n}' for n in _NUMBERS for kind in ('dw', 'pw'))]
_CLASSIFIER = 'conv_preds'  # ImageNet's 1,000 classes, never read
_LAYER_ORDER = {  # Keras' layers by class in the order Keras makes them
    'conv2d': ['conv1', *(f'conv_pw_{number}' for number in _NUMBERS), _CLASSIFIER],
    'depthwise_conv2d': [f'conv_dw_{number}' for number in _NUMBERS],
    'batch_normalization': [f'{name}_bn' for name in _CONVOLUTIONS],
}
_NORM = {  # Keras' weight of a batch norm -> collection and name of ours
    'gamma': ('params', 'scale'),
    'beta': ('params', 'bias'),
    'moving_mean': ('batch_stats', 'mean'),
    'moving_variance': ('batch_stats', 'var'),
}
LAYERS = tuple(name for conv in _CONVOLUTIONS for name in (conv, f'{conv}_bn'))


class Pretrained(NamedTuple):
    """Pretrained variables and their source."""

    variables: dict  # {'params', 'batch_stats'}, without the parts of a network that start fresh
    source: dict  # of result lines: the file, its digests and its fresh layers


def load(model, image_shape, file=None, fresh=(), cache_dir=None):
    """Pretrained weights for a MobileNet, without the dense layer, as a Pretrained.

    Args:
      model: models.mobilenet.MobileNet; layers of the file beyond its blocks are not used.
      image_shape: (height, width, 3).
      file: path of a Keras file (see keras_files); None downloads the published one.
      fresh: Keras layers that are not read: 'conv_pw_13' and 'conv_pw_13_bn' would start from
        random weights, the 'dense' of a network that was trained further is ignored.
      cache_dir: as for datasets.load.

    Raises:
      WeightsError: the file cannot be downloaded or read, or does not fit (lists all problems).
    """
    path = local_path(file or fetch(model.width_multiplier, cache_dir))
    try:
        layers = keras_files.read(path, _LAYER_ORDER)
    except WeightsError as error:
        advice = 'delete it, and the next run downloads it again'
        if file:
            advice = (
                'name another file with --pretrained=FILE, or leave the flag out to download it'
            )
        raise WeightsError(f'{error}; {advice}') from error
    others = sorted(set(layers) - set(LAYERS))
    unknown = sorted(set(fresh) - {*LAYERS, *others})
    if unknown:
        raise WeightsError(
            f'--fresh={",".join(unknown)}: no such layers; MobileNet has {", ".join(LAYERS[:4])} '
            f'… {", ".join(LAYERS[-2:])}; others in {path}: {", ".join(others) or "none"}'
        )
    shapes = variable_shapes(model, image_shape)
    variables, problems = port(layers, shapes, fresh)
    if problems:
        listed = '\n  '.join(problems)
        raise WeightsError(
            f'{path} does not fit this MobileNet (width_multiplier {model.width_multiplier}):\n  '
            f'{listed}\nExpected Keras weights of the same width. Of layers named by '
            "--fresh=LAYER,… MobileNet's own start from random weights, others are ignored"
        )
    digest = hashlib.sha256()  # of the variables, because other files may hold the same
    for name, array in sorted(flatten_dict(variables, sep='/').items()):
        digest.update(name.encode() + array.tobytes())
    source = {
        'file': path.name,
        'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
        'fresh': sorted(fresh),
        'ported_sha256': digest.hexdigest(),
        'fresh_in_network': sorted({f for f in fresh if f.removesuffix('_bn') in shapes['params']}),
    }
    return Pretrained(variables, source)


def port(layers, shapes, fresh=()):
    """Converts Keras' layers {name: {weight: array}}, except `fresh`, to variables of `shapes`.

    Returns (variables of the ported layers, sorted list of what is missing, unknown or misshaped).
    """
    problems = [
        f'{name}: a layer that MobileNet does not have'
        for name in layers.keys() - {*LAYERS, _CLASSIFIER, *fresh}
    ]
    shapes, variables = flatten_dict(shapes), {}
    for conv in _CONVOLUTIONS:
        if ('params', conv, 'kernel') not in shapes:
            continue
        norm = {weight: (kind, conv, 'norm', name) for weight, (kind, name) in _NORM.items()}
        kernel = {'kernel': ('params', conv, 'kernel')}
        for layer, paths in ((conv, kernel), (f'{conv}_bn', norm)):
            if layer in fresh:
                continue
            try:
                variables |= _port_layer(layers.get(layer), paths, shapes)
            except WeightsError as error:
                problems.append(f'{layer}: {error}')
    return {'params': {}, 'batch_stats': {}} | unflatten_dict(variables), sorted(problems)


def _port_layer(weights, paths, shapes):
    """{path in our variables: array} of one layer; raises WeightsError with the first problem."""
    if weights is None:
        raise WeightsError('missing')
    if weights.keys() != paths.keys():
        raise WeightsError(f'holds {", ".join(weights)}, expected {", ".join(paths)}')
    arrays = {}
    for name, path in paths.items():
        array, shape = weights[name], shapes[path].shape
        if path[1].startswith('conv_dw') and name == 'kernel' and array.ndim == 4:
            array = array.transpose(0, 1, 3, 2)  # Keras: [H, W, C, 1]; ours: [H, W, 1, C]
        if array.shape != shape:
            raise WeightsError(f'{name} has shape {array.shape}, expected {shape} (ours)')
        if array.dtype.kind != 'f':
            raise WeightsError(f'{name} holds {array.dtype}, expected floating-point numbers')
        arrays[path] = array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise WeightsError(f'{name} holds numbers that are not finite')
        if name == 'moving_variance' and (array < 0).any():
            raise WeightsError(f'{name} holds negative variances')
    return arrays


def fetch(width_multiplier=1.0, cache_dir=None, address=ADDRESS):
    """Path of Keras' published file, downloaded on first use. Raises WeightsError."""
    if width_multiplier not in _FILES:
        raise WeightsError(
            f'config.model.width_multiplier={width_multiplier}: Keras publishes weights for '
            f'{", ".join(map(str, sorted(_FILES)))}; name a file of yours by --pretrained=FILE'
        )
    name = _FILES[width_multiplier]
    folder = datasets.cache_directory(cache_dir) / 'weights'
    try:
        return download.fetch_file(address + name, folder / name)
    except (OSError, ValueError) as error:
        raise WeightsError(
            f'{name} is not on this machine and cannot be downloaded.\n'
            f'  cache {folder}: not there\n  download of {address + name}: '
            f'{download.reason(error)}\n'
            'Either put the file into that folder, or name it by --pretrained=FILE; rows without '
            "pretrained weights can be trained meanwhile: --rows='simple_cnn*'"
        ) from error
