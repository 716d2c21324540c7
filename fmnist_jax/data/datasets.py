"""Fashion-MNIST and MNIST from a folder, the cache or the network, and their splits.

Both data sets are four IDX files, which this module checks and reads in published order.

Sources: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; LeCun, Cortes and Burges, MNIST.
"""

import os
import pathlib
from typing import NamedTuple

import numpy as np
from absl import logging

from fmnist_jax.data import download, synthetic
from fmnist_jax.data.idx import read_idx
from fmnist_jax.errors import DataError, one_line, show
from fmnist_jax.files import local_path

FILES = (
    'train-images-idx3-ubyte.gz',
    'train-labels-idx1-ubyte.gz',
    't10k-images-idx3-ubyte.gz',
    't10k-labels-idx1-ubyte.gz',
)
# The sums of the .gz files are those that Fashion-MNIST's authors and (for MNIST) torchvision
# publish; the others are the sums of their content, for folders with unpacked files.
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
    """Loads a data set from `data_dir` if given, else from the cache or the network.

    Args:
      name: 'fashion_mnist', 'mnist' or 'synthetic' (12,000 + 2,000 drawn images, no files).
      data_dir: `<data_dir>/<name>/` holds the four files. Default: FMNIST_DATA_DIR, if set.
      cache_dir: downloads go to `<cache_dir>/<name>/`. Default: see `cache_directory`.
      download_url: http(s) address of a folder with the four files. Default: the one TFDS knows.

    Returns:
      Dataset.

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
    """Reads the four IDX files of a folder, gzipped or unpacked.

    Args:
      folder: path of the folder that holds the names of `FILES`, with or without '.gz'.
      checksums: {file name: MD5}; None skips the comparison.

    Returns:
      Dataset, with as many images as the files hold.

    Raises:
      DataError: names the folder or file, what was expected and what to do.
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
    for i in (0, 2):
        images, labels = arrays[i], arrays[i + 1]
        if images.shape[1:] != (28, 28) or not len(images):
            raise DataError(
                f'{paths[i]} has shape {images.shape}, expected [N, 28, 28] with N above 0'
            )
        if labels.shape != images.shape[:1] or labels.max(initial=0) > 9:
            raise DataError(
                f'{paths[i + 1]} has labels of shape {labels.shape} up to '
                f'{labels.max(initial=0)}, expected one of 0 to 9 for each of {len(images)} images'
            )
        arrays[i + 1] = labels.astype(np.int32)
    return Dataset(*arrays)


def split(num_train_total, num_validation, seed):
    """Splits the training images at random into a training and a validation part.

    Args:
      num_train_total: number of images to split.
      num_validation: number of images to hold out; may be 0.
      seed: non-negative int; the same seed gives the same split (numpy's default_rng).

    Returns:
      (train_indices, validation_indices), int32, in random order, together 0..num_train_total - 1.

    Raises:
      DataError: num_validation is negative, or leaves nothing to train on.
    """
    if not 0 <= num_validation < num_train_total:
        raise DataError(
            f'num_validation is {num_validation}; expected 0 or more, and fewer than the '
            f'{num_train_total} training images'
        )
    permutation = np.random.default_rng(seed).permutation(num_train_total).astype(np.int32)
    return permutation[num_validation:], permutation[:num_validation]


def cache_directory(cache_dir=None):
    """Folder for files that can be fetched or computed again; it may not exist yet.

    The argument, else FMNIST_CACHE_DIR, else fmnist_jax in the user's cache folder.
    """
    cache_dir = cache_dir or os.environ.get('FMNIST_CACHE_DIR')
    if not cache_dir:
        cache_dir = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'fmnist_jax'
    return pathlib.Path(cache_dir).expanduser()


def check_dataset(dataset):
    """A data set of one's own arrays as a Dataset: images uint8, labels int32.

    Lists, and integers of another type, are converted if that changes no value.

    Args:
      dataset: Dataset, or any other sequence of its four arrays.

    Raises:
      DataError: names the array, what was expected and what to do.
    """
    if not isinstance(dataset, (tuple, list)) or len(dataset) != 4:
        raise DataError(
            f'dataset={show(dataset)}: expected a Dataset of {", ".join(Dataset._fields)}, such as '
            'load_data returns'
        )
    arrays = []
    for name, value in zip(Dataset._fields, dataset, strict=True):
        try:
            arrays.append(np.asarray(value))
        except (ValueError, TypeError) as error:
            raise DataError(f'dataset.{name} is no array: {one_line(error)}') from error
    for i in (0, 2):
        _check_images(Dataset._fields[i], arrays[i])
        _check_labels(Dataset._fields[i + 1], arrays[i + 1], len(arrays[i]))
        arrays[i], arrays[i + 1] = arrays[i].astype(np.uint8), arrays[i + 1].astype(np.int32)
    return Dataset(*arrays)


def _check_images(name, images):
    expected = 'expected uint8 images [N, 28, 28] with values 0 (background) to 255'
    if images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
        raise DataError(f'dataset.{name} has shape {images.shape}; {expected} and N above 0')
    if images.dtype.kind not in 'ui':
        raise DataError(
            f'dataset.{name} has type {images.dtype}; {expected}: for images in [0, 1] give '
            '(255 * images).round().astype("uint8")'
        )
    if images.min() < 0 or images.max() > 255:
        raise DataError(f'dataset.{name} has values {images.min()} to {images.max()}; {expected}')


def _check_labels(name, labels, count):
    expected = f'expected integers 0 to 9 of shape ({count},), one for each image'
    if labels.shape != (count,):
        raise DataError(
            f'dataset.{name} has shape {labels.shape}; {expected}: for one-hot labels give '
            'labels.argmax(-1)'
        )
    if labels.dtype.kind not in 'ui':
        raise DataError(f'dataset.{name} has type {labels.dtype}; {expected}')
    if labels.min() < 0 or labels.max() > 9:
        raise DataError(f'dataset.{name} has values {labels.min()} to {labels.max()}; {expected}')
