"""Single files from a server on 127.0.0.1: whole or not at all, gone on with after a break."""

import base64
import hashlib
import http.server
import threading

import numpy as np
import pytest
from small_files import bare_environment

from fmnist_jax.data import download
from fmnist_jax.models import pretrained
from fmnist_jax.models.keras_files import WeightsError

__all__ = ['bare_environment']  # fixture
CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()


@pytest.fixture
def serve():
    """Starts a server of CONTENT under any name; returns (its address, the ranges asked for)."""
    servers = []

    def start(cut=None, status=200, md5=MD5, ranges=True):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_HEAD(self):
                self.send_response(200)
                self.end_headers()

            def do_GET(self):
                wanted = self.headers.get('Range')
                asked.append(wanted)
                first = int(wanted[6:-1]) if wanted and ranges else 0
                body = CONTENT[first:]
                if wanted and ranges and first >= len(CONTENT):
                    self.send_response(416)
                    return self.end_headers()
                self.send_response(206 if wanted and ranges else status)
                self.send_header('Content-Length', str(len(body)))
                self.send_header('x-goog-hash', 'crc32c=AAAAAA==')
                self.send_header('x-goog-hash', f'md5={md5}')
                self.end_headers()
                self.wfile.write(body[:cut])

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f'http://127.0.0.1:{server.server_port}/', asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def files(folder):
    """The names of a folder's files, without the locks of downloads, which stay."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != '.lock')


def test_a_file_is_fetched_once(serve, tmp_path, capsys):
    address, asked = serve()
    path = tmp_path / 'cache' / 'weights.h5'
    assert download.fetch_file(address + 'weights.h5', path) == path
    assert path.read_bytes() == CONTENT and files(path.parent) == ['weights.h5']
    assert 'Downloading weights.h5: 100%' in capsys.readouterr().err
    download.fetch_file(address + 'weights.h5', path)
    assert asked == [None]


def test_processes_that_want_the_same_file_download_it_once(serve, tmp_path):
    address, asked = serve()
    path = tmp_path / 'weights.h5'
    threads = [threading.Thread(target=download.fetch_file, args=(address, path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [None] and path.read_bytes() == CONTENT


def test_a_file_with_a_wrong_checksum_is_fetched_again(serve, tmp_path):
    path, sum_ = tmp_path / 'weights.h5', hashlib.sha256(CONTENT).hexdigest()
    path.write_bytes(b'damaged')
    address, asked = serve()
    for _ in range(2):
        assert download.fetch_file(address, path, sum_).read_bytes() == CONTENT
    assert asked == [None]


def test_a_broken_download_is_gone_on_with(serve, tmp_path):
    path = tmp_path / 'weights.h5'
    with pytest.raises(OSError):
        download.fetch_file(serve(cut=100_000)[0], path)
    assert files(tmp_path) == ['weights.h5.part']
    begun = (tmp_path / 'weights.h5.part').stat().st_size
    assert 0 < begun <= 100_000
    address, asked = serve()
    download.fetch_file(address, path)
    assert asked == [f'bytes={begun - 1}-'] and path.read_bytes() == CONTENT
    assert files(tmp_path) == ['weights.h5']


def test_a_download_that_lacks_only_its_name_is_checked_and_gets_it(serve, tmp_path):
    """Killed between the last byte and the renaming; there is nothing left to ask a server for."""
    part = tmp_path / 'weights.h5.part'
    part.write_bytes(CONTENT)
    address, asked = serve()
    assert download.fetch_file(address, tmp_path / 'weights.h5').read_bytes() == CONTENT
    assert asked == [f'bytes={len(CONTENT) - 1}-'] and files(tmp_path) == ['weights.h5']
    (tmp_path / 'weights.h5').unlink()
    part.write_bytes(b'x' * len(CONTENT))  # of another file
    with pytest.raises(ValueError, match='damaged on the way'):
        download.fetch_file(address, tmp_path / 'weights.h5')
    assert files(tmp_path) == []


def test_a_server_without_ranges_sends_all_of_it(serve, tmp_path):
    (tmp_path / 'weights.h5.part').write_bytes(b'half')
    download.fetch_file(serve(ranges=False)[0], tmp_path / 'weights.h5')
    assert (tmp_path / 'weights.h5').read_bytes() == CONTENT


def test_what_does_not_belong_is_deleted_and_said(serve, tmp_path):
    part = tmp_path / 'weights.h5.part'
    part.write_bytes(b'x' * 1000)  # of another file: the whole has another MD5
    with pytest.raises(ValueError, match='damaged on the way: 300000 bytes'):
        download.fetch_file(serve()[0], tmp_path / 'weights.h5')
    assert files(tmp_path) == []
    part.write_bytes(b'x' * 400_000)  # longer than the file
    with pytest.raises(ValueError, match='did not belong'):
        download.fetch_file(serve()[0], tmp_path / 'weights.h5')
    assert files(tmp_path) == []


def test_another_hash_than_the_servers_is_refused(serve, tmp_path):
    other = base64.b64encode(hashlib.md5(b'other').digest()).decode()
    with pytest.raises(ValueError, match='damaged on the way'):
        download.fetch_file(serve(md5=other)[0], tmp_path / 'weights.h5')
    assert files(tmp_path) == []


def test_a_missing_file_names_the_ways_out(serve, tmp_path):
    address, _ = serve(status=404)
    with pytest.raises(WeightsError) as caught:
        pretrained.fetch(1.0, tmp_path, address)
    message = str(caught.value)
    name = 'mobilenet_1_0_224_tf_no_top.h5'
    ways_out = str(tmp_path / 'weights'), '--pretrained=FILE', "--rows='simple_cnn*'"
    for word in (address + name, '404', *ways_out):
        assert word in message
    assert not (tmp_path / 'weights' / name).exists()


def test_weights_lie_in_the_cache(serve, tmp_path):
    path = pretrained.fetch(0.5, tmp_path, serve()[0])
    assert path == tmp_path / 'weights' / 'mobilenet_5_0_224_tf_no_top.h5'
    assert path.read_bytes() == CONTENT
