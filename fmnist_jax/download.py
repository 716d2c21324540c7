"""Fetches the four files of a data set through tensorflow-datasets (TFDS), without TensorFlow.

TFDS knows the addresses and SHA-256 sums of the files. What it lacks is a time limit: without a
network it tries for more than three minutes, and a server that falls silent holds it for ever.
"""

import contextlib
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
