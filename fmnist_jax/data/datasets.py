"""Data sets from a folder, the cache or the network: IDX files here, the others in archives.py.

Sources: Fashion-MNIST, Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; MNIST, LeCun, Cortes and
Burges; KMNIST, Clanuwat et al. (2018), arXiv:1812.01718.
"""

import os
import pathlib
from typing import NamedTuple

import numpy as np
from absl import logging

from fmnist_jax.data import archives, catalog, download, synthetic
from fmnist_jax.data.catalog import CLASS_NAMES
from fmnist_jax.data.idx import read_idx
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


class DataUnavailable(DataError):
    """The files are not on this machine and cannot be downloaded."""


class Dataset(NamedTuple):
    """One data set as numpy arrays, in published order; the images may be read-only."""

    train_images: np.ndarray  # uint8 [N, H, W], 0 is the background; [N, H, W, 3] in colour
    train_labels: np.ndarray  # int32 [N], 0 to the number of classes - 1
    test_images: np.ndarray  # uint8 [M, H, W] or [M, H, W, 3]
    test_labels: np.ndarray  # int32 [M]


def load(name, data_dir=None, cache_dir=None, download_url=None):
    """A Dataset from `data_dir` if given, else from the cache or the network.

    Args:
      name: 'fashion_mnist', 'mnist', 'kmnist', 'emnist/letters', 'emnist/balanced', 'cifar10',
        'cifar100' or 'synthetic' (12,000 + 2,000 drawn images, no files).
      data_dir: `<data_dir>/<name>/` holds the published files; `<data_dir>/emnist/` the archive of
        both EMNIST sets. Default: FMNIST_DATA_DIR, if set.
      cache_dir: downloads go to `<cache_dir>/<name>/`. Default: see `cache_directory`.
      download_url: http(s) address of a folder with the files. Default: the one TFDS knows.

    Raises:
      DataError: a file is missing, damaged or another one; an argument is wrong.
      DataUnavailable: no `data_dir`, no cache, and the download fails (within 10 s if offline).
    """
    if name == catalog.OWN:
        raise DataError(f'{name}: own images have a place; fmnist_jax.load_images(PATH) reads them')
    if name not in CLASS_NAMES:
        raise DataError(f'dataset.name is {name!r}; expected one of {", ".join(CLASS_NAMES)}')
    if name == 'synthetic':
        return Dataset(*synthetic.draw(num_train=12_000, num_test=2_000))
    data_dir = data_dir or os.environ.get('FMNIST_DATA_DIR')
    if data_dir:
        return read(name, local_path(data_dir))
    cache = cache_directory(cache_dir)
    folder = folder_of(name, cache)
    cache_state = 'empty'
    if folder.is_dir():
        try:
            return read(name, cache)
        except DataError as error:
            cache_state = str(error)
            logging.warning('%s. Fetching its files again.', error)
    if download_url and not download_url.startswith(('http://', 'https://')):
        raise DataError(f'download_url={download_url!r}: expected an http:// or https:// address')
    sources = download.sources(folder.name, download_url)
    try:
        _fetch(name, sources, folder)
    except Exception as error:  # host name, proxy, disk, checksum: the advice is the same
        raise DataUnavailable(
            f'{name} is not on this machine and cannot be downloaded.\n'
            '  data_dir, FMNIST_DATA_DIR: not given\n'
            f'  cache {folder}: {cache_state}\n'
            f'  download of {next(iter(sources))}: {download.reason(error)}\n'
            f'Either put {", ".join(files_of(name))} into a folder named {folder.name} and pass '
            'its parent folder as --data_dir or FMNIST_DATA_DIR, or use drawn images: '
            '--config.dataset.name=synthetic'
        ) from error
    return read(name, cache)


def folder_of(name, parent):
    """The folder of a data set's files in `parent`: EMNIST's splits share one."""
    return pathlib.Path(parent) / name.partition('/')[0]


def files_of(name):
    """The names of a data set's files as published."""
    return (archives.FILES[name],) if name in archives.FILES else FILES


def read(name, parent):
    """The Dataset in `<parent>/<name>/`, compared with the published checksums.

    Raises:
      DataError: a file is missing or damaged.
    """
    folder = folder_of(name, parent)
    sums = MD5.get(name)
    if sums is None:
        infos = download.sources(folder.name, None).values()
        sums = {info.filename: info.checksum for info in infos}
    if name not in archives.FILES:
        return read_folder(folder, sums)
    file = archives.FILES[name]
    arrays = archives.read(name, folder / file, sums[file])
    names = [f'{folder / file}: {field}' for field in Dataset._fields]
    dataset = {'name': name}
    return _checked(names, arrays, catalog.image_shape(dataset), len(CLASS_NAMES[name]))


def _fetch(name, sources, folder):
    """Downloads a data set's files into `folder`. An archive goes on where it was stopped."""
    if name not in archives.FILES:
        return download.fetch(sources, folder)
    for url, info in sources.items():
        download.fetch_file(url, folder / info.filename, info.checksum)


def find_file(folder, file):
    """Path of one of `FILES` in a folder, without '.gz' if only the unpacked file exists."""
    path = pathlib.Path(folder) / file
    unpacked = path.with_suffix('')
    return unpacked if unpacked.is_file() and not path.is_file() else path


def read_folder(folder, checksums=None):
    """Dataset of a folder with the four `FILES`, gzipped or unpacked. Raises DataError.

    `checksums` is {file name: MD5 or SHA-256}; a file without one is not compared.
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
    arrays = [read_idx(path, (checksums or {}).get(path.name)) for path in paths]
    return _checked(paths, arrays)


def split(num_train_total, num_validation, seed, kind='random', bootstrap=False, labels=None):
    """Splits 0..num_train_total - 1 into (train_indices, validation_indices), int32.

    Args:
      kind: 'random', or 'last' for the same last images with every seed.
      bootstrap: the training indices are as many draws from them with replacement, for bagging
        (Breiman 1996).
      labels: the images' labels [num_train_total], to take the same share of each class.

    Raises DataError if num_validation is negative, or leaves nothing to train on.
    """
    if not 0 <= num_validation < num_train_total:
        raise DataError(
            f'num_validation is {num_validation}; expected 0 or more, and fewer than the '
            f'{num_train_total} training images'
        )
    if kind == 'last':
        train, validation = np.split(
            np.arange(num_train_total, dtype=np.int32), [num_train_total - num_validation]
        )
    else:
        if labels is None:
            permutation = np.random.default_rng(seed).permutation(num_train_total)
        else:
            permutation = stratified_order(labels, seed)
        permutation = permutation.astype(np.int32)
        train, validation = permutation[num_validation:], permutation[:num_validation]
    if bootstrap:
        train = np.random.default_rng([seed, 1]).choice(train, len(train))
    return train, validation


def stratified_order(labels, seed):
    """A random order of images with labels [N], int32 [N]; each prefix is stratified by class."""
    permutation = np.random.default_rng(seed).permutation(len(labels)).astype(np.int32)
    shuffled, places = np.asarray(labels)[permutation], np.empty(len(labels))
    for label, count in zip(*np.unique(shuffled, return_counts=True), strict=True):
        places[shuffled == label] = (np.arange(count) + 0.5) / count  # share of the class before it
    return permutation[np.argsort(places, kind='stable')]


def split_of(settings, train_labels, seed=None):
    """`split` of a data set's training images as a row's settings say; own images by class.

    seed: default settings.seed.
    """
    seed = settings.seed if seed is None else seed
    labels = train_labels if settings.dataset.name == catalog.OWN else None
    data = settings.dataset
    return split(len(train_labels), data.num_validation, seed, data.split, data.bootstrap, labels)


def cache_directory(cache_dir=None):
    """The argument, else FMNIST_CACHE_DIR, else fmnist_jax in the user's cache folder."""
    cache_dir = cache_dir or os.environ.get('FMNIST_CACHE_DIR')
    if not cache_dir:
        cache_dir = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'fmnist_jax'
    return pathlib.Path(cache_dir).expanduser()


def check_dataset(dataset, image_shape=(28, 28), num_classes=10):
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
    return _checked(names, arrays, image_shape, num_classes)


def check_images(name, images, image_shape=(28, 28)):
    """Images as uint8 [N, *image_shape]. Raises DataError, which calls them `name`."""
    images = np.asarray(images)
    expected = (
        f'expected uint8 images [N, {", ".join(map(str, image_shape))}] with values '
        f'0{" (background)" * (len(image_shape) == 2)} to 255 and N above 0: '
        'for images in [0, 1] give (255 * images).round().astype("uint8")'
    )
    count = len(images) if images.ndim else 0
    _check(name, images, (max(count, 1), *image_shape), 255, expected)
    return images.astype(np.uint8, copy=False)


def _checked(names, arrays, image_shape=(28, 28), num_classes=10):
    """The arrays as a Dataset. Raises DataError, which names the array."""
    for i in (0, 2):
        arrays[i] = check_images(names[i], arrays[i], image_shape)
        count, most = len(arrays[i]), num_classes - 1
        expected = (
            f'expected integers 0 to {most} of shape ({count},), one for each of {count} images: '
            'for one-hot labels give labels.argmax(-1)'
        )
        _check(names[i + 1], arrays[i + 1], (count,), most, expected)
        arrays[i + 1] = arrays[i + 1].astype(np.int32, copy=False)
    return Dataset(*arrays)


def _check(name, array, shape, most, expected):
    if array.shape != shape:
        raise DataError(f'{name} has shape {array.shape}; {expected}')
    if array.dtype.kind not in 'ui':
        raise DataError(f'{name} has type {array.dtype}; {expected}')
    if array.min() < 0 or array.max() > most:
        raise DataError(f'{name} has values {array.min()} to {array.max()}; {expected}')
