"""Every way to the data: small files, a server on 127.0.0.1, the real files if there are any."""

import gzip
import hashlib
import http.server
import os
import pathlib
import shutil
import socket
import struct
import sys
import threading
import time

import numpy as np
import pytest
import requests
from absl import logging

from fmnist_jax import data, download

# The real files: the user's, or those in a folder `shared/data` beside the repository.
_BESIDE = pathlib.Path(__file__).parents[2] / 'shared' / 'data'
REAL = pathlib.Path(os.environ.get('FMNIST_DATA_DIR') or _BESIDE)
needs_real_files = pytest.mark.skipif(
    not all((REAL / name / file).is_file() for name in data.MD5 for file in data.FILES),
    reason='needs the real files: set FMNIST_DATA_DIR',
)


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
    """A folder `source/fashion_mnist` of 60 + 20 images, whose checksums count as published."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'source' / 'fashion_mnist'
    for i, n in ((0, 60), (2, 20)):
        write(folder / data.FILES[i], idx(rng.integers(0, 256, (n, 28, 28))))
        write(folder / data.FILES[i + 1], idx(np.arange(n) % 10))
    contents = [(folder / file).read_bytes() for file in data.FILES]
    sums = tuple(hashlib.md5(content).hexdigest() for content in contents)
    monkeypatch.setitem(data.MD5, 'fashion_mnist', sums)
    return folder


@pytest.fixture
def sources(small, monkeypatch):
    """What TFDS would know of the small files, in place of what it knows of the real ones."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    infos = {}
    for file in data.FILES:
        content = (small / file).read_bytes()
        infos[file] = UrlInfo(len(content), hashlib.sha256(content).hexdigest(), file)
    monkeypatch.setattr(
        download, 'sources', lambda name, base: {f'{base}/{f}': infos[f] for f in data.FILES}
    )


@pytest.fixture
def serve():
    """Starts servers of a folder on 127.0.0.1; `stall` stops after 'head' or 'half' a file."""
    servers, end = [], threading.Event()

    def start(folder, stall=None):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(folder))

            def log_message(self, *args):
                pass

            def do_HEAD(self):
                if stall == 'head':
                    end.wait()
                else:
                    super().do_HEAD()

            def copyfile(self, source, outputfile):
                content = source.read()
                outputfile.write(content[: len(content) // 2] if stall == 'half' else content)
                if stall == 'half':
                    outputfile.flush()
                    end.wait()

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f'http://127.0.0.1:{server.server_port}'

    yield start
    end.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def nobody():
    """An address on which nobody listens: the connection is refused."""
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))  # bound, but not listening, so nobody else can take it
        yield f'http://127.0.0.1:{taken.getsockname()[1]}'


def assert_same(dataset, folder):
    for array, file in zip(dataset, data.FILES, strict=True):
        np.testing.assert_array_equal(array, data.read_idx(folder / file))


# --- one file ---------------------------------------------------------------------------------


def test_read_idx_returns_what_was_written(tmp_path):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    read = data.read_idx(write(tmp_path / 'a.gz', idx(array)))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ('raw', 'complaint'),
    [
        (b'\0\0\x0d\x01' + struct.pack('>If', 1, 0.5), '00000d01'),  # floats
        (b'PNG, not IDX', '504e472c'),
        (b'', r'\(none\)'),
        (struct.pack('>II', 0x803, 60000), '00000803'),  # ends within its header
        (idx(np.zeros((3, 28, 28)))[:-1], r'2351 values.*\(3, 28, 28\)'),
        (idx(np.zeros(5)) + b'\0', r'6 values.*\(5,\)'),
    ],
)
def test_read_idx_refuses_other_contents(tmp_path, raw, complaint):
    path = write(tmp_path / 'a.gz', raw)
    with pytest.raises(data.DataError, match=f'{path}.*{complaint}.*fetch it again'):
        data.read_idx(path)


@pytest.mark.parametrize('damage', ['truncated', 'flipped', 'not gzip', 'missing'])
def test_read_idx_names_an_unreadable_file(tmp_path, damage):
    path = write(tmp_path / 'a.gz', idx(np.arange(1000) % 251))
    packed = path.read_bytes()
    if damage == 'truncated':
        path.write_bytes(packed[:-20])
    elif damage == 'flipped':  # one byte of the stored checksum
        path.write_bytes(packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:])
    elif damage == 'not gzip':
        path.write_bytes(b'<html>404</html>')
    else:
        path.unlink()
    with pytest.raises(data.DataError, match=f'{path} cannot be read'):
        data.read_idx(path)


# --- a folder ---------------------------------------------------------------------------------


def test_read_folder_gives_types_and_order(small):
    dataset = data.read_folder(small)
    assert [a.shape for a in dataset] == [(60, 28, 28), (60,), (20, 28, 28), (20,)]
    assert [a.dtype for a in dataset] == [np.uint8, np.int32, np.uint8, np.int32]
    assert_same(dataset, small)


@pytest.mark.parametrize(
    ('file', 'array', 'complaint'),
    [
        (1, np.zeros(59), r'\(59,\).*60 images'),
        (3, np.full(20, 10), 'up to 10'),
        (3, np.zeros((20, 1, 1)), r'\(20, 1, 1\)'),
        (2, np.zeros((20, 27, 28)), r'\(20, 27, 28\)'),
        (0, np.zeros(60), r'\(60,\)'),
    ],
)
def test_read_folder_refuses_files_that_do_not_fit(small, file, array, complaint):
    path = write(small / data.FILES[file], idx(array))
    with pytest.raises(data.DataError, match=f'{path}.*{complaint}'):
        data.read_folder(small)


# --- the folder that the user names -----------------------------------------------------------


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(download, 'fetch', lambda *_: pytest.fail('went to the network'))


def test_data_dir_from_argument_then_environment(small, no_download, monkeypatch, tmp_path):
    assert_same(data.load('fashion_mnist', str(small.parent)), small)
    monkeypatch.setenv('FMNIST_DATA_DIR', str(small.parent))
    assert_same(data.load('fashion_mnist'), small)
    assert_same(data.load('fashion_mnist', ''), small)  # a flag's default
    monkeypatch.setenv('FMNIST_DATA_DIR', str(tmp_path / 'elsewhere'))
    assert_same(data.load('fashion_mnist', small.parent), small)
    with pytest.raises(data.DataError, match='elsewhere'):
        data.load('fashion_mnist')


def test_a_file_missing_in_data_dir_is_named(small, no_download):
    (small / data.FILES[2]).unlink()
    with pytest.raises(data.DataError, match=f'{small} lacks {data.FILES[2]};') as caught:
        data.load('fashion_mnist', small.parent)
    # Not "unavailable": a fallback to drawn images would hide the user's mistake.
    assert not isinstance(caught.value, data.DataUnavailable)


def test_a_missing_folder_in_data_dir_is_named_with_the_files(small, no_download):
    with pytest.raises(data.DataError) as caught:
        data.load('mnist', small.parent)
    message = str(caught.value)
    assert f'{small.parent / "mnist"} does not exist' in message
    assert all(file in message for file in data.FILES)
    assert not isinstance(caught.value, data.DataUnavailable)


@pytest.mark.parametrize('damage', ['truncated', 'another file'])
def test_a_bad_checksum_in_data_dir_gives_both_sums(small, no_download, damage):
    path = small / data.FILES[3]
    other = (small / data.FILES[1]).read_bytes()
    content = path.read_bytes()[:-9] if damage == 'truncated' else other
    path.write_bytes(content)
    expected, found = data.MD5['fashion_mnist'][3], hashlib.md5(content).hexdigest()
    with pytest.raises(data.DataError, match=f'{path}.*{found}.*{expected}.*delete it and fetch'):
        data.load('fashion_mnist', small.parent)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(data.DataError, match=r"'cifar'.*fashion_mnist, mnist, synthetic"):
        data.load('cifar')


def test_synthetic_needs_no_files(monkeypatch, no_download):
    monkeypatch.setenv('FMNIST_DATA_DIR', '/nonexistent')
    dataset = data.load('synthetic')
    assert [a.shape for a in dataset] == [(12000, 28, 28), (12000,), (2000, 28, 28), (2000,)]


def test_class_names():
    assert {name: len(set(names)) for name, names in data.CLASS_NAMES.items()} == {
        'fashion_mnist': 10,
        'mnist': 10,
        'synthetic': 10,
    }
    assert data.CLASS_NAMES['fashion_mnist'][9] == 'Ankle boot'


# --- the network and the cache ----------------------------------------------------------------


def test_download_is_quiet_kept_and_used_again(
    small, sources, serve, nobody, tmp_path, capsys, caplog
):
    adapter = requests.adapters.HTTPAdapter
    logging.set_verbosity(logging.INFO)
    try:
        dataset = data.load('fashion_mnist', None, tmp_path / 'cache', serve(small))
        # What was changed for TFDS is as before.
        assert logging.get_verbosity() == logging.INFO
        assert requests.adapters.HTTPAdapter is adapter
    finally:
        logging.set_verbosity(logging.WARNING)
    assert_same(dataset, small)
    told = capsys.readouterr()
    assert told.out == '' and caplog.text == ''
    lines = [line for line in told.err.replace('\r', '\n').split('\n') if line.strip()]
    assert lines and all(line.startswith('Downloading fashion_mnist: ') for line in lines)
    # Nothing but the four files under their plain names.
    assert [p.name for p in (tmp_path / 'cache').iterdir()] == ['fashion_mnist']
    kept = {path.name for path in (tmp_path / 'cache/fashion_mnist').iterdir()}
    assert kept == set(data.FILES)
    assert_same(data.load('fashion_mnist', None, tmp_path / 'cache', nobody), small)
    assert 'tensorflow' not in sys.modules


def test_cache_directory_from_argument_then_environment(small, no_download, monkeypatch, tmp_path):
    shutil.copytree(small, tmp_path / 'xdg/fmnist_jax/fashion_mnist')
    assert_same(data.load('fashion_mnist'), small)
    shutil.move(tmp_path / 'xdg/fmnist_jax', tmp_path / 'mine')
    monkeypatch.setenv('FMNIST_CACHE_DIR', str(tmp_path / 'mine'))
    assert_same(data.load('fashion_mnist'), small)
    assert data.cache_directory('~/x') == pathlib.Path.home() / 'x'


def test_a_damaged_cache_is_fetched_again(small, sources, serve, nobody, tmp_path, caplog):
    cached = shutil.copytree(small, tmp_path / 'cache/fashion_mnist')
    (cached / data.FILES[1]).write_bytes(b'damaged')
    with pytest.raises(data.DataUnavailable) as caught:
        data.load('fashion_mnist', None, tmp_path / 'cache', nobody)
    message = str(caught.value)
    assert f'{cached / data.FILES[1]} is damaged' in message and nobody in message
    caplog.clear()
    dataset = data.load('fashion_mnist', None, tmp_path / 'cache', serve(small))
    assert_same(dataset, small)
    assert 'damaged' in caplog.text and data.FILES[1] in caplog.text
    assert_same(data.read_folder(cached), small)


def test_without_a_network_the_ways_out_are_told_soon(nobody, tmp_path):
    start = time.monotonic()
    with pytest.raises(data.DataUnavailable) as caught:
        data.load('fashion_mnist', None, tmp_path / 'cache', nobody)
    assert time.monotonic() - start < 10
    message = str(caught.value)
    for word in (
        str(tmp_path / 'cache/fashion_mnist'),
        nobody,
        'refused',
        '--data_dir',
        'FMNIST_DATA_DIR',
        '--config.dataset.name=synthetic',
        *data.FILES,
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
    with pytest.raises(data.DataUnavailable, match='no answer'):
        data.load('fashion_mnist', None, tmp_path / 'cache', 'http://example.invalid')
    assert time.monotonic() - start < 2
    end.set()


@pytest.mark.parametrize('stall', ['head', 'half'])
def test_a_server_that_falls_silent_is_given_up(
    small, sources, serve, monkeypatch, tmp_path, stall
):
    assert 1.5 * download.PATIENCE < 10
    monkeypatch.setattr(download, 'PATIENCE', 0.3)
    start = time.monotonic()
    with pytest.raises(data.DataUnavailable, match='timed out'):
        data.load('fashion_mnist', None, tmp_path / 'cache', serve(small, stall))
    assert time.monotonic() - start < 3
    assert not list((tmp_path / 'cache').glob('*'))


def test_a_server_with_other_files_is_refused(small, sources, serve, tmp_path):
    bad = shutil.copytree(small, tmp_path / 'bad')
    (bad / data.FILES[3]).write_bytes(b'captive portal')
    with pytest.raises(data.DataUnavailable) as caught:
        data.load('fashion_mnist', None, tmp_path / 'cache', serve(bad))
    message = str(caught.value)
    assert data.FILES[3] in message and 'wrong checksum' in message
    for content in (b'captive portal', (small / data.FILES[3]).read_bytes()):
        assert hashlib.sha256(content).hexdigest() in message
    assert not list((tmp_path / 'cache').iterdir())


def test_a_server_without_the_files_is_refused(small, sources, serve, tmp_path):
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(data.DataUnavailable, match='404'):
        data.load('fashion_mnist', None, tmp_path / 'cache', serve(tmp_path / 'nothing'))
    assert not list((tmp_path / 'cache').iterdir())


def test_an_address_of_another_kind_is_refused(tmp_path):
    with pytest.raises(data.DataError, match=r'ftp://x.*http'):
        data.load('mnist', None, tmp_path / 'cache', 'ftp://x')


def test_a_cache_that_cannot_be_written_is_named(small, sources, serve, tmp_path):
    (tmp_path / 'cache').write_text('a file, not a folder')
    with pytest.raises(data.DataUnavailable, match=str(tmp_path / 'cache')):
        data.load('fashion_mnist', None, tmp_path / 'cache', serve(small))


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
    dataset = data.load(name, REAL)
    assert dataset.train_images.shape == (60000, 28, 28)
    assert dataset.test_images.shape == (10000, 28, 28)
    assert dataset.train_labels[:10].tolist() == first
    assert per_class is None or np.bincount(dataset.train_labels).tolist() == per_class
    # With the checksums that TFDS knows, and through its download manager.
    fetched = data.load(name, None, tmp_path, serve(REAL / name))
    for mine, theirs in zip(fetched, dataset, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert 'tensorflow' not in sys.modules


# --- splits -----------------------------------------------------------------------------------


def test_split_is_a_partition_that_the_seed_decides():
    train, validation = data.split(1000, 100, seed=3)
    assert train.dtype == validation.dtype == np.int32
    assert (len(train), len(validation)) == (900, 100)
    assert sorted([*train, *validation]) == list(range(1000))
    assert 300 < validation.mean() < 700  # drawn from everywhere
    again, other = data.split(1000, 100, seed=3)[1], data.split(1000, 100, seed=4)[1]
    np.testing.assert_array_equal(validation, again)
    assert len(np.intersect1d(validation, other)) < 40  # 10 expected


def test_split_may_hold_out_none():
    train, validation = data.split(10, 0, seed=0)
    assert len(validation) == 0 and sorted(train) == list(range(10))


@pytest.mark.parametrize('num_validation', [-1, 10, 11])
def test_split_refuses_impossible_numbers(num_validation):
    with pytest.raises(data.DataError, match=f'num_validation is {num_validation};.*10 training'):
        data.split(10, num_validation, seed=0)
