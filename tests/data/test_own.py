"""The user's own images: folders and .npz files, splits, duplicates, and what is refused."""

import shutil

import numpy as np
import pytest
from PIL import Image
from shapes_for_tests import SHAPES, draw_folder

from fmnist_jax.data import datasets, own
from fmnist_jax.errors import DataError


def test_a_folder_is_split_by_class_and_all_images_count(tmp_path):
    root = draw_folder(tmp_path / 'photos', 11)
    (root / 'circle' / 'Thumbs.db').write_bytes(b'')
    (root / '.cache').mkdir()
    images = own.read(root, image_size=32, channels=3)
    assert images.class_names == SHAPES
    dataset = images.dataset
    assert dataset.train_images.shape == (26, 32, 32, 3) and dataset.train_images.dtype == np.uint8
    assert dataset.test_images.shape == (7, 32, 32, 3)
    # A fifth of 11 is 2.2, and 7 images are drawn: 2, 2 and 3.
    assert sorted(np.bincount(dataset.test_labels)) == [2, 2, 3]
    assert np.bincount(dataset.train_labels).sum() == 26 and dataset.train_labels.dtype == np.int32
    assert np.ptp(np.bincount(dataset.train_labels[:12])) <= 1  # each beginning has all classes
    assert 'Thumbs.db' in images.notes[0] and '7 of 33, a fifth of each class' in images.notes[1]


def test_the_fingerprint_is_of_the_images_wherever_they_lie(tmp_path):
    root = draw_folder(tmp_path / 'photos', 11)
    first = own.read(root).fingerprint
    assert own.read(root.rename(tmp_path / 'moved')).fingerprint == first
    next((tmp_path / 'moved' / 'circle').iterdir()).unlink()
    assert own.read(tmp_path / 'moved').fingerprint != first


def test_the_test_seed_alone_draws_the_test_images(tmp_path):
    root = draw_folder(tmp_path / 'photos', 10)
    first, again = own.read(root), own.read(root)
    other = own.read(root, test_seed=1)
    for a, b in zip(first.dataset, again.dataset, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.dataset.train_images.shape == (24, 28, 28)
    assert not np.array_equal(first.dataset.test_images, other.dataset.test_images)
    assert first.fingerprint == other.fingerprint == own.read(root, 40, 3).fingerprint
    assert 0 < first.fingerprint < 2**48
    (root / 'cross' / '3.png').unlink()
    assert own.read(root).fingerprint != first.fingerprint


def test_folders_train_and_test(tmp_path):
    draw_folder(tmp_path / 'photos' / 'train', 4)
    draw_folder(tmp_path / 'photos' / 'test', 2, seed=1)
    images = own.read(tmp_path / 'photos')
    assert images.class_names == SHAPES and not images.notes
    assert np.bincount(images.dataset.train_labels).tolist() == [4, 4, 4]
    assert np.bincount(images.dataset.test_labels).tolist() == [2, 2, 2]
    shutil.rmtree(tmp_path / 'photos' / 'test' / 'cross')
    with pytest.raises(DataError, match='train and test differ in the classes cross'):
        own.read(tmp_path / 'photos')


def test_duplicates_are_told(tmp_path):
    train, test = (draw_folder(tmp_path / 'photos' / part, 3) for part in ('train', 'test'))
    shutil.rmtree(test / 'circle')
    shutil.copytree(draw_folder(tmp_path / 'others', 3, seed=2) / 'circle', test / 'circle')
    shutil.copy(train / 'square' / '0.png', train / 'square' / 'copy.png')
    notes = '\n'.join(own.read(tmp_path / 'photos').notes)
    assert '6 of 9 test images are training images, too' in notes
    assert any(f'{test / "cross"}/{n} = {train / "cross"}/{n}' in notes for n in ('0.png', '1.jpg'))
    assert '1 training images occur twice or more' in notes


# --- one picture ------------------------------------------------------------------------------


def test_a_picture_is_padded_and_scaled_as_a_whole(tmp_path):
    Image.fromarray(np.full((20, 40), 200, np.uint8)).save(tmp_path / 'wide.png')
    image = own.read_photo(tmp_path / 'wide.png', 32, 1)
    assert image.shape == (32, 32) and image[16, 0] == image[16, 31] == 200
    assert (image[:8] == 0).all() and (image[-8:] == 0).all() and (image[9:23] == 200).all()
    colour = own.read_photo(tmp_path / 'wide.png', 32, 3)
    np.testing.assert_array_equal(colour, np.repeat(image[..., None], 3, -1))


def test_orientation_transparency_and_16_bits(tmp_path):
    tall = Image.fromarray(np.full((40, 20), 200, np.uint8))
    exif = tall.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    tall.save(tmp_path / 'turned.jpg', exif=exif)
    assert own.read_photo(tmp_path / 'turned.jpg', 32, 1)[:7].max() < 20  # now wide
    Image.new('RGBA', (9, 9), (0, 0, 0, 0)).save(tmp_path / 'clear.png')
    assert (own.read_photo(tmp_path / 'clear.png', 9, 3) == 255).all()
    deep = np.array([[0, 257, 65535]], np.uint16).repeat(3, 0)
    Image.fromarray(deep).save(tmp_path / 'deep.png')
    assert own.read_photo(tmp_path / 'deep.png', 3, 1)[0].tolist() == [0, 1, 255]


# --- .npz -------------------------------------------------------------------------------------


def write_npz(path, change=(), count=12, shape=(20, 30, 3)):
    rng = np.random.default_rng(0)
    arrays = {
        'x_train': rng.integers(0, 256, (count, *shape)).astype(np.uint8),
        'y_train': np.arange(count)[:, None] % 3,  # Keras' CIFAR has labels [N, 1]
        'x_test': rng.integers(0, 256, (6, *shape)).astype(np.uint8),
        'y_test': np.arange(6) % 3,
    } | dict(change)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_an_npz_file(tmp_path):
    path = write_npz(tmp_path / 'a.npz', {'class_names': np.array(['x', 'y', 'z'])})
    images = own.read(path, 32, 3)
    assert images.class_names == ('x', 'y', 'z')
    assert images.dataset.train_images.shape == (12, 32, 32, 3)
    assert images.dataset.test_images.shape == (6, 32, 32, 3)
    np.testing.assert_array_equal(images.dataset.test_labels, np.arange(6) % 3)
    assert 'scaled from 20x30 to 32x32' in images.notes[0]


def test_an_npz_file_of_the_right_size_is_taken_as_it_is(tmp_path):
    path = write_npz(tmp_path / 'a.npz', shape=(28, 28, 1))
    images = own.read(path)
    assert images.class_names == ('0', '1', '2') and not images.notes
    with np.load(path) as file:
        np.testing.assert_array_equal(images.dataset.test_images, file['x_test'][..., 0])


def test_an_npz_file_without_test_images_is_split(tmp_path):
    path = write_npz(tmp_path / 'a.npz', {'x_test': None, 'y_test': None}, count=15)
    images = own.read(path)
    assert np.bincount(images.dataset.test_labels).tolist() == [1, 1, 1]
    assert any('3 of 15, a fifth of each class' in note for note in images.notes)


@pytest.mark.parametrize(
    ('change', 'complaint'),
    [
        ({'x_test': None}, 'lacks x_test; expected x_train, y_train, x_test, y_test'),
        ({'x_train': np.zeros((12, 5, 5))}, 'x_train is float64 .*expected uint8'),
        ({'x_train': np.zeros((12, 5, 5, 2), np.uint8)}, r'x_train is .*\(12, 5, 5, 2\)'),
        ({'y_train': np.zeros(11, int)}, r'y_train is int64 of shape \(11,\); .*\(12,\)'),
        ({'y_test': np.zeros(6)}, 'y_test is float64'),
        ({'y_train': np.full(12, -1)}, 'labels -1 to -1'),
        ({'y_train': np.arange(12) % 2}, 'too few images of a class: 2 0; expected 2'),
        ({'y_test': np.zeros(6, int)}, 'no test images of 1, 2'),
        ({'y_train': 9 * (np.arange(12) % 2)}, 'class: 1 0, 2 0, .* 5 0 and 3 more classes; exp'),
        ({'y_train': np.zeros(12, int), 'y_test': np.zeros(6, int)}, 'all images are of one class'),
        ({'class_names': np.array(['x', 'y'])}, '2 different class_names for labels 0 to 2'),
        ({'class_names': np.array(list('xyx'))}, '2 different class_names for labels 0 to 2'),
        ({'class_names': np.array('x, y, z')}, r'class_names has the shape \(\); expected \(3,\)'),
        ({'x_train': np.array([None] * 12)}, 'not an .npz file of arrays'),
    ],
)
def test_an_npz_file_that_does_not_fit_is_refused(tmp_path, change, complaint):
    path = write_npz(tmp_path / 'a.npz', change)
    with pytest.raises(DataError, match=f'{path}.*{complaint}') as caught:
        own.read(path)
    assert '\n' not in str(caught.value)


def test_class_names_may_be_bytes(tmp_path):
    path = write_npz(tmp_path / 'a.npz', {'class_names': np.array([b'x', b'y', b'z'])})
    assert own.read(path).class_names == ('x', 'y', 'z')


def test_a_single_array_is_no_npz_file(tmp_path):
    path = tmp_path / 'a.npz'
    with path.open('wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=f'{path}: not an .npz file .*numpy.save writes it'):
        own.read(path)


def test_a_truncated_npz_file_is_refused(tmp_path):
    path = write_npz(tmp_path / 'a.npz')
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=f'{path}: not an .npz file'):
        own.read(path)


# --- what is refused --------------------------------------------------------------------------


def test_a_class_with_too_few_images_is_refused(tmp_path):
    root = draw_folder(tmp_path / 'photos', 5)
    own.read(root)
    (root / 'cross' / '0.png').unlink()
    (root / 'empty').mkdir()
    with pytest.raises(DataError, match='too few images of a class: cross 4, empty 0; expected 5'):
        own.read(root)


def test_pictures_that_cannot_be_read_are_named(tmp_path):
    root = draw_folder(tmp_path / 'photos', 5)
    broken = root / 'circle' / '1.jpg'
    broken.write_bytes(broken.read_bytes()[:300])
    (root / 'square' / '0.png').write_text('a text')
    with pytest.raises(DataError, match=f'2 of 15 pictures cannot be read: {broken}') as caught:
        own.read(root)
    assert '\n' not in str(caught.value)
    with pytest.raises(DataError, match='0.png: not a picture that can be read'):
        own.read_photo(root / 'square' / '0.png', 28, 1)
    (root / 'square' / '0.png').write_bytes(b'....ftypheic' + bytes(50))
    with pytest.raises(DataError, match='can be read .a HEIC photo; convert it'):
        own.read_photo(root / 'square' / '0.png', 28, 1)


def test_refusal_of_a_class_tells_which_files_are_left_out(tmp_path):
    root = draw_folder(tmp_path / 'photos', 5)
    for file in (root / 'cross').iterdir():
        file.rename(file.with_suffix('.heic'))
    with pytest.raises(DataError, match=f'cross 0; .*5 files are left out.*{root / "cross"}.*heic'):
        own.read(root)


def test_other_places_are_refused(tmp_path):
    with pytest.raises(DataError, match='nothing: expected a folder .* or an .npz file'):
        own.read(tmp_path / 'nothing')
    root = draw_folder(tmp_path / 'photos', 1)
    with pytest.raises(DataError, match='circle: 0 folders in it; expected a folder of images for'):
        own.read(root / 'circle')
    with pytest.raises(DataError, match='a URL is not a file'):
        own.read('https://host/photos')
    with pytest.raises(DataError, match=r'load_images\(PATH\)'):
        datasets.load('folder')


# --- splits -----------------------------------------------------------------------------------


def test_a_stratified_split_has_each_class_share():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    train, validation = datasets.split(160, 32, 0, labels=labels)
    assert sorted([*train, *validation]) == list(range(160))
    assert np.bincount(labels[validation]).tolist() == [20, 10, 2]
    assert not np.array_equal(validation, datasets.split(160, 32, 1, labels=labels)[1])
    np.testing.assert_array_equal(validation, datasets.split(160, 32, 0, labels=labels)[1])
