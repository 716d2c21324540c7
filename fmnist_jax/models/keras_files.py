"""Reads Keras' weight files, without Keras: {layer name: {weight name: array}}.

The legacy format, which keras.applications publishes, has a group for each layer with its weights'
names in an attribute; Keras 2 wrote `:0` behind each name. Keras 3's `.weights.h5` numbers layers
by class (`layers/conv2d_1/vars/0`); newer versions store the layer's name beside its weights.
"""

import io
import json
import os
import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np

from fmnist_jax.errors import DataError, one_line

# A layer's numbered weights, in Keras 3's order; the bias may be absent.
_WEIGHT_NAMES = {
    'conv2d': ('kernel', 'bias'),
    'depthwise_conv2d': ('kernel', 'bias'),
    'batch_normalization': ('gamma', 'beta', 'moving_mean', 'moving_variance'),
}
PATIENCE = 60  # seconds to read a file
_ROOT = pathlib.Path(__file__).parent.parent.parent  # the folder that holds `fmnist_jax`


class WeightsError(DataError):
    """A file of weights that cannot be used; the message names it and what is wrong."""


def read(path, layer_order):
    """{layer name: {weight name: numpy array}} of an .h5 file. Raises WeightsError.

    For files without names, `layer_order` is {Keras' class in snake case: names of its layers in
    the order Keras makes them}.
    """
    # In a process of its own: on some damaged files the HDF5 library loops for ever or ends the
    # process. `multiprocessing` would run the user's script again if it has no `__main__` guard;
    # `-m` would import JAX. `-P` keeps this file's folder off sys.path.
    command = [sys.executable, '-P', __file__, os.path.abspath(path), json.dumps(layer_order)]
    search_path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get('PYTHONPATH')]))
    env = {**os.environ, 'PYTHONPATH': search_path}
    try:
        open(path, 'rb').close()
        done = subprocess.run(command, cwd=_ROOT, env=env, capture_output=True, timeout=PATIENCE)
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror}') from error
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f'{path} cannot be read as Keras weights (not done after {PATIENCE} s: it may be '
            'damaged)'
        ) from error
    if done.returncode:
        last_line = done.stderr.decode(errors='replace').strip().rpartition('\n')[2]
        reason = last_line or f'the HDF5 library ended by signal {-done.returncode}'
        raise WeightsError(f'{path} cannot be read as Keras weights ({reason})')
    layers = {}
    for name, array in np.load(io.BytesIO(done.stdout)).items():
        layer, _, weight = name.rpartition('/')
        layers.setdefault(layer, {})[weight] = array
    return layers


def _main(path, layer_order):
    """Writes the arrays of a file to stdout, or the reason to stderr."""
    try:
        arrays = {
            # .npz files hold texts, but not the Python objects that h5py makes of them.
            f'{layer}/{name}': array.astype(str) if array.dtype.hasobject else array
            for layer, weights in _read(path, json.loads(layer_order)).items()
            for name, array in weights.items()
        }
    except WeightsError as error:
        sys.exit(one_line(error))
    except Exception as error:  # h5py raises every kind of error for a damaged file
        sys.exit(f'{type(error).__name__}: {one_line(error)}')
    np.savez(sys.stdout.buffer, **arrays)


def _read(path, layer_order):
    if not h5py.is_hdf5(path):
        raise WeightsError('it is no HDF5 file')
    with h5py.File(path) as file:
        group = file.get('model_weights', file)  # the former if it is a whole model
        if 'layer_names' in group.attrs:
            return _read_legacy(group)
        if 'layers' in group:
            return _read_keras_3(group['layers'], layer_order)
        raise WeightsError(
            f"it holds {', '.join(group) or 'nothing'}, expected an attribute 'layer_names' or "
            "a group 'layers'"
        )


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _read_legacy(group):
    layers = {}
    for layer in map(_text, group.attrs['layer_names']):
        stored = group.get(layer, {})
        names = [_text(name) for name in stored.attrs.get('weight_names', ())] if stored else []
        # 'conv_dw_1/depthwise_kernel:0' is the kernel of conv_dw_1.
        layers[layer] = {
            re.sub(r'.*/|:0$|depthwise_(?=kernel)', '', name): np.asarray(stored[name])
            for name in names
            if name in stored
        }
    return layers


def _read_keras_3(group, layer_order):
    layers = {}
    for numbered in group:  # such as conv2d_1, in alphabetical order
        weights = group[numbered].get('vars')
        if not weights:
            continue
        kind, number = re.fullmatch(r'(.*?)(?:_(\d+))?', numbered).groups()
        known = dict(enumerate(layer_order.get(kind, ())))
        name = weights.attrs.get('name', known.get(int(number or 0), numbered))
        weight_names = _WEIGHT_NAMES.get(kind, [str(i) for i in range(len(weights))])
        layers[_text(name)] = {
            weight: np.asarray(weights[str(i)])
            for i, weight in enumerate(weight_names)
            if str(i) in weights
        }
    return layers


if __name__ == '__main__':
    _main(*sys.argv[1:])
