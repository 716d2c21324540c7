"""Small data sets in the published format, and an environment without the user's variables."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from fmnist_jax.data import datasets, download


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    for key in ('FMNIST_DATA_DIR', 'FMNIST_CACHE_DIR', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))


def idx(array):
    """The bytes of an IDX file."""
    header = struct.pack(f'>I{array.ndim}I', 0x800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write(path, raw):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw, mtime=0))
    return path


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder `source/fashion_mnist` of 60 + 20 images; datasets.MD5 holds their checksums."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'source' / 'fashion_mnist'
    for i, n in ((0, 60), (2, 20)):
        write(folder / datasets.FILES[i], idx(rng.integers(0, 256, (n, 28, 28))))
        write(folder / datasets.FILES[i + 1], idx(np.arange(n) % 10))
    sums = {}
    for file in datasets.FILES:
        packed = (folder / file).read_bytes()
        sums[file] = hashlib.md5(packed).hexdigest()
        sums[file.removesuffix('.gz')] = hashlib.md5(gzip.decompress(packed)).hexdigest()
    monkeypatch.setitem(datasets.MD5, 'fashion_mnist', sums)
    return folder


def assert_same(dataset, folder):
    """The data set holds what the folder's gzipped files hold."""
    for array, file in zip(dataset, datasets.FILES, strict=True):
        np.testing.assert_array_equal(array, datasets.read_idx(folder / file))


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(download, 'fetch', lambda *_: pytest.fail('used the network'))
