"""Servers on 127.0.0.1, and what they serve."""

import hashlib
import http.server
import socket
import threading

import pytest

from fmnist_jax.data import datasets, download


@pytest.fixture
def sources(small, monkeypatch):
    """What TFDS would know of the small files, in place of what it knows of the real ones."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    infos = {}
    for file in datasets.FILES:
        content = (small / file).read_bytes()
        infos[file] = UrlInfo(len(content), hashlib.sha256(content).hexdigest(), file)
    monkeypatch.setattr(
        download, 'sources', lambda name, base: {f'{base}/{f}': infos[f] for f in datasets.FILES}
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
