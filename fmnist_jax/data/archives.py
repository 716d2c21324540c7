"""EMNIST's zip of IDX files and CIFAR's tar archives of binary records.

Sources: Cohen, Afshar, Tapson and van Schaik (2017), arXiv:1702.05373; Krizhevsky (2009).
"""

import hashlib
import tarfile
import zipfile
import zlib

import numpy as np

from fmnist_jax.data.idx import damaged, parse_idx
from fmnist_jax.errors import DataError, one_line

FILES = {  # data set -> the one file that it comes in
    'emnist/letters': 'gzip.zip',
    'emnist/balanced': 'gzip.zip',
    'cifar10': 'cifar-10-binary.tar.gz',
    'cifar100': 'cifar-100-binary.tar.gz',
}
_CIFAR = {  # folder in the archive, files of training and test images, bytes of an image's labels
    'cifar10': (
        'cifar-10-batches-bin',
        ([f'data_batch_{number}.bin' for number in range(1, 6)], ['test_batch.bin']),
        1,
    ),
    'cifar100': ('cifar-100-binary', (['train.bin'], ['test.bin']), 2),
}
_UNREADABLE = (OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile, tarfile.TarError)


def read(name, path, sha256=None):
    """[train images, train labels, test images, test labels] of an archive; labels from 0.

    Raises:
      DataError: missing, damaged, another archive, or members that do not fit.
    """
    if not path.is_file():
        raise DataError(
            f'data folder {path.parent} lacks {path.name}; put it there, or name the parent of '
            'another such folder by --data_dir or FMNIST_DATA_DIR'
        )
    try:
        with open(path, 'rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
        if sha256 and digest != sha256:
            raise damaged(path, 'SHA-256', digest, path.stat().st_size, sha256)
        return _cifar(name, path) if name in _CIFAR else _emnist(name.partition('/')[2], path)
    except _UNREADABLE as error:
        raise DataError(f'{path} cannot be read ({one_line(error)}); fetch it again') from error


def _emnist(split, path):
    """The four arrays of an EMNIST split, with upright images: the files have them transposed."""
    arrays = []
    with zipfile.ZipFile(path) as archive:
        for part in ('train', 'test'):
            for kind in ('images-idx3', 'labels-idx1'):
                member = f'gzip/emnist-{split}-{part}-{kind}-ubyte.gz'
                arrays.append(parse_idx(f'{path}: {member}', archive.read(member)))
    arrays[0], arrays[2] = arrays[0].swapaxes(1, -1), arrays[2].swapaxes(1, -1)
    if split == 'letters':  # its labels are 1 to 26; a 0 becomes 255, which is refused
        arrays[1], arrays[3] = arrays[1] - np.uint8(1), arrays[3] - np.uint8(1)
    return [np.ascontiguousarray(array) for array in arrays]


def _cifar(name, path):
    """The four arrays of a CIFAR archive; of CIFAR-100 the fine labels."""
    folder, parts, label_bytes = _CIFAR[name]
    wanted = {f'{folder}/{file}' for files in parts for file in files}
    with tarfile.open(path, 'r:gz') as archive:  # one pass: to go back is to unpack again
        found = {m.name: archive.extractfile(m).read() for m in archive if m.name in wanted}
    arrays, size = [], label_bytes + 3 * 32 * 32
    for files in parts:
        records = []
        for file in files:
            raw = found[f'{folder}/{file}']
            if not raw or len(raw) % size:
                raise DataError(
                    f'{path}: {file} has {len(raw)} bytes, expected a multiple of {size}; fetch it '
                    'again'
                )
            records.append(np.frombuffer(raw, np.uint8).reshape(-1, size))
        records = np.concatenate(records)
        images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        arrays += [np.ascontiguousarray(images), records[:, label_bytes - 1]]
    return arrays
