"""Tries damaged files. Each must give one error line or the data that was written.

The script makes each kind of file once, damages it in many ways and reads it as fmnist_jax does. A
file with a checksum (gzip, zip, our MD5) must never give other data.
"""

import gzip
import itertools
import json
import pathlib
import struct
import tempfile
from unittest import mock

import h5py
import numpy as np

from configs import base
from experiments.reliability.bad_configs import judge
from fmnist_jax import report
from fmnist_jax.config.settings import plain, resolve, settings_hash
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.models import keras_files
from fmnist_jax.results import arrays, workdirs
from fmnist_jax.results import lines as results

GARBAGE = (b'', b'\0', b'\n', b'{}\n', b'[1]\n', b'null\n', b'\xff' * 50, b'<html>404</html>' * 9)


def damaged(content, rng, count):
    """Yields GARBAGE, then `count` damaged versions of a file's bytes."""
    yield from GARBAGE
    for i in range(count):
        raw = bytearray(content)
        if i % 4 == 0:  # cut off
            del raw[rng.integers(len(raw)) :]
        elif i % 4 == 1:  # a block of zeros, as after a crash of the machine
            start = rng.integers(len(raw))
            raw[start : start + 512] = bytes(len(raw[start : start + 512]))
        else:  # one to eight changed bytes, half of the time among the first thousand
            end = len(raw) if i % 4 == 2 else min(1000, len(raw))
            for position in rng.integers(end, size=rng.integers(1, 9)):
                raw[position] ^= rng.integers(1, 256)
        yield bytes(raw)


def try_read(read, path, same=None):
    """Returns 'refused', 'accepted' (the same data, or a format without checksum) or the failure.

    Args:
      read: reads a path.
      path: the damaged file.
      same: tells whether the data equals the written data; None for a format without checksum.
    """
    try:
        data = read(path)
    except (ConfigError, DataError) as error:
        return judge(error, path.name)
    except Exception as error:
        return f'{type(error).__name__}: {error}'
    if same is not None and not same(data):
        return 'read, but not the data that was written'
    return 'accepted'


def _try_all(read, path, count, same=None):
    """Damages the file at `path` in many ways, then restores it: {case: outcome}."""
    content = path.read_bytes()
    outcomes = {}
    for i, raw in enumerate(damaged(content, np.random.default_rng(0), count)):
        path.write_bytes(raw)
        outcomes[f'{path.name} {i}'] = try_read(read, path, same)
    path.write_bytes(content)
    return outcomes


def idx(folder, count):
    """Tries a gzipped IDX file of images, without the MD5 check of the published files."""
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    path = pathlib.Path(folder) / datasets.FILES[2]
    path.write_bytes(gzip.compress(struct.pack('>4I', 0x803, *images.shape) + images.tobytes()))
    return _try_all(datasets.read_idx, path, count, lambda data: np.array_equal(data, images))


def idx_contents(folder):
    """Tries IDX files with wrong headers or contents, and pairs that do not match."""
    folder, outcomes = pathlib.Path(folder), {}
    images = struct.pack('>4I', 0x803, 5, 28, 28) + bytes(5 * 784)
    labels = struct.pack('>2I', 0x801, 5) + bytes(range(5))
    wrong = {
        0: [images[:-1], images[:10], struct.pack('>4I', 0x803, 0, 28, 28), labels, b'PNG'],
        1: [labels[:-1], labels[:-1] + b'\x0a', struct.pack('>2I', 0x801, 0), images, b''],
    }
    for dimensions in range(256):
        if dimensions != 3:
            wrong[0].append(bytes([0, 0, 8, dimensions]) + images[4:])
        wrong[0].append(struct.pack('>4B', 0, 0, 8, dimensions) + b'\xff' * 4 * dimensions)
    for kind in (*range(8), *range(9, 16)):
        wrong[1].append(bytes([0, 0, kind, 1]) + labels[4:])
    for file, contents in wrong.items():
        for i, content in enumerate(contents):
            for number, right in enumerate((images, labels, images, labels)):
                raw = content if number == file else right
                (folder / datasets.FILES[number]).write_bytes(gzip.compress(raw, compresslevel=1))
            outcomes[f'{datasets.FILES[file]} {i}'] = try_read(
                datasets.read_folder, folder, lambda data: False
            )
    return outcomes


def weights(folder, count):
    """Tries a Keras file of one convolution. HDF5 has no checksum."""
    path = pathlib.Path(folder) / 'weights.h5'
    with h5py.File(path, 'w') as file:
        file.attrs['layer_names'] = ['conv1', 'conv1_bn']
        for layer, names in (('conv1', ['kernel']), ('conv1_bn', ['gamma', 'beta'])):
            group = file.create_group(layer)
            group.attrs['weight_names'] = [f'{layer}/{name}:0' for name in names]
            for name in names:
                group[f'{layer}/{name}:0'] = np.arange(27, dtype=np.float32)
    with mock.patch.object(keras_files, 'PATIENCE', 10):
        return _try_all(lambda path: keras_files.read(path, {}), path, count)


def _workdir(folder):
    """Makes a workdir with two rows, the second with two result lines."""
    workdir = pathlib.Path(tempfile.mkdtemp(dir=folder))
    config = base.get_config()
    config.rows = (base.row('a', {}, 0.9), base.row('b', {}, 0.8))
    config.claims = (base.claim('a is better', ('a', 'b')),)
    workdirs.acquire(workdir, config)
    settings = resolve(config, config.rows[0])
    history = {'train_loss': [[1.0, 0.9], [0.8, None]], 'train_accuracy': [[0.5, 0.6], [0.7, None]]}
    line = {'dataset': 'fashion_mnist', 'reported': 0.9, 'train_seconds': 3.0, 'history': history}
    line |= {'config_hash': settings_hash(settings), 'config': plain(settings)}
    line |= {'diverged': [False, True], 'tested_epoch': [2, 1], 'test_loss': [0.5, None]}
    line |= {'test_images': 10_000, 'confusion': [[[100] * 10] * 10, None]}
    for row, seeds in (('a', [0, 1]), ('b', [0, 1]), ('b', [2, 3])):
        results.append(workdir, line | {'row': row, 'seeds': seeds, 'test_accuracy': [0.9, 0.85]})
    return workdir


def result_lines(folder, count):
    """Tries results.jsonl."""
    workdir = _workdir(folder)
    path = workdir / 'results.jsonl'

    def read(path):
        return report.workdir_table(path.parent) if path.stat().st_size else results.read(workdir)

    outcomes = _try_all(read, path, count)
    lines = path.read_bytes().splitlines(keepends=True)
    for case, changed in {
        'a line twice': [*lines, lines[0]],
        'a line inside a line': [lines[0][:200] + lines[1], lines[2]],
        'a seed twice': [*lines, lines[2].replace(b'[2, 3]', b'[3, 4]')],
        'other settings': [lines[1], lines[2].replace(b': 128', b': 64')],
        'NaN': [lines[0].replace(b'0.85', b'NaN')],
        'accuracy of 9': [lines[0].replace(b'0.85', b'9')],
        'true for a number': [lines[0].replace(b'0.85', b'true')],
        'one number less': [lines[0].replace(b', 0.85', b'')],
        'nested': [b'[' * 100_000 + b'\n'],
        'a carriage return': [lines[0].replace(b'"row"', b'"r\row"'), lines[1]],
    }.items():  # fmt: skip
        path.write_bytes(b''.join(changed))
        outcome = try_read(read, path)
        outcomes[case] = 'read without an error' if outcome == 'accepted' else outcome
    return outcomes


def configs(folder, count):
    """Tries config.json of a workdir: reports read it, and the next run compares it."""
    workdir = _workdir(folder)
    path = workdir / 'config.json'
    outcomes = _try_all(lambda path: report.workdir_table(path.parent), path, count)
    rows = json.loads(path.read_bytes())
    for name, value in itertools.product(
        ('also_reported', 'reported', 'calibrated_on', 'name'), (5, 'x', [1], None, {'a': 'b'})
    ):
        damaged_rows = [rows['rows'][0] | {name: value}, *rows['rows'][1:]]
        path.write_text(json.dumps(rows | {'rows': damaged_rows}))
        outcome = try_read(lambda path: report.workdir_table(path.parent), path)
        outcomes[f'{name} of a row {value!r}'] = outcome
    for name in ('title', 'rows', 'claims', 'dataset', 'epochs', 'model', 'optimizer'):
        for value in (None, 3, 'x', [], {}, [1], [{}], [{'name': 3}], {'a': {'b': 1}}):
            path.write_text(json.dumps(rows | {name: value}))
            outcome = try_read(lambda path: workdirs.acquire(path.parent, base.get_config()), path)
            if outcome.startswith('unclear') and name not in ('title', 'rows'):
                outcome = 'refused'  # the error lists each field that differs on its own line
            outcomes[f'{name} {value!r}'] = outcome
    return outcomes


def predictions(folder, count):
    """Tries a row's predictions, a zip file whose parts have checksums."""
    probs = np.random.default_rng(0).random((2, 30, 10)).astype(np.float16)
    path = pathlib.Path(folder) / arrays.save(pathlib.Path(folder), 'a', probs)
    outcomes = _try_all(arrays.load, path, count, lambda data: np.array_equal(data, probs))
    for i, array in enumerate((np.zeros(3), np.zeros((2, 3, 9)), np.zeros((0, 3, 10)), 'x', None)):
        np.savez(path, probabilities=array)
        outcomes[f'other arrays {i}'] = try_read(arrays.load, path, lambda data: False)
    np.savez(path, other=probs)
    outcomes['another name'] = try_read(arrays.load, path, lambda data: False)
    with open(path, 'wb') as file:
        np.save(file, probs)
    outcomes['not a zip file'] = try_read(arrays.load, path, lambda data: False)
    return outcomes
