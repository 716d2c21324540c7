"""Reads Keras' weight files, without Keras: {layer name: {weight name: array}}.

Two layouts are in use. The legacy one, of the files that keras.applications publishes, has a
group for each layer with its weights' names in an attribute; Keras 2 wrote `:0` behind each name
and `depthwise_kernel` for what Keras 3 calls `kernel`. Keras 3's `.weights.h5` numbers layers by
class (`layers/conv2d_1/vars/0`); newer versions note the layer's own name beside its weights,
older ones leave the order in which the layers were made, which h5py lists alphabetically.
"""

import io
import json
import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np

from fmnist_jax.errors import DataError, one_line

# What a layer's numbered weights are, in Keras 3's order; a bias only where there is one.
_WEIGHT_NAMES = {
    'conv2d': ('kernel', 'bias'),
    'depthwise_conv2d': ('kernel', 'bias'),
    'batch_normalization': ('gamma', 'beta', 'moving_mean', 'moving_variance'),
}

PATIENCE = 60  # seconds to read a file; the published one takes half a second
_ROOT = pathlib.Path(__file__).parent.parent.parent  # where `fmnist_jax` is imported from


class WeightsError(DataError):
    """A file of weights that cannot be used; the message names it and what is wrong."""


def read(path, layer_order):
    """Reads a Keras file of weights.

    Args:
      path: an .h5 file in either layout.
      layer_order: {Keras' class in snake case: names of such layers in the order they are made},
        for files that keep no names.

    Returns:
      {layer name: {weight name: numpy array}}; layers without weights are left out, and those
      that the file lists but does not hold.

    Raises:
      WeightsError: no such file, damaged, or no Keras weights in it. What to do about it depends
        on whose file it is: pretrained.load adds that.
    """
    path = pathlib.Path(path).expanduser().absolute()
    try:
        if path.is_dir():
            raise WeightsError(f'{path} is a folder, not the .h5 file in it')
        with open(path, 'rb') as file:
            if not file.read(1):
                raise WeightsError(f'{path} is empty')
        arrays = np.load(io.BytesIO(_in_a_process(path, layer_order)))
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror}') from error
    layers = {}
    for name, array in arrays.items():
        layer, _, weight = name.rpartition('/')
        layers.setdefault(layer, {})[weight] = array
    return layers


def _in_a_process(path, layer_order):
    """The file's arrays as the bytes of an .npz file, read by `_main` in a process of its own.

    The HDF5 library loops for ever over some damaged files, or ends the process: a file of text
    attributes with a hole of zeros did. A command and no `multiprocessing`, which would run the
    user's script a second time if it has no `if __name__ == '__main__'`.
    """
    command = [
        sys.executable,
        '-m',
        'fmnist_jax.models.keras_files',
        str(path),
        json.dumps(layer_order),
    ]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f'{path} cannot be read as Keras weights (not done after {PATIENCE} s: it may be '
            'damaged)'
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors='replace').strip().rpartition('\n')[2]
        reason = said or f'the HDF5 library ended by signal {-done.returncode}'
        raise WeightsError(f'{path} cannot be read as Keras weights ({reason})')
    return done.stdout


def _main(path, layer_order):
    """Writes the arrays of a file to stdout; else the reason is the last line on stderr."""
    try:
        layers = _read(path, json.loads(layer_order))
    except WeightsError as error:
        sys.exit(one_line(error))
    except Exception as error:  # h5py raises every kind of error for a damaged file
        sys.exit(f'{type(error).__name__}: {one_line(error)}')
    np.savez(
        sys.stdout.buffer,
        **{f'{layer}/{name}': layers[layer][name] for layer in layers for name in layers[layer]},
    )


def _read(path, layer_order):
    if not h5py.is_hdf5(path):
        raise WeightsError('it is no HDF5 file')
    with h5py.File(path) as file:
        group = file.get('model_weights', file)  # the former if it is a whole model
        if 'layer_names' in group.attrs:
            return _read_legacy(group)
        if 'layers' in group:
            return _read_keras_3(group['layers'], layer_order)
        found = ', '.join(group) or 'nothing'
    raise WeightsError(f"it holds {found}, expected an attribute 'layer_names' or a group 'layers'")


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _array(dataset):
    """In memory; texts, which h5py gives as Python objects, in a form that .npz files can hold."""
    array = np.asarray(dataset)
    return array.astype(str) if array.dtype.hasobject else array


def _read_legacy(group):
    layers = {}
    for layer in map(_text, group.attrs['layer_names']):
        if layer not in group:
            continue
        stored = group[layer]
        names = [_text(name) for name in stored.attrs.get('weight_names', ())]
        weights = {_short(name): _array(stored[name]) for name in names if name in stored}
        if weights:
            layers[layer] = weights
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
            meaning: _array(weights[str(i)])
            for i, meaning in enumerate(meanings)
            if str(i) in weights
        }
    return layers


def not_weights(name, array):
    """Why numbers cannot be a layer's weights, or None: all that can be told without a checksum."""
    if array.dtype != np.float32:
        return f'holds {array.dtype}, expected floating-point numbers'
    if not np.isfinite(array).all():
        return 'holds numbers that are not finite'
    if name == 'moving_variance' and (array < 0).any():
        return 'holds negative variances'
    return None


if __name__ == '__main__':
    _main(*sys.argv[1:])
