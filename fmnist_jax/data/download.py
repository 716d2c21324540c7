"""Fetches the four files of a data set through tensorflow-datasets (TFDS), and single files.

TFDS (without TensorFlow) knows the addresses and SHA-256 sums of a data set's files. What it
lacks is a time limit: without a network it tries for more than three minutes, and a server that
falls silent holds it for ever.
"""

import base64
import contextlib
import hashlib
import os
import tempfile
import threading

from absl import logging
from tqdm import tqdm

PATIENCE = 5.0  # seconds of silence after which a server counts as away


def sources(name, base=None):
    """Where the four files of a data set are and what they should be.

    Args:
      name: 'fashion_mnist' or 'mnist'.
      base: http(s) address of a folder with the files, instead of the one TFDS knows.

    Returns:
      {address: TFDS's size and SHA-256}, in no particular order.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder_cls(name)
    base = (base or builder.URL).rstrip('/') + '/'
    return {url.replace(builder.URL, base): info for url, info in builder.url_infos.items()}


def fetch(sources, folder):
    """Fetches and checks the files in a scratch folder; moves them to `folder` at the end.

    Args:
      sources: what `sources` returned.
      folder: pathlib.Path, made if it is not there.

    Raises:
      OSError, ValueError or TFDS's own errors: nobody answers, a wrong checksum, a full disk.
    """
    import tensorflow_datasets as tfds

    _ask(next(iter(sources)))
    tfds.disable_progress_bar()
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch_dir = tempfile.TemporaryDirectory(dir=folder.parent, prefix='.download-')
    with scratch_dir as scratch, _patience():
        manager = tfds.download.DownloadManager(download_dir=scratch, url_infos=sources)
        fetched = {}
        size = sum(info.size for info in sources.values())
        with tqdm(total=size, desc=f'Downloading {folder.name}', unit='B', unit_scale=True) as bar:
            # One at a time, so that a failure leaves no thread that still writes to the scratch.
            for url, info in sources.items():
                fetched[info.filename] = manager.download(url)
                bar.update(info.size)
        folder.mkdir(exist_ok=True)
        for file, path in fetched.items():
            os.replace(path, folder / file)


def fetch_file(url, path):
    """Downloads one file unless it is there; what a broken download left is gone on with.

    It takes its name only when it is whole: as long as the server says, and with the MD5 that the
    server names, if it does (Google's `x-goog-hash`).

    Args:
      url: http(s) address.
      path: pathlib.Path of the file to make.

    Returns:
      path.

    Raises:
      OSError, ValueError: nobody answers, no such file there, a damaged transfer, a full disk.
    """
    import requests

    if path.is_file():
        return path
    _ask(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    # The last byte comes again: a server refuses to send nothing, if only the renaming is missing.
    begun = max(0, part.stat().st_size - 1) if part.is_file() else 0
    # Not compressed on the way: ranges and lengths are those of the file itself.
    headers = {'Accept-Encoding': 'identity'}
    if begun:
        headers['Range'] = f'bytes={begun}-'
    with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()  # longer than the file: not a part of it
            raise ValueError(f'{part} did not belong to {url} and was deleted; try again')
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            begun = 0  # the server sends all of it
        total = begun + int(response.headers.get('Content-Length', 0))
        _receive(response, part, begun, total, path.name)
    _check_whole(part, total, response.headers.get('x-goog-hash', ''))
    os.replace(part, path)
    return path


def _receive(response, part, begun, total, name):
    """Writes what comes behind the first `begun` bytes, which are there, with a bar."""
    bar = tqdm(total=total or None, initial=begun, unit='B', unit_scale=True)
    bar.set_description(f'Downloading {name}')
    with bar, open(part, 'r+b' if begun else 'wb') as file:
        file.seek(begun)
        for block in response.iter_content(1 << 16):
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())


def _check_whole(part, total, hashes):
    """Raises if the file is not what the server announced; what is wrong is deleted."""
    size = part.stat().st_size
    if total and size < total:
        raise OSError(f'the connection ended after {size} of {total} bytes; try again')
    named = [h.strip()[4:] for h in hashes.split(',') if h.strip().startswith('md5=')]
    md5 = hashlib.md5(part.read_bytes(), usedforsecurity=False).digest()
    if size != (total or size) or (named and base64.b64decode(named[0]) != md5):
        part.unlink()
        raise ValueError(f'damaged on the way: {size} bytes, MD5 {md5.hex()}; try again')


def reason(error):
    """What went wrong in few words: requests hides the cause; TFDS adds the scratch's path."""
    cause = getattr(error.args[0] if error.args else None, 'reason', error)
    return ' '.join(str(cause).split('To debug')[0].split())


def _ask(url):
    """Raises within 1.5 PATIENCE if nobody answers at `url`, whatever the answer.

    A thread, because looking up a name has no time limit; a daemon, so that it delays no exit.
    """
    import requests  # as TFDS does, so with the same proxies and certificates

    outcome = []

    def ask():
        try:
            requests.head(url, timeout=PATIENCE)
            outcome.append(None)
        except (OSError, ValueError) as error:  # requests' own errors are of these kinds
            outcome.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(1.5 * PATIENCE)
    error = outcome[0] if outcome else TimeoutError(f'no answer in {1.5 * PATIENCE} s')
    if error:
        raise error


@contextlib.contextmanager
def _patience():
    """TFDS asks ten times (204 s), waits for ever and logs each file; once, PATIENCE, quietly."""
    import requests

    class Adapter(requests.adapters.HTTPAdapter):
        def __init__(self, **_):
            super().__init__(max_retries=0)

        def send(self, request, **settings):
            return super().send(request, **(settings | {'timeout': PATIENCE}))

    theirs, requests.adapters.HTTPAdapter = requests.adapters.HTTPAdapter, Adapter
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        requests.adapters.HTTPAdapter = theirs
        logging.set_verbosity(verbosity)
