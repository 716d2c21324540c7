"""Fashion-MNIST and MNIST from a folder, the cache or the network, checked, and their splits.

Both data sets are four gzipped IDX files, read here in published order wherever they come from
(0.3 s). tensorflow-datasets (TFDS) knows the addresses and fetches the files, no more: to prepare
them it needs TensorFlow, and it shuffles them on the way.

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

FILES = (
    'train-images-idx3-ubyte.gz',
    'train-labels-idx1-ubyte.gz',
    't10k-images-idx3-ubyte.gz',
    't10k-labels-idx1-ubyte.gz',
)
# In the order of FILES, as Fashion-MNIST's authors and (for MNIST) torchvision publish them.
MD5 = {
    'fashion_mnist': (
        '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
        '25c81989df183df01b3e8a0aad5dffbe',
        'bef4ecab320f06d8554ea6380940ec79',
        'bb300cfdad3c16e7a12a480ee83cd310',
    ),
    'mnist': (
        'f68b3c2dcbeaaa9fbdd348bbdeb94873',
        'd53e105ee54ea40749a09fcbcd1e9432',
        '9fb629c4189551a2d022fa330f9573f3',
        'ec29112dd5afa0611ce80d1b7f02629c',
    ),
}
CLASS_NAMES = {
    'fashion_mnist': synthetic.CLASS_NAMES,
    'mnist': tuple('0123456789'),
    'synthetic': synthetic.CLASS_NAMES,
}


class DataUnavailable(DataError):
    """Nothing is wrong, but the files are neither at hand nor to be had from the network."""


class Dataset(NamedTuple):
    """One data set as numpy arrays, in published order; the images may be read-only."""

    train_images: np.ndarray  # uint8 [60000, 28, 28], 0 is the background
    train_labels: np.ndarray  # int32 [60000], 0 to 9
    test_images: np.ndarray  # uint8 [10000, 28, 28]
    test_labels: np.ndarray  # int32 [10000]


def load(name, data_dir=None, cache_dir=None, download_url=None):
    """Loads a data set from the first of: a named folder, the cache, the network.

    A folder that the caller names is used or complained about, never silently passed over.

    Args:
      name: 'fashion_mnist', 'mnist' or 'synthetic' (12,000 + 2,000 drawn images, no files at all).
      data_dir: the four files lie in `<data_dir>/<name>/`. Default: FMNIST_DATA_DIR, if set.
      cache_dir: downloaded files are kept in `<cache_dir>/<name>/`. Default: FMNIST_CACHE_DIR, or
        fmnist_jax in the user's cache folder.
      download_url: http(s) address of a folder with the four files. Default: the one TFDS knows.

    Returns:
      Dataset.

    Raises:
      DataError: a file is missing, damaged or another one; an argument is wrong.
      DataUnavailable: neither at hand nor to be downloaded (told within 10 s without a network).
    """
    if name not in CLASS_NAMES:
        raise DataError(f'dataset.name is {name!r}; expected one of {", ".join(CLASS_NAMES)}')
    if name == 'synthetic':
        return Dataset(*synthetic.draw(num_train=12_000, num_test=2_000))
    data_dir = data_dir or os.environ.get('FMNIST_DATA_DIR')
    if data_dir:
        return read_folder(pathlib.Path(data_dir).expanduser() / name, MD5[name])
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
    except Exception as error:  # name look-up, proxy, disk, checksum: the ways out are the same
        message = _unavailable(name, folder, cache_state, next(iter(sources)), error)
        raise DataUnavailable(message) from error
    return read_folder(folder, MD5[name])


def read_folder(folder, checksums=None):
    """Reads the four IDX files of a folder.

    Args:
      folder: path of the folder that holds the names of `FILES`.
      checksums: MD5 of each, in the order of `FILES`; None skips the comparison.

    Returns:
      Dataset, with as many images as the files hold.

    Raises:
      DataError: names the folder or file, what was expected and what to do.
    """
    folder = pathlib.Path(folder)
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        state = f'lacks {", ".join(missing)}' if folder.is_dir() else 'does not exist'
        raise DataError(
            f'data folder {folder} {state}; expected the four files {", ".join(FILES)} in it: put '
            'them there, or name the parent of another such folder by --data_dir or FMNIST_DATA_DIR'
        )
    sums = checksums or [None] * 4
    arrays = [read_idx(folder / file, md5) for file, md5 in zip(FILES, sums, strict=True)]
    for i in (0, 2):
        images, labels = arrays[i], arrays[i + 1]
        if images.shape[1:] != (28, 28) or not len(images):
            raise DataError(
                f'{folder / FILES[i]} has shape {images.shape}, expected [N, 28, 28] with N above 0'
            )
        if labels.shape != images.shape[:1] or labels.max(initial=0) > 9:
            raise DataError(
                f'{folder / FILES[i + 1]} has labels of shape {labels.shape} up to '
                f'{labels.max(initial=0)}, expected one of 0 to 9 for each of {len(images)} images'
            )
        arrays[i + 1] = labels.astype(np.int32)
    return Dataset(*arrays)


def split(num_train_total, num_validation, seed):
    """Splits the training images at random into a training and a validation part.

    Args:
      num_train_total: number of images to split.
      num_validation: how many of them to hold out; 0 holds out none.
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
    order = np.random.default_rng(seed).permutation(num_train_total).astype(np.int32)
    return order[num_validation:], order[:num_validation]


def cache_directory(cache_dir=None):
    """Path of the folder for what can be fetched or computed again; it need not exist."""
    cache_dir = cache_dir or os.environ.get('FMNIST_CACHE_DIR')
    if not cache_dir:
        cache_dir = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'fmnist_jax'
    return pathlib.Path(cache_dir).expanduser()


def _unavailable(name, folder, cache_state, url, error):
    return (
        f'{name} is not at hand and cannot be downloaded.\n'
        '  data_dir, FMNIST_DATA_DIR: not given\n'
        f'  cache {folder}: {cache_state}\n'
        f'  download of {url}: {download.reason(error)}\n'
        f'Either put {", ".join(FILES)} into a folder named {name} and pass its parent folder as '
        '--data_dir or FMNIST_DATA_DIR, or use drawn images: --config.dataset.name=synthetic'
    )


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
