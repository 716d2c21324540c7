"""Keras' ImageNet weights for MobileNet: fetched once, checked, ported to our parameters.

Source: keras/src/applications/mobilenet.py (Keras 3.15). Keras publishes no checksum for these
files, and none could be verified here. So a download is held against the MD5 that its own server
names, and every file, wherever it comes from, against the network: layers and shapes.
"""

import hashlib
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from fmnist_jax.data import datasets, download
from fmnist_jax.models import keras_files
from fmnist_jax.models.keras_files import WeightsError

ADDRESS = 'https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/'
_FILES = {  # width multiplier -> file; 224 is the side of the images they were trained on
    1.0: 'mobilenet_1_0_224_tf_no_top.h5',
    0.75: 'mobilenet_7_5_224_tf_no_top.h5',
    0.5: 'mobilenet_5_0_224_tf_no_top.h5',
    0.25: 'mobilenet_2_5_224_tf_no_top.h5',
}
_NUMBERS = range(1, 14)
_SEPARABLE = [f'conv_{kind}_{number}' for number in _NUMBERS for kind in ('dw', 'pw')]
_CONVOLUTIONS = ['conv1', *_SEPARABLE]
_CLASSIFIER = 'conv_preds'  # ImageNet's 1,000 classes: not ours, so never read
# Keras' layers by class in the order Keras makes them.
_LAYER_ORDER = {
    'conv2d': ['conv1', *(f'conv_pw_{number}' for number in _NUMBERS), _CLASSIFIER],
    'depthwise_conv2d': [f'conv_dw_{number}' for number in _NUMBERS],
    'batch_normalization': [f'{name}_bn' for name in _CONVOLUTIONS],
}
LAYERS = tuple(name for conv in _CONVOLUTIONS for name in (conv, f'{conv}_bn'))
_IF_YOURS = 'name another file with --pretrained=FILE, or leave the flag out to download it'
_IF_DOWNLOADED = 'delete it, and the next run downloads it again'


class Pretrained(NamedTuple):
    """Weights to start from, and where they are from."""

    variables: dict  # {'params', 'batch_stats'}: the part of a network's that is pretrained
    source: dict  # for result lines: see `_source`


def load(model, image_shape, file=None, fresh=(), cache_dir=None):
    """Pretrained weights for a MobileNet.

    The dense layer always starts fresh; the file's layers beyond the network's blocks stay unused.

    Args:
      model: models.mobilenet.MobileNet.
      image_shape: (height, width, 3).
      file: path of a Keras file in either layout (see keras_files); fetched if None.
      fresh: names of Keras layers that are not taken from the file: the network's own, such as
        'conv_pw_13', 'conv_pw_13_bn', start from random weights; the file's others, such as the
        'dense' of a network that was trained further, are ignored.
      cache_dir: as for data.load.

    Returns:
      Pretrained.

    Raises:
      WeightsError: the file cannot be had or read; `fresh` names a layer that neither has; a
        layer is missing, unknown or of another shape: all of them are listed.
    """
    path = pathlib.Path(file or fetch(model.width_multiplier, cache_dir)).expanduser()
    try:
        layers = keras_files.read(path, _LAYER_ORDER)
    except WeightsError as error:
        raise WeightsError(f'{error}; {_IF_YOURS if file else _IF_DOWNLOADED}') from error
    _check_fresh(fresh, layers, path)
    images = jax.ShapeDtypeStruct((1, *image_shape), np.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    variables, problems = port(layers, shapes, fresh)
    if problems:
        listed = '\n  '.join(problems)
        raise WeightsError(
            f'{path} does not fit this MobileNet (width_multiplier {model.width_multiplier}):\n  '
            f'{listed}\nExpected Keras weights of the same width. Of layers named by '
            "--fresh=LAYER,… MobileNet's own start from random weights, others are ignored"
        )
    return Pretrained(variables, _source(path, variables, fresh, shapes['params']))


def _check_fresh(fresh, layers, path):
    """Refuses names that are layers neither of MobileNet nor of the file."""
    others = sorted(set(layers) - set(LAYERS))
    unknown = sorted(set(fresh) - {*LAYERS, *others})
    if unknown:
        raise WeightsError(
            f'--fresh={",".join(unknown)}: no such layers; MobileNet has {", ".join(LAYERS[:4])} '
            f'… {", ".join(LAYERS[-2:])}; others in {path}: {", ".join(others) or "none"}'
        )


def _source(path, variables, fresh, params):
    """The file, and what this network takes of it: other files may hold the same."""
    ported = hashlib.sha256()
    for name, array in sorted(flatten_dict(variables, sep='/').items()):
        ported.update(name.encode() + array.tobytes())
    return {
        'file': path.name,
        'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
        'fresh': sorted(fresh),
        'ported_sha256': ported.hexdigest(),
        'fresh_in_network': sorted({f for f in fresh if f.removesuffix('_bn') in params}),
    }


def port(layers, shapes, fresh=()):
    """Keras' layers as variables of our network.

    Args:
      layers: {Keras' layer: {weight: array}}.
      shapes: the network's variables or their shapes, {'params', 'batch_stats'}.
      fresh: Keras layers that are not ported, ours or the file's.

    Returns:
      (variables of the ported layers, list of what is missing, unknown or misshaped).
    """
    problems = [
        f'{name}: a layer that MobileNet does not have'
        for name in sorted(layers.keys() - {*LAYERS, _CLASSIFIER, *fresh})
    ]
    variables = {'params': {}, 'batch_stats': {}}
    for name in (name for name in _CONVOLUTIONS if name in shapes['params']):
        params, statistics = shapes['params'][name], shapes['batch_stats'][name]
        wanted = {
            name: {'kernel': params['kernel']},
            f'{name}_bn': {
                'gamma': params['norm']['scale'],
                'beta': params['norm']['bias'],
                'moving_mean': statistics['norm']['mean'],
                'moving_variance': statistics['norm']['var'],
            },
        }
        found = {}
        for layer in wanted.keys() - set(fresh):
            found[layer] = _check(layer, layers.get(layer), wanted[layer], problems)
        ported, moments = variables['params'].setdefault(name, {}), found.get(f'{name}_bn')
        if found.get(name):
            ported['kernel'] = found[name]['kernel']
        if moments:
            ported['norm'] = {'scale': moments['gamma'], 'bias': moments['beta']}
            averages = {'mean': moments['moving_mean'], 'var': moments['moving_variance']}
            variables['batch_stats'][name] = {'norm': averages}
    return variables, sorted(problems)


def _check(layer, weights, wanted, problems):
    """The layer's arrays in our layout, or None and what is wrong with them in `problems`."""
    if weights is None:
        problems.append(f'{layer}: missing')
        return None
    if weights.keys() != wanted.keys():
        problems.append(f'{layer}: holds {", ".join(weights)}, expected {", ".join(wanted)}')
        return None
    arrays = {}
    for name, leaf in wanted.items():
        array = weights[name]
        if layer.startswith('conv_dw') and name == 'kernel' and array.ndim == 4:
            array = array.transpose(0, 1, 3, 2)  # Keras: [H, W, C, 1]; ours: [H, W, 1, C]
        if array.shape != leaf.shape:
            expected = f'expected {leaf.shape}'
            problems.append(f'{layer}: {name} has shape {array.shape}, {expected} (ours)')
            return None
        arrays[name] = array.astype(np.float32) if array.dtype.kind == 'f' else array
        wrong = keras_files.not_weights(name, arrays[name])
        if wrong:
            problems.append(f'{layer}: {name} {wrong}')
            return None
    return arrays


def fetch(width_multiplier=1.0, cache_dir=None, address=ADDRESS):
    """Path of Keras' published file, downloaded on first use.

    Raises:
      WeightsError: there is no file for this width, or it cannot be fetched; says what to do.
    """
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
            f'{name} is not at hand and cannot be downloaded.\n'
            f'  cache {folder}: not there\n  download of {address + name}: '
            f'{download.reason(error)}\n'
            'Either put the file into that folder, or name it by --pretrained=FILE; rows without '
            "pretrained weights can be trained meanwhile: --rows='simple_cnn*'"
        ) from error
