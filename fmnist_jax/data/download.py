"""Downloads files over http(s), each whole or not at all.

tensorflow-datasets (TFDS), without TensorFlow, knows the files' addresses and SHA-256 sums. It does
not download them: without a network it would try for minutes.
"""

import base64
import hashlib
import os
import pathlib
import tempfile
import threading

import filelock
from tqdm import tqdm

PATIENCE = 5.0  # seconds without an answer until a server counts as unreachable


def sources(name, base=None):
    """{address: TFDS's UrlInfo with `filename` and `checksum`, a SHA-256} of a data set's files.

    `base` is the http(s) address of a folder with the files, instead of the one TFDS knows.
    """
    import tensorflow_datasets as tfds

    infos = tfds.builder_cls(name).url_infos
    if base is None:
        return dict(infos)
    return {f'{base.rstrip("/")}/{url.rpartition("/")[2]}': info for url, info in infos.items()}


def fetch(sources, folder):
    """Downloads and checks `sources`; moves them to `folder` when all of them are complete.

    Raises OSError or ValueError: no answer, a wrong checksum, a full disk.
    """
    _ask(next(iter(sources)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix='.download-') as scratch:
        for url, info in sources.items():
            fetch_file(url, pathlib.Path(scratch) / info.filename, info.checksum)
        folder.mkdir(exist_ok=True)
        for info in sources.values():
            os.replace(pathlib.Path(scratch) / info.filename, folder / info.filename)


def fetch_file(url, path, sha256=None):
    """Downloads one file unless it exists, intact; resumes an interrupted download. Returns `path`.

    One process downloads; others that want the same file wait for it. The file gets its name when
    its length is right, and so is its checksum, by `sha256` or by the MD5 that the server sends
    (Google's `x-goog-hash`), if there is one.

    Raises OSError or ValueError: no answer, no such file, a damaged transfer, a full disk.
    """
    if _is_intact(path, sha256):
        return path
    _ask(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f'{path}.lock'):
        if not _is_intact(path, sha256):
            _fetch_file(url, path, sha256)
    return path


def _is_intact(path, sha256):
    """Whether a file is there, with this checksum if there is one."""
    return path.is_file() and (
        sha256 is None or hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    )


def _fetch_file(url, path, sha256):
    """Downloads a file into the place of any older one."""
    import requests

    part = path.with_name(path.name + '.part')
    # Ask for the last byte again: a server answers a request for zero bytes with an error.
    begun = max(0, part.stat().st_size - 1) if part.is_file() else 0
    headers = {'Accept-Encoding': 'identity'}  # ranges and lengths are those of the file itself
    headers |= {'Range': f'bytes={begun}-'} if begun else {}
    with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()  # longer than the file, so not a part of it
            raise ValueError(f'{part} did not belong to {url} and was deleted; try again')
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            begun = 0  # the server sends the whole file
        total = begun + int(response.headers.get('Content-Length', 0))
        options = {'total': total or None, 'initial': begun, 'unit': 'B', 'unit_scale': True}
        with (
            tqdm(desc=f'Downloading {path.name}', **options) as bar,
            open(part, 'r+b' if begun else 'wb') as file,
        ):
            file.seek(begun)
            for block in response.iter_content(1 << 16):
                file.write(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
    _check(part, total, response.headers.get('x-goog-hash', ''), sha256)
    os.replace(part, path)


def _check(part, total, server_hashes, sha256):
    """Raises if the file's length or checksum is wrong; then deletes it, unless it is too short."""
    content = part.read_bytes()
    if len(content) < total:
        raise OSError(f'the connection ended after {len(content)} of {total} bytes; try again')
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    sums = [h.strip()[4:] for h in server_hashes.split(',') if h.strip().startswith('md5=')]
    if len(content) != (total or len(content)) or (sums and base64.b64decode(sums[0]) != md5):
        part.unlink()
        raise ValueError(f'damaged on the way: {len(content)} bytes, MD5 {md5.hex()}; try again')
    digest = hashlib.sha256(content).hexdigest()
    if sha256 and digest != sha256:
        part.unlink()
        raise ValueError(f'{part.stem} has a wrong checksum: SHA-256 {digest}, expected {sha256}')


def reason(error):
    """An error of a download in one line, without the wrapping that requests adds."""
    cause = getattr(error.args[0] if error.args else None, 'reason', error)
    return ' '.join(str(cause).split())


def _ask(url):
    """Raises within 1.5 PATIENCE if no server answers; a name look-up alone has no time limit."""
    import requests

    errors = [TimeoutError(f'no answer in {1.5 * PATIENCE} s')]

    def ask():
        try:
            requests.head(url, timeout=PATIENCE)
            errors.clear()
        except (OSError, ValueError) as error:  # requests' own errors are of these kinds
            errors.insert(0, error)

    thread = threading.Thread(target=ask, daemon=True)  # delays no exit
    thread.start()
    thread.join(1.5 * PATIENCE)
    if error := next(iter(errors), None):
        raise error
