"""Full and read-only disks: one line that names the file, finished rows stay, nothing is torn."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from report_for_tests import line

from configs import base
from fmnist_jax import files
from fmnist_jax.errors import DataError
from fmnist_jax.results import arrays, lines, workdirs


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB, and a function that makes it read-only."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    if not shutil.which('mount'):
        pytest.skip('no mount')
    words = ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip('mounting is not permitted')

    def read_only():
        subprocess.run(['mount', '-o', 'remount,ro', str(folder)], check=True)

    yield folder, read_only
    subprocess.run(['umount', str(folder)], check=True)


def fill_up(folder):
    """Leaves not a byte."""
    with contextlib.suppress(OSError), open(folder / 'ballast', 'wb', buffering=0) as file:
        while True:
            file.write(bytes(512))


def refused(action, path, number):
    with pytest.raises(OSError) as error:
        action()
    assert error.value.errno == number and error.value.filename == str(path)
    assert '\n' not in str(error.value)


def test_a_full_disk_keeps_what_is_there(small_disk):
    folder, _ = small_disk
    workdirs.acquire(folder, base.get_config())
    lines.append(folder, line('a'))
    arrays.save(folder, 'a', np.zeros((1, 5, 10)))
    before = {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    fill_up(folder)
    long = line('b', more='x' * 5000)
    refused(lambda: lines.append(folder, long), folder / 'results.jsonl', errno.ENOSPC)
    other = base.get_config()
    other.title = 'a longer title' * 500
    refused(lambda: workdirs.acquire(folder, other), folder / 'config.json', errno.ENOSPC)
    probs = np.random.default_rng(0).random((2, 500, 10))
    path = folder / 'predictions' / 'b.npz'
    refused(lambda: arrays.save(folder, 'b', probs), path, errno.ENOSPC)
    (folder / 'ballast').unlink()
    after = {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    assert after == before
    lines.append(folder, long)  # with room again it goes on
    assert [r['row'] for r in lines.read(folder)] == ['a', 'b']


def test_a_read_only_disk_is_named(small_disk):
    folder, read_only = small_disk
    lines.append(folder, line('a'))
    (folder / 'predictions').mkdir()
    read_only()
    refused(lambda: lines.append(folder, line('b')), folder / 'results.jsonl', errno.EROFS)
    refused(lambda: files.write(folder / 'table.md', 'x'), folder / 'table.md', errno.EROFS)
    path = folder / 'predictions' / 'a.npz'
    refused(lambda: arrays.save(folder, 'a', np.zeros((1, 5, 10))), path, errno.EROFS)
    assert [r['row'] for r in lines.read(folder)] == ['a']


@pytest.mark.parametrize('call', ['write', 'fsync'])
def test_a_disk_that_fails_in_the_middle_leaves_no_part(tmp_path, monkeypatch, call):
    """Where no small disk can be mounted: half the line is written, then none."""
    lines.append(tmp_path, line('a'))
    before = (tmp_path / 'results.jsonl').read_bytes()
    write, calls = os.write, []

    def failing(descriptor, content=b''):
        calls.append(content)
        if call == 'write' and len(calls) == 1:
            return write(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, call, failing)
    path = tmp_path / 'results.jsonl'
    refused(lambda: lines.append(tmp_path, line('b')), path, errno.ENOSPC)
    assert calls and path.read_bytes() == before


def test_a_file_is_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / 'table.md'
    files.write(path, 'old')
    files.write(path, b'new')
    assert path.read_bytes() == b'new'
    files.write(path, 'x\udcff')  # from a folder's name that is no UTF-8
    assert path.read_bytes() == b'x?'
    files.write(path, b'new')

    def failing(_):
        raise OSError(errno.EIO, 'Input/output error')

    monkeypatch.setattr(os, 'fsync', failing)
    refused(lambda: files.write(path, 'newer'), path, errno.EIO)
    assert path.read_bytes() == b'new' and list(tmp_path.iterdir()) == [path]


def test_processes_may_write_the_same_file_at_once(tmp_path):
    """As searches that share a folder do at their end."""
    many = f"""
import pathlib
from fmnist_jax import files
from fmnist_jax.errors import DataError
for _ in range(300):
    files.write(pathlib.Path({str(tmp_path / 'a')!r}), 'whole')
"""
    writers = [subprocess.Popen([sys.executable, '-c', many]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ['a']
    assert (tmp_path / 'a').read_text() == 'whole'


def test_text_between_markers_is_replaced_and_nothing_else(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('a\n<!-- x.py begins -->\nold\n<!-- x.py ends -->\nb\n')
    for text in ('new\n', '', 'newer\n'):
        files.write_between(page, 'x.py', text)
        assert page.read_text() == f'a\n<!-- x.py begins -->\n{text}<!-- x.py ends -->\nb\n'
    with pytest.raises(DataError, match='page.md: expected the lines <!-- y.py begins --> and'):
        files.write_between(page, 'y.py', 'text')
