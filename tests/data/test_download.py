"""Files from a server on 127.0.0.1, from the cache, and from nowhere."""

import hashlib
import pathlib
import shutil
import socket
import sys
import threading
import time

import numpy as np
import pytest
from absl import logging
from conftest import real_data_dir
from server_for_tests import nobody, serve, sources
from small_files import assert_same, bare_environment, no_download, small

from fmnist_jax.data import datasets, download
from fmnist_jax.errors import DataError

__all__ = ['bare_environment', 'no_download', 'nobody', 'serve', 'small', 'sources']  # fixtures

REAL = real_data_dir()
needs_real_files = pytest.mark.skipif(REAL is None, reason='no real data: set FMNIST_DATA_DIR')


# --- the network and the cache ----------------------------------------------------------------


def test_download_is_quiet_kept_and_used_again(
    small, sources, serve, nobody, tmp_path, capsys, caplog
):
    logging.set_verbosity(logging.INFO)
    try:
        dataset = datasets.load('fashion_mnist', None, tmp_path / 'cache', serve(small))
    finally:
        logging.set_verbosity(logging.WARNING)
    assert_same(dataset, small)
    output = capsys.readouterr()
    assert output.out == '' and caplog.text == ''
    lines = [line for line in output.err.replace('\r', '\n').split('\n') if line.strip()]
    assert lines and all(line.startswith('Downloading t') for line in lines)
    # Nothing but the four files under their plain names.
    assert [p.name for p in (tmp_path / 'cache').iterdir()] == ['fashion_mnist']
    kept = {path.name for path in (tmp_path / 'cache/fashion_mnist').iterdir()}
    assert kept == set(datasets.FILES)
    assert_same(datasets.load('fashion_mnist', None, tmp_path / 'cache', nobody), small)
    assert 'tensorflow' not in sys.modules


def test_cache_directory_from_argument_then_environment(small, no_download, monkeypatch, tmp_path):
    shutil.copytree(small, tmp_path / 'xdg/fmnist_jax/fashion_mnist')
    assert_same(datasets.load('fashion_mnist'), small)
    shutil.move(tmp_path / 'xdg/fmnist_jax', tmp_path / 'mine')
    monkeypatch.setenv('FMNIST_CACHE_DIR', str(tmp_path / 'mine'))
    assert_same(datasets.load('fashion_mnist'), small)
    assert datasets.cache_directory('~/x') == pathlib.Path.home() / 'x'


def test_a_damaged_cache_is_fetched_again(small, sources, serve, nobody, tmp_path, caplog):
    cached = shutil.copytree(small, tmp_path / 'cache/fashion_mnist')
    (cached / datasets.FILES[1]).write_bytes(b'damaged')
    with pytest.raises(datasets.DataUnavailable) as caught:
        datasets.load('fashion_mnist', None, tmp_path / 'cache', nobody)
    message = str(caught.value)
    assert f'{cached / datasets.FILES[1]} is damaged' in message and nobody in message
    caplog.clear()
    dataset = datasets.load('fashion_mnist', None, tmp_path / 'cache', serve(small))
    assert_same(dataset, small)
    assert 'damaged' in caplog.text and datasets.FILES[1] in caplog.text
    assert_same(datasets.read_folder(cached), small)


def test_without_a_network_the_ways_out_are_told_soon(nobody, tmp_path):
    start = time.monotonic()
    with pytest.raises(datasets.DataUnavailable) as caught:
        datasets.load('fashion_mnist', None, tmp_path / 'cache', nobody)
    assert time.monotonic() - start < 10
    message = str(caught.value)
    for word in (
        str(tmp_path / 'cache/fashion_mnist'),
        nobody,
        'refused',
        '--data_dir',
        'FMNIST_DATA_DIR',
        '--config.dataset.name=synthetic',
        *datasets.FILES,
    ):
        assert word in message
    assert not (tmp_path / 'cache').exists()


def test_a_name_lookup_that_hangs_is_given_up(monkeypatch, sources, tmp_path):
    end = threading.Event()

    def hang(*_, **__):
        end.wait(20)
        raise OSError('too late')

    monkeypatch.setattr(socket, 'getaddrinfo', hang)
    monkeypatch.setattr(download, 'PATIENCE', 0.3)
    start = time.monotonic()
    with pytest.raises(datasets.DataUnavailable, match='no answer'):
        datasets.load('fashion_mnist', None, tmp_path / 'cache', 'http://example.invalid')
    assert time.monotonic() - start < 2
    end.set()


@pytest.mark.parametrize('stall', ['head', 'half'])
def test_a_server_that_falls_silent_is_given_up(
    small, sources, serve, monkeypatch, tmp_path, stall
):
    assert 1.5 * download.PATIENCE < 10
    monkeypatch.setattr(download, 'PATIENCE', 0.3)
    start = time.monotonic()
    with pytest.raises(datasets.DataUnavailable, match='timed out'):
        datasets.load('fashion_mnist', None, tmp_path / 'cache', serve(small, stall))
    assert time.monotonic() - start < 3
    assert not list((tmp_path / 'cache').glob('*'))


def test_a_server_with_other_files_is_refused(small, sources, serve, tmp_path):
    bad = shutil.copytree(small, tmp_path / 'bad')
    (bad / datasets.FILES[3]).write_bytes(b'captive portal')
    with pytest.raises(datasets.DataUnavailable) as caught:
        datasets.load('fashion_mnist', None, tmp_path / 'cache', serve(bad))
    message = str(caught.value)
    assert datasets.FILES[3] in message and 'wrong checksum' in message
    for content in (b'captive portal', (small / datasets.FILES[3]).read_bytes()):
        assert hashlib.sha256(content).hexdigest() in message
    assert not list((tmp_path / 'cache').iterdir())


def test_a_server_without_the_files_is_refused(small, sources, serve, tmp_path):
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(datasets.DataUnavailable, match='404'):
        datasets.load('fashion_mnist', None, tmp_path / 'cache', serve(tmp_path / 'nothing'))
    assert not list((tmp_path / 'cache').iterdir())


def test_an_address_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=r'ftp://x.*http'):
        datasets.load('mnist', None, tmp_path / 'cache', 'ftp://x')


def test_a_cache_that_cannot_be_written_is_named(small, sources, serve, tmp_path):
    (tmp_path / 'cache').write_text('a file, not a folder')
    with pytest.raises(datasets.DataUnavailable, match=str(tmp_path / 'cache')):
        datasets.load('fashion_mnist', None, tmp_path / 'cache', serve(small))


# --- the real files ---------------------------------------------------------------------------


@needs_real_files
@pytest.mark.parametrize(
    ('name', 'first', 'per_class'),
    [
        ('fashion_mnist', [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], [6000] * 10),
        ('mnist', [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], None),
    ],
)
def test_real_files_from_a_folder_and_from_a_server(name, first, per_class, serve, tmp_path):
    dataset = datasets.load(name, REAL)
    assert dataset.train_images.shape == (60000, 28, 28)
    assert dataset.test_images.shape == (10000, 28, 28)
    assert dataset.train_labels[:10].tolist() == first
    assert per_class is None or np.bincount(dataset.train_labels).tolist() == per_class
    # With the checksums that TFDS knows.
    fetched = datasets.load(name, None, tmp_path, serve(REAL / name))
    for array, expected in zip(fetched, dataset, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert 'tensorflow' not in sys.modules
