"""KMNIST, EMNIST and CIFAR: small files of the published formats from a server on 127.0.0.1."""

import gzip
import hashlib
import io
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from server_for_tests import nobody, serve
from small_files import bare_environment, idx, write

from fmnist_jax.data import archives, catalog, datasets, download
from fmnist_jax.errors import DataError
from fmnist_jax.results import arrays

__all__ = ['bare_environment', 'nobody', 'serve']  # fixtures
RNG = np.random.default_rng(0)
COUNTS = {'train': 60, 'test': 50}  # images; every class of EMNIST and CIFAR-10 occurs


def _images(count, *shape):
    return RNG.integers(0, 256, (count, *shape)).astype(np.uint8)


def kmnist(folder):
    for i, count in ((0, 60), (2, 50)):
        write(folder / datasets.FILES[i], idx(_images(count, 28, 28)))
        write(folder / datasets.FILES[i + 1], idx(np.arange(count) % 10))


def emnist(folder, first_of_letters=1):
    """EMNIST's zip; an image has its label in the corner (row 0, column 3), transposed."""
    with zipfile.ZipFile(folder / 'gzip.zip', 'w') as archive:
        for split, first, classes in (('letters', first_of_letters, 26), ('balanced', 0, 47)):
            for part, count in COUNTS.items():
                labels = np.arange(count) % classes + first
                images = np.zeros((count, 28, 28))
                images[:, 3, 0] = labels
                for kind, array in (('images-idx3', images), ('labels-idx1', labels)):
                    content = gzip.compress(idx(array), mtime=0)
                    archive.writestr(f'gzip/emnist-{split}-{part}-{kind}-ubyte.gz', content)


def cifar(folder, name, cut=0):
    """A CIFAR archive; the red pixel of row 2, column 5 is the (fine) label."""
    directory, parts, label_bytes = archives._CIFAR[name]
    with tarfile.open(folder / archives.FILES[name], 'w:gz') as archive:
        for files, count in zip(parts, COUNTS.values(), strict=True):
            for file in files:
                labels = np.arange(count) % len(catalog.CLASS_NAMES[name])
                images = np.zeros((count, 3, 32, 32), np.uint8)
                images[:, 0, 2, 5] = labels
                records = [np.full((count, label_bytes - 1), 7), labels[:, None]]
                records = np.concatenate([*records, images.reshape(count, -1)], 1)
                content = records.astype(np.uint8).tobytes()[: -cut or None]
                info = tarfile.TarInfo(f'{directory}/{file}')
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


MAKERS = {
    'kmnist': kmnist,
    'emnist/letters': emnist,
    'emnist/balanced': emnist,
    'cifar10': lambda folder: cifar(folder, 'cifar10'),
    'cifar100': lambda folder: cifar(folder, 'cifar100'),
}


def publish(monkeypatch, folder):
    """download.sources knows the files that are in a folder now, as it knows TFDS's."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    infos = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        infos[path.name] = UrlInfo(len(content), hashlib.sha256(content).hexdigest(), path.name)
    monkeypatch.setattr(
        download, 'sources', lambda name, base=None: {f'{base}/{f}': infos[f] for f in infos}
    )


@pytest.fixture(params=MAKERS)
def published(request, tmp_path, monkeypatch):
    """(name of a data set, a folder with its small files, whose checksums are the known ones)."""
    folder = tmp_path / 'source' / request.param.partition('/')[0]
    folder.mkdir(parents=True)
    MAKERS[request.param](folder)
    publish(monkeypatch, folder)
    return request.param, folder


def check(name, dataset):
    shape = catalog.image_shape({'name': name})
    times = 5 if name == 'cifar10' else 1  # files of training images
    assert dataset.train_images.shape == (60 * times, *shape)
    assert dataset.test_images.shape == (50, *shape)
    classes = len(catalog.CLASS_NAMES[name])
    expected = np.arange(50) % classes
    np.testing.assert_array_equal(dataset.test_labels, expected)
    if name.startswith('emnist'):  # upright, and labels from 0
        first = int(name == 'emnist/letters')
        np.testing.assert_array_equal(dataset.test_images[:, 0, 3], expected + first)
    if name.startswith('cifar'):
        np.testing.assert_array_equal(dataset.test_images[:, 2, 5, 0], expected)
        assert dataset.test_images[..., 1:].max() == 0


def test_from_a_folder_from_a_server_and_from_the_cache(published, serve, nobody, tmp_path):
    name, folder = published
    check(name, datasets.load(name, folder.parent))
    check(name, datasets.load(name, None, tmp_path / 'cache', serve(folder)))
    kept = tmp_path / 'cache' / folder.name
    names = sorted(p.name for p in kept.iterdir() if p.suffix != '.lock')
    assert names == sorted(datasets.files_of(name))
    check(name, datasets.load(name, None, tmp_path / 'cache', nobody))
    assert 'tensorflow' not in sys.modules


def test_labels_at_hand_for_figures(published, tmp_path, monkeypatch):
    name, folder = published
    assert arrays.labels_at_hand(name) is None
    np.testing.assert_array_equal(
        arrays.labels_at_hand(name, folder.parent), datasets.load(name, folder.parent).test_labels
    )
    monkeypatch.setenv('FMNIST_CACHE_DIR', str(folder.parent))
    assert arrays.images_at_hand(name).shape == (50, *catalog.image_shape({'name': name}))


@pytest.mark.parametrize('damage', ['truncated', 'another file'])
def test_a_damaged_file_is_refused_and_fetched_again(published, damage, serve, tmp_path):
    name, folder = published
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    file = folder / datasets.files_of(name)[-1]
    file.write_bytes(whole[file][:-9] if damage == 'truncated' else b'captive portal')
    sums = [hashlib.sha256(raw).hexdigest() for raw in (file.read_bytes(), whole[file])]
    with pytest.raises(DataError, match=f'{file} is damaged.*{sums[0]}.*{sums[1]}') as caught:
        datasets.load(name, folder.parent)
    assert '\n' not in str(caught.value)
    with pytest.raises(datasets.DataUnavailable, match=f'wrong checksum.*{sums[1]}'):
        datasets.load(name, None, tmp_path / 'cache', serve(folder))
    cached = tmp_path / 'damaged' / folder.name
    cached.mkdir(parents=True)
    (cached / file.name).write_bytes(file.read_bytes())
    for path, content in whole.items():
        path.write_bytes(content)
    check(name, datasets.load(name, None, tmp_path / 'damaged', serve(folder)))


def test_a_missing_file_is_named(published):
    name, folder = published
    (folder / datasets.files_of(name)[0]).unlink()
    with pytest.raises(DataError, match=f'{folder} lacks {datasets.files_of(name)[0]}') as caught:
        datasets.load(name, folder.parent)
    assert not isinstance(caught.value, datasets.DataUnavailable)


@pytest.mark.parametrize(
    ('name', 'make', 'complaint'),
    [
        ('cifar10', lambda f: cifar(f, 'cifar10', cut=1), 'data_batch_1.bin has 184379 bytes'),
        ('cifar10', lambda f: (f / 'cifar-10-binary.tar.gz').write_bytes(b'x'), 'cannot be read'),
        ('cifar100', lambda f: tarfile.open(f / archives.FILES['cifar100'], 'w:gz').close(), "'ci"),
        ('emnist/letters', lambda f: emnist(f, 0), 'values 0 to 255; expected integers 0 to 25'),
        ('emnist/balanced', lambda f: (f / 'gzip.zip').write_bytes(b'PK'), 'cannot be read'),
    ],
)
def test_files_that_do_not_fit_are_refused(name, make, complaint, tmp_path, monkeypatch):
    folder = tmp_path / name.partition('/')[0]
    folder.mkdir()
    make(folder)
    publish(monkeypatch, folder)
    with pytest.raises(DataError, match=f'{folder}.*{complaint}') as caught:
        datasets.load(name, tmp_path)
    assert '\n' not in str(caught.value)


def test_without_a_network_the_file_is_named(nobody, tmp_path):
    with pytest.raises(datasets.DataUnavailable, match='gzip.zip into a folder named emnist'):
        datasets.load('emnist/letters', None, tmp_path, nobody)


def test_the_addresses_and_checksums_are_those_of_tfds():
    for name in MAKERS:
        infos = download.sources(name.partition('/')[0])
        assert {info.filename for info in infos.values()} == set(datasets.files_of(name))
        assert all(len(info.checksum) == 64 for info in infos.values())
        at_home = download.sources(name.partition('/')[0], 'http://host/folder/')
        assert set(at_home) == {f'http://host/folder/{f}' for f in datasets.files_of(name)}
    assert 'tensorflow' not in sys.modules
