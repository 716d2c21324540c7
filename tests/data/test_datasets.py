"""Reading and checking the files of a data set, and splits."""

import gzip
import hashlib
import pathlib
import struct

import numpy as np
import pytest
from conftest import real_data_dir
from small_files import assert_same, bare_environment, idx, no_download, small, write

from fmnist_jax.data import datasets
from fmnist_jax.errors import DataError
from fmnist_jax.results import arrays

__all__ = ['bare_environment', 'no_download', 'small']  # fixtures
REAL = real_data_dir()


# --- one file ---------------------------------------------------------------------------------


def test_read_idx_returns_what_was_written(tmp_path):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    read = datasets.read_idx(write(tmp_path / 'a.gz', idx(array)))
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
    with pytest.raises(DataError, match=f'{path}.*{complaint}.*fetch it again'):
        datasets.read_idx(path)


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
    with pytest.raises(DataError, match=f'{path} cannot be read'):
        datasets.read_idx(path)


# --- a folder ---------------------------------------------------------------------------------


def test_read_folder_gives_types_and_order(small):
    dataset = datasets.read_folder(small)
    assert [a.shape for a in dataset] == [(60, 28, 28), (60,), (20, 28, 28), (20,)]
    assert [a.dtype for a in dataset] == [np.uint8, np.int32, np.uint8, np.int32]
    assert_same(dataset, small)


@pytest.mark.parametrize(
    ('file', 'array', 'complaint'),
    [
        (1, np.zeros(59), r'\(59,\).*60 images'),
        (3, np.full(20, 10), 'values 10 to 10'),
        (3, np.zeros((20, 1, 1)), r'\(20, 1, 1\)'),
        (2, np.zeros((20, 27, 28)), r'\(20, 27, 28\)'),
        (0, np.zeros(60), r'\(60,\)'),
    ],
)
def test_read_folder_refuses_files_that_do_not_fit(small, file, array, complaint):
    path = write(small / datasets.FILES[file], idx(array))
    with pytest.raises(DataError, match=f'{path}.*{complaint}'):
        datasets.read_folder(small)


# --- the folder that the user names -----------------------------------------------------------


def test_data_dir_from_argument_then_environment(small, no_download, monkeypatch, tmp_path):
    assert_same(datasets.load('fashion_mnist', str(small.parent)), small)
    monkeypatch.setenv('FMNIST_DATA_DIR', str(small.parent))
    assert_same(datasets.load('fashion_mnist'), small)
    assert_same(datasets.load('fashion_mnist', ''), small)  # a flag's default
    monkeypatch.setenv('FMNIST_DATA_DIR', str(tmp_path / 'elsewhere'))
    assert_same(datasets.load('fashion_mnist', small.parent), small)
    with pytest.raises(DataError, match='elsewhere'):
        datasets.load('fashion_mnist')


def test_a_file_missing_in_data_dir_is_named(small, no_download):
    (small / datasets.FILES[2]).unlink()
    with pytest.raises(DataError, match=f'{small} lacks {datasets.FILES[2]};') as caught:
        datasets.load('fashion_mnist', small.parent)
    # Not DataUnavailable: the command would fall back to drawn images and hide the mistake.
    assert not isinstance(caught.value, datasets.DataUnavailable)


def test_a_missing_folder_in_data_dir_is_named_with_the_files(small, no_download):
    with pytest.raises(DataError) as caught:
        datasets.load('mnist', small.parent)
    message = str(caught.value)
    assert f'{small.parent / "mnist"} does not exist' in message
    assert all(file in message for file in datasets.FILES)
    assert not isinstance(caught.value, datasets.DataUnavailable)


@pytest.mark.parametrize('damage', ['truncated', 'another file'])
def test_a_bad_checksum_in_data_dir_gives_both_sums(small, no_download, damage):
    path = small / datasets.FILES[3]
    other = (small / datasets.FILES[1]).read_bytes()
    content = path.read_bytes()[:-9] if damage == 'truncated' else other
    path.write_bytes(content)
    digest, expected = hashlib.md5(content).hexdigest(), datasets.MD5['fashion_mnist'][path.name]
    with pytest.raises(DataError, match=f'{path}.*{digest}.*{expected}.*delete it and fetch'):
        datasets.load('fashion_mnist', small.parent)


def unpack(path):
    """Replaces a gzipped file by its content."""
    path.with_suffix('').write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    return path.with_suffix('')


@pytest.mark.parametrize('numbers', [[2], [0, 1, 2, 3]])
def test_unpacked_files_are_read_and_checked(small, no_download, numbers):
    expected = datasets.load('fashion_mnist', small.parent)
    paths = [unpack(small / datasets.FILES[number]) for number in numbers]
    for array, want in zip(datasets.load('fashion_mnist', small.parent), expected, strict=True):
        np.testing.assert_array_equal(array, want)
    images = arrays.images_at_hand('fashion_mnist', small.parent)
    np.testing.assert_array_equal(images, expected.test_images)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=f'{paths[0]} is damaged or another file: MD5 '):
        datasets.load('fashion_mnist', small.parent)


@pytest.mark.parametrize('name', ['fashion_mnist', 'mnist'])
@pytest.mark.skipif(REAL is None, reason='no real data: set FMNIST_DATA_DIR')
def test_the_checksums_of_unpacked_files_are_those_of_the_published_content(name):
    for file in datasets.FILES:
        content = gzip.decompress((REAL / name / file).read_bytes())
        digest = hashlib.md5(content).hexdigest()
        assert datasets.MD5[name][file.removesuffix('.gz')] == digest


@pytest.mark.parametrize('as_path', [str, pathlib.Path])
def test_a_url_is_no_data_dir(no_download, as_path):
    with pytest.raises(DataError, match='https:/+host/data: a URL is not a file; download it'):
        datasets.load('mnist', as_path('https://host/data'))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"'cifar'.*fashion_mnist, mnist, kmnist.*, synthetic"):
        datasets.load('cifar')


def test_synthetic_needs_no_files(monkeypatch, no_download):
    monkeypatch.setenv('FMNIST_DATA_DIR', '/nonexistent')
    dataset = datasets.load('synthetic')
    assert [a.shape for a in dataset] == [(12000, 28, 28), (12000,), (2000, 28, 28), (2000,)]


def test_class_names():
    assert {name: len(set(names)) for name, names in datasets.CLASS_NAMES.items()} == {
        'fashion_mnist': 10,
        'mnist': 10,
        'kmnist': 10,
        'emnist/letters': 26,
        'emnist/balanced': 47,
        'cifar10': 10,
        'cifar100': 100,
        'synthetic': 10,
    }
    assert datasets.CLASS_NAMES['fashion_mnist'][9] == 'Ankle boot'


# --- splits -----------------------------------------------------------------------------------


def test_split_is_a_partition_that_the_seed_decides():
    train, validation = datasets.split(1000, 100, seed=3)
    assert train.dtype == validation.dtype == np.int32
    assert (len(train), len(validation)) == (900, 100)
    assert sorted([*train, *validation]) == list(range(1000))
    assert 300 < validation.mean() < 700  # drawn from everywhere
    again, other = datasets.split(1000, 100, seed=3)[1], datasets.split(1000, 100, seed=4)[1]
    np.testing.assert_array_equal(validation, again)
    assert len(np.intersect1d(validation, other)) < 40  # 10 expected


def test_a_bootstrap_sample_is_drawn_from_the_training_part():
    train, validation = datasets.split(10_000, 1000, seed=3)
    sample, held_out = datasets.split(10_000, 1000, seed=3, bootstrap=True)
    np.testing.assert_array_equal(held_out, validation)
    assert sample.dtype == np.int32 and len(sample) == 9000
    counts = np.bincount(sample, minlength=10_000)
    assert not counts[validation].any()
    shares = np.bincount(counts[train])[:4] / 9000  # Poisson: 1/e, 1/e, 1/2e, 1/6e
    np.testing.assert_allclose(shares, [0.368, 0.368, 0.184, 0.061], atol=0.02)
    np.testing.assert_array_equal(sample, datasets.split(10_000, 1000, 3, bootstrap=True)[0])
    assert (sample != datasets.split(10_000, 1000, 4, bootstrap=True)[0]).any()


def test_the_last_images_are_held_out_with_every_seed():
    for seed in (0, 1):
        train, validation = datasets.split(10, 3, seed, 'last')
        np.testing.assert_array_equal(train, range(7))
        np.testing.assert_array_equal(validation, [7, 8, 9])
        assert train.dtype == validation.dtype == np.int32


def test_split_may_hold_out_none():
    train, validation = datasets.split(10, 0, seed=0)
    assert len(validation) == 0 and sorted(train) == list(range(10))


@pytest.mark.parametrize('num_validation', [-1, 10, 11])
def test_split_refuses_impossible_numbers(num_validation):
    with pytest.raises(DataError, match=f'num_validation is {num_validation};.*10 training'):
        datasets.split(10, num_validation, seed=0)
