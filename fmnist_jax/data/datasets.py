"""Fashion-MNIST and MNIST, four IDX files each, from a folder, the cache or the network.

Sources: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; LeCun, Cortes and Burges, MNIST.
"""

import gzip
import hashlib
import math
import os
import pathlib
import struct
import zlib
from typing import NamedTuple

import numpy as np
from absl import logging

from fmnist_jax.data import download, synthetic
from fmnist_jax.errors import DataError, one_line, show
from fmnist_jax.files import local_path

# As published by Fashion-MNIST's authors and (for MNIST) torchvision; then of the unpacked files.
MD5 = {
    'fashion_mnist': {
        'train-images-idx3-ubyte.gz': '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
        'train-labels-idx1-ubyte.gz': '25c81989df183df01b3e8a0aad5dffbe',
        't10k-images-idx3-ubyte.gz': 'bef4ecab320f06d8554ea6380940ec79',
        't10k-labels-idx1-ubyte.gz': 'bb300cfdad3c16e7a12a480ee83cd310',
        'train-images-idx3-ubyte': 'f4a8712d7a061bf5bd6d2ca38dc4d50a',
        'train-labels-idx1-ubyte': '9018921c3c673c538a1fc5bad174d6f9',
        't10k-images-idx3-ubyte': '8181f5470baa50b63fa0f6fddb340f0a',
        't10k-labels-idx1-ubyte': '15d484375f8d13e6eb1aabb0c3f46965',
    },
    'mnist': {
        'train-images-idx3-ubyte.gz': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
        'train-labels-idx1-ubyte.gz': 'd53e105ee54ea40749a09fcbcd1e9432',
        't10k-images-idx3-ubyte.gz': '9fb629c4189551a2d022fa330f9573f3',
        't10k-labels-idx1-ubyte.gz': 'ec29112dd5afa0611ce80d1b7f02629c',
        'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
        'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
        't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
        't10k-labels-idx1-ubyte': '27ae3e4e09519cfbb04c329615203637',
    },
}
FILES = tuple(file for file in MD5['mnist'] if file.endswith('.gz'))
UNSIGNED_BYTES = b'\0\0\x08'  # first bytes of an IDX file of unsigned bytes
CLASS_NAMES = {
    'fashion_mnist': synthetic.CLASS_NAMES,
    'mnist': tuple('0123456789'),
    'synthetic': synthetic.CLASS_NAMES,
}


class DataUnavailable(DataError):
    """The files are not on this machine and cannot be downloaded."""


class Dataset(NamedTuple):
    """One data set as numpy arrays, in published order; the images may be read-only."""

    train_images: np.ndarray  # uint8 [60000, 28, 28], 0 is the background
    train_labels: np.ndarray  # int32 [60000], 0 to 9
    test_images: np.ndarray  # uint8 [10000, 28, 28]
    test_labels: np.ndarray  # int32 [10000]


def load(name, data_dir=None, cache_dir=None, download_url=None):
    """A Dataset from `data_dir` if given, else from the cache or the network.

    Args:
      name: 'fashion_mnist', 'mnist' or 'synthetic' (12,000 + 2,000 drawn images, no files).
      data_dir: `<data_dir>/<name>/` holds the four files. Default: FMNIST_DATA_DIR, if set.
      cache_dir: downloads go to `<cache_dir>/<name>/`. Default: see `cache_directory`.
      download_url: http(s) address of a folder with the four files. Default: the one TFDS knows.

    Raises:
      DataError: a file is missing, damaged or another one; an argument is wrong.
      DataUnavailable: no `data_dir`, no cache, and the download fails (within 10 s if offline).
    """
    if name not in CLASS_NAMES:
        raise DataError(f'dataset.name is {name!r}; expected one of {", ".join(CLASS_NAMES)}')
    if name == 'synthetic':
        return Dataset(*synthetic.draw(num_train=12_000, num_test=2_000))
    data_dir = data_dir or os.environ.get('FMNIST_DATA_DIR')
    if data_dir:
        return read_folder(local_path(data_dir) / name, MD5[name])
    folder = cache_directory(cache_dir) / name
    cache_state = 'empty'
    if folder.is_dir():
        try:
            return read_folder(folder, MD5[name])
        except DataError as error:
            cache_state = str(error)
            logging.warning('%s. Fetching the four files again.', error)
    if download_url and not download_url.startswith(('http://', 'https://')):
        raise DataError(f'download_url={download_url!r}: expected an http:// or https:// address')
    sources = download.sources(name, download_url)
    try:
        download.fetch(sources, folder)
    except Exception as error:  # host name, proxy, disk, checksum: the advice is the same
        raise DataUnavailable(
            f'{name} is not on this machine and cannot be downloaded.\n'
            '  data_dir, FMNIST_DATA_DIR: not given\n'
            f'  cache {folder}: {cache_state}\n'
            f'  download of {next(iter(sources))}: {download.reason(error)}\n'
            f'Either put {", ".join(FILES)} into a folder named {name} and pass its parent folder '
            'as --data_dir or FMNIST_DATA_DIR, or use drawn images: --config.dataset.name=synthetic'
        ) from error
    return read_folder(folder, MD5[name])


def find_file(folder, file):
    """Path of one of `FILES` in a folder, without '.gz' if only the unpacked file exists."""
    path = pathlib.Path(folder) / file
    unpacked = path.with_suffix('')
    return unpacked if unpacked.is_file() and not path.is_file() else path


def read_folder(folder, checksums=None):
    """Dataset of a folder with the four `FILES`, gzipped or unpacked. Raises DataError.

    `checksums` is {file name: MD5}; None skips the comparison.
    """
    folder = pathlib.Path(folder)
    paths = [find_file(folder, file) for file in FILES]
    missing = [file for file, path in zip(FILES, paths, strict=True) if not path.is_file()]
    if missing:
        state = f'lacks {", ".join(missing)}' if folder.is_dir() else 'does not exist'
        raise DataError(
            f'data folder {folder} {state}; expected the four files {", ".join(FILES)} in it, '
            'gzipped or unpacked: put them there, or name the parent of another such folder by '
            '--data_dir or FMNIST_DATA_DIR'
        )
    arrays = [read_idx(path, checksums and checksums[path.name]) for path in paths]
    return _checked(paths, arrays)


def read_idx(path, md5=None):
    """A read-only uint8 array from an IDX file of unsigned bytes, gzipped or not.

    An IDX file holds two zero bytes, the type of the values, the number of dimensions, each
    dimension as a big-endian 32-bit integer, the values.

    Raises:
      DataError: unreadable, another checksum, not gzip, not IDX, truncated or too long.
    """
    try:
        packed = pathlib.Path(path).read_bytes()
        digest = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        if md5 and digest != md5:
            raise DataError(
                f'{path} is damaged or another file: MD5 {digest} ({len(packed)} bytes), '
                f'expected {md5}; delete it and fetch it again'
            )
        raw = packed if packed.startswith(UNSIGNED_BYTES) else gzip.decompress(packed)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f'{path} cannot be read ({error}); fetch it again') from error
    is_idx = raw[:3] == UNSIGNED_BYTES and raw[3:4] in (b'\1', b'\2', b'\3')
    if not is_idx or len(raw) < 4 + 4 * raw[3]:
        raise DataError(
            f'{path} starts with bytes {raw[:4].hex() or "(none)"}, expected an IDX header of '
            'unsigned bytes (00000803 for images, 00000801 for labels); fetch it again'
        )
    shape = tuple(np.frombuffer(raw, '>u4', count=raw[3], offset=4).tolist())
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if values.size != math.prod(shape):
        raise DataError(
            f'{path} holds {values.size} values, but its header announces {shape}; fetch it again'
        )
    return values.reshape(shape)


def split(num_train_total, num_validation, seed, kind='random', bootstrap=False):
    """Splits 0..num_train_total - 1 into (train_indices, validation_indices), int32.

    Args:
      kind: 'random', or 'last' for the same last images with every seed.
      bootstrap: the training indices are as many draws from them with replacement, for bagging
        (Breiman 1996).

    Raises DataError if num_validation is negative, or leaves nothing to train on.
    """
    if not 0 <= num_validation < num_train_total:
        raise DataError(
            f'num_validation is {num_validation}; expected 0 or more, and fewer than the '
            f'{num_train_total} training images'
        )
    if kind == 'last':
        indices = np.arange(num_train_total, dtype=np.int32)
        train, validation = np.split(indices, [num_train_total - num_validation])
    else:
        permutation = np.random.default_rng(seed).permutation(num_train_total).astype(np.int32)
        train, validation = permutation[num_validation:], permutation[:num_validation]
    if bootstrap:
        train = np.random.default_rng([seed, 1]).choice(train, len(train))
    return train, validation


def cache_directory(cache_dir=None):
    """The argument, else FMNIST_CACHE_DIR, else fmnist_jax in the user's cache folder."""
    cache_dir = cache_dir or os.environ.get('FMNIST_CACHE_DIR')
    if not cache_dir:
        cache_dir = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'fmnist_jax'
    return pathlib.Path(cache_dir).expanduser()


def check_dataset(dataset):
    """Four arrays of one's own as a Dataset: images uint8, labels int32. Raises DataError.

    Lists, and integers of another type, are converted if that changes no value.
    """
    if not isinstance(dataset, (tuple, list)) or len(dataset) != 4:
        raise DataError(
            f'dataset={show(dataset)}: expected a Dataset of {", ".join(Dataset._fields)}, such as '
            'load_data returns'
        )
    names, arrays = [f'dataset.{field}' for field in Dataset._fields], []
    for name, value in zip(names, dataset, strict=True):
        try:
            arrays.append(np.asarray(value))
        except (ValueError, TypeError) as error:
            raise DataError(f'{name} is no array: {one_line(error)}') from error
    return _checked(names, arrays)


def check_images(name, images):
    """Images as uint8 [N, 28, 28]. Raises DataError, which calls them `name`."""
    images = np.asarray(images)
    expected = (
        'expected uint8 images [N, 28, 28] with values 0 (background) to 255 and N above 0: '
        'for images in [0, 1] give (255 * images).round().astype("uint8")'
    )
    count = len(images) if images.ndim else 0
    _check(name, images, (max(count, 1), 28, 28), 255, expected)
    return images.astype(np.uint8, copy=False)


def _checked(names, arrays):
    """The arrays as a Dataset. Raises DataError, which names the array."""
    for i in (0, 2):
        arrays[i] = check_images(names[i], arrays[i])
        count = len(arrays[i])
        expected = (
            f'expected integers 0 to 9 of shape ({count},), one for each of {count} images: '
            'for one-hot labels give labels.argmax(-1)'
        )
        _check(names[i + 1], arrays[i + 1], (count,), 9, expected)
        arrays[i + 1] = arrays[i + 1].astype(np.int32, copy=False)
    return Dataset(*arrays)


def _check(name, array, shape, most, expected):
    if array.shape != shape:
        raise DataError(f'{name} has shape {array.shape}; {expected}')
    if array.dtype.kind not in 'ui':
        raise DataError(f'{name} has type {array.dtype}; {expected}')
    if array.min() < 0 or array.max() > most:
        raise DataError(f'{name} has values {array.min()} to {array.max()}; {expected}')
