"""Reads Keras' weight files, without Keras: {layer name: {weight name: array}}.

Two layouts are in use. The legacy one, of the files that keras.applications publishes, has a
group for each layer with its weights' names in an attribute; Keras 2 wrote `:0` behind each name
and `depthwise_kernel` for what Keras 3 calls `kernel`. Keras 3's `.weights.h5` numbers layers by
class (`layers/conv2d_1/vars/0`); newer versions note the layer's own name beside its weights,
older ones leave the order in which the layers were made, which h5py lists alphabetically.
"""

import multiprocessing
import pathlib
import re

import h5py
import numpy as np

from fmnist_jax.data import DataError
from fmnist_jax.settings import one_line

# What a layer's numbered weights are, in Keras 3's order; a bias only where there is one.
_WEIGHT_NAMES = {
    'conv2d': ('kernel', 'bias'),
    'depthwise_conv2d': ('kernel', 'bias'),
    'batch_normalization': ('gamma', 'beta', 'moving_mean', 'moving_variance'),
}


PATIENCE = 60  # seconds to read a file; the published one takes 0.1


class WeightsError(DataError):
    """A file of weights that cannot be used; the message names the file and what to do."""


def read(path, layer_order):
    """Reads a Keras file of weights.

    Args:
      path: an .h5 file in either layout.
      layer_order: {Keras' class in snake case: names of such layers in the order they are made},
        for files that keep no names.

    Returns:
      {layer name: {weight name: numpy array}}; layers without weights are left out.

    Raises:
      WeightsError: no such file, damaged, or no Keras weights in it.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise WeightsError(f'{path}: no such file; expected Keras weights, an .h5 file')
    try:
        return _in_a_process(_read, str(path), layer_order)
    except WeightsError:
        raise
    except Exception as error:  # h5py raises every kind of error for a damaged file
        raise WeightsError(
            f'{path} cannot be read as Keras weights ({type(error).__name__}: {one_line(error)}); '
            'it may be damaged or cut off: delete it and fetch it again'
        ) from error


def _in_a_process(function, *args):
    """function(*args), run in a process of its own.

    The HDF5 library loops for ever over some damaged files, or ends the process: a file of text
    attributes with a hole of zeros did.
    """
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        waiting = pool.apply_async(function, args)
        try:
            return waiting.get(PATIENCE)
        except multiprocessing.TimeoutError as error:
            raise TimeoutError(f'nothing after {PATIENCE} s') from error


def _read(path, layer_order):
    with h5py.File(path) as file:
        group = file.get('model_weights', file)  # the former if it is a whole model
        if 'layer_names' in group.attrs:
            return _read_legacy(group)
        if 'layers' in group:
            return _read_keras_3(group['layers'], layer_order)
        found = ', '.join(group) or 'nothing'
    raise WeightsError(
        f"{path} holds {found}, expected Keras weights (an attribute 'layer_names' or a group "
        "'layers')"
    )


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _read_legacy(group):
    layers = {}
    for layer in map(_text, group.attrs['layer_names']):
        names = [_text(name) for name in group[layer].attrs['weight_names']]
        if names:
            layers[layer] = {_short(name): np.asarray(group[layer][name]) for name in names}
    return layers


def _short(name):
    """'conv_dw_1/depthwise_kernel:0' -> 'kernel'."""
    short = name.rsplit('/', 1)[-1].removesuffix(':0')
    return {'depthwise_kernel': 'kernel'}.get(short, short)


def _read_keras_3(group, layer_order):
    layers = {}
    for numbered in group:
        weights = group[numbered].get('vars', {})
        kind, number = re.fullmatch(r'(.*?)(?:_(\d+))?', numbered).groups()
        if not len(weights):
            continue
        in_order = layer_order.get(kind, ())
        position = int(number or 0)
        name = in_order[position] if position < len(in_order) else numbered
        name = _text(weights.attrs.get('name', name))
        meanings = _WEIGHT_NAMES.get(kind, [str(i) for i in range(len(weights))])
        layers[name] = {
            meaning: np.asarray(weights[str(i)])
            for i, meaning in enumerate(meanings)
            if str(i) in weights
        }
    return layers
