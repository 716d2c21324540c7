"""Photos and IDX files as the networks' images."""

import gzip

import numpy as np
import pytest
from PIL import Image
from small_files import idx

from fmnist_jax.data import datasets, photos
from fmnist_jax.errors import DataError


def item(shape=(60, 100), box=(20, 40, 30, 50), background=0, tone=200):
    """A grey picture [H, W] with a rectangle: rows box[0] to box[1], columns box[2] to box[3]."""
    picture = np.full(shape, background, np.uint8)
    picture[box[0] : box[1], box[2] : box[3]] = tone
    return picture


def saved(folder, picture, name='a.png', **options):
    path = folder / name
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, **options)
    return path


def extent(image, background=0):
    """(first row, last row, first column, last column) that differ from the background."""
    there = np.abs(image.astype(int) - background) > 80  # edges are soft
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    return tuple(int(k) for k in (rows[0], rows[-1], columns[0], columns[-1]))


def test_an_image_of_the_data_set_comes_as_it_is(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    picture[[0, -1]] = picture[:, [0, -1]] = 0
    for name in ('a.png', 'a.bmp'):
        np.testing.assert_array_equal(photos.read(saved(tmp_path, picture, name)), picture[None])


def test_a_photo_is_made_square_without_being_squashed(tmp_path):
    wide = item((56, 112), (16, 32, 40, 56), background=30, tone=210)
    (image,) = photos.read(saved(tmp_path, wide))
    assert image.shape == (28, 28) and image.dtype == np.uint8
    # 14x28 pixels, seven rows from the top: the item is still square
    assert extent(image, 30) == (7 + 4, 7 + 7, 10, 13)
    assert image[0, 0] == 30 and image[-1, -1] == 30 and image[12, 12] == 210


def test_light_backgrounds_are_inverted_if_not_told_otherwise(tmp_path):
    light = saved(tmp_path, item((28, 28), (10, 20, 10, 20), 250, 40))
    dark = saved(tmp_path, item((28, 28), (10, 20, 10, 20), 5, 215), 'b.png')
    np.testing.assert_array_equal(photos.read(light), photos.read(dark))
    np.testing.assert_array_equal(photos.read(light, 'no'), 255 - photos.read(light, 'yes'))
    np.testing.assert_array_equal(photos.read(light, 'auto'), photos.read(light, 'yes'))
    np.testing.assert_array_equal(photos.read(dark, 'auto'), photos.read(dark, 'no'))


@pytest.mark.parametrize(('dataset', 'side'), [('fashion_mnist', 28), ('mnist', 20)])
def test_centred_items_fill_the_image_as_in_the_data_set(tmp_path, dataset, side):
    noisy = item(shape=(90, 60), box=(5, 45, 2, 22), background=250, tone=30)
    noisy[::7, ::5] += 3  # within 5 % of the background is background
    (image,) = photos.read(saved(tmp_path, noisy), centre=True, dataset=dataset)
    first, last, left, right = extent(image, 5)
    assert (last - first + 1, right - left + 1) == (side, side // 2)
    assert first == (28 - side) // 2 and left == (28 - side // 2) // 2
    empty = saved(tmp_path, np.full((50, 30), 255, np.uint8))
    assert (photos.read(empty, centre=True) == 0).all()


def test_colours_transparency_turns_and_16_bits(tmp_path):
    grey = item((28, 28), (10, 20, 10, 20), 0, 200)
    expected = photos.read(saved(tmp_path, grey))
    colour = saved(tmp_path, np.stack([grey] * 3, -1), 'b.jpg', quality=100, subsampling=0)
    np.testing.assert_allclose(photos.read(colour).astype(int), expected.astype(int), atol=8)
    wide = saved(tmp_path, Image.fromarray(grey.astype(np.uint16) * 257), 'c.png')
    np.testing.assert_array_equal(photos.read(wide), expected)
    # A dark item on nothing: nothing is white, and inverted to black.
    alpha = np.stack([255 - grey] * 3 + [np.where(grey > 0, 255, 0).astype(np.uint8)], -1)
    np.testing.assert_array_equal(photos.read(saved(tmp_path, alpha, 'd.png')), expected)
    corner = item((28, 28), (0, 8, 0, 8), 0, 200)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = saved(tmp_path, Image.fromarray(corner), 'e.png', exif=exif)
    np.testing.assert_array_equal(photos.read(turned)[0], corner[::-1, ::-1])


@pytest.mark.parametrize('pack', [gzip.compress, bytes], ids=['gz', 'plain'])
def test_idx_files_are_taken_as_they_are(tmp_path, pack):
    images = np.random.default_rng(0).integers(200, 256, (3, 28, 28))  # light, and yet
    path = tmp_path / 'images'
    path.write_bytes(pack(idx(images)))
    np.testing.assert_array_equal(photos.read(path), images)
    np.testing.assert_array_equal(photos.read(path, 'yes'), 255 - images)
    path.write_bytes(pack(idx(np.zeros((2, 56, 40)))))
    assert photos.read(path).shape == (2, 28, 28)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'no: cannot be read \(No such file'),
        (b'', 'no: neither a photo that can be read .PNG, JPEG. nor an IDX file'),
        (b'some text', 'no: neither a photo'),
        ('cut', 'no: neither a photo'),
        (gzip.compress(b'text', mtime=0), 'no starts with bytes'),
        (idx(np.zeros(10)), r'no holds an array of shape \(10,\), expected images'),
        (idx(np.zeros((0, 28, 28))), r'no holds an array of shape \(0, 28, 28\)'),
        (idx(np.zeros((2, 28, 28)))[:-5], 'no holds 1563 values'),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / 'no'
    if content == 'cut':
        content = saved(tmp_path, item()).read_bytes()[:-60]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        photos.read(path)
    assert '\n' not in str(error.value)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match='cannot be read'):
        photos.read(tmp_path)


@pytest.mark.parametrize('name', ['fashion_mnist', 'mnist'])
def test_the_background_is_told_in_every_test_image(data_dir, name):
    """What the docstring of photos._background says."""
    for picture in datasets.load(name, data_dir).test_images:
        assert photos._background(picture) < 127.5
