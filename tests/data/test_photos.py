"""Photos and IDX files as the networks' images."""

import gzip
import warnings

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


def images_of(path, *how, **options):
    """What the networks see of a file: uint8 [N, 28, 28]."""
    return photos.view(path, *how, **options).images


def extent(image, background=0):
    """(first row, last row, first column, last column) that differ from the background."""
    differs = np.abs(image.astype(int) - background) > 80  # edges are soft
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    return tuple(int(k) for k in (rows[0], rows[-1], columns[0], columns[-1]))


def test_an_image_of_the_data_set_is_not_changed(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    picture[[0, -1]] = picture[:, [0, -1]] = 0
    for name in ('a.png', 'a.bmp'):
        np.testing.assert_array_equal(images_of(saved(tmp_path, picture, name)), picture[None])


def test_a_photo_is_made_square_without_being_squashed(tmp_path):
    wide = item((56, 112), (16, 32, 40, 56), background=30, tone=210)
    (image,) = images_of(saved(tmp_path, wide))
    assert image.shape == (28, 28) and image.dtype == np.uint8
    # 14x28 pixels, seven rows from the top: the item is still square
    assert extent(image, 30) == (7 + 4, 7 + 7, 10, 13)
    assert image[0, 0] == 30 and image[-1, -1] == 30 and image[12, 12] == 210


def test_light_backgrounds_are_inverted_by_default(tmp_path):
    light = saved(tmp_path, item((28, 28), (10, 20, 10, 20), 250, 40))
    dark = saved(tmp_path, item((28, 28), (10, 20, 10, 20), 5, 215), 'b.png')
    np.testing.assert_array_equal(images_of(light), images_of(dark))
    np.testing.assert_array_equal(images_of(light, 'no'), 255 - images_of(light, 'yes'))
    np.testing.assert_array_equal(images_of(light, 'auto'), images_of(light, 'yes'))
    np.testing.assert_array_equal(images_of(dark, 'auto'), images_of(dark, 'no'))


@pytest.mark.parametrize(('dataset', 'side'), [('fashion_mnist', 28), ('mnist', 20)])
def test_centred_items_fill_the_image_as_in_the_data_set(tmp_path, dataset, side):
    noisy = item(shape=(90, 60), box=(5, 45, 2, 22), background=250, tone=30)
    noisy[::7, ::5] += 3  # within 5 % of the background is background
    view = photos.view(saved(tmp_path, noisy), centre=True, dataset=dataset)
    first, last, left, right = extent(view.images[0])
    assert (last - first + 1, right - left + 1) == (side, side // 2)
    assert first == (28 - side) // 2 and left == (28 - side // 2) // 2
    assert view.note == 'item of 20x40 pixels at (2, 5), inverted' and not view.is_doubtful
    assert view.box == (5, 45, 2, 22) and view.photo.shape == (90, 60, 3)


def test_a_photo_without_an_item_says_so(tmp_path):
    empty = saved(tmp_path, np.full((50, 30), 255, np.uint8))
    view = photos.view(empty, centre=True)
    assert (view.images == 0).all() and view.is_doubtful and view.box is None
    assert view.note == 'no item stands out: the whole photo, inverted'
    assert not photos.view(empty).is_doubtful  # nothing was looked for


@pytest.mark.parametrize(
    ('background', 'tone', 'dataset', 'expected'),
    [
        (240, 60, 'fashion_mnist', 195),  # a shop's photo
        (20, 180, 'fashion_mnist', 180),  # as in the data set
        (120, 180, 'fashion_mnist', 75),
        (120, 60, 'fashion_mnist', 195),
        (60, 30, 'fashion_mnist', 225),
        (150, 230, 'fashion_mnist', 230),  # white garments are not in the data set
        (120, 180, 'mnist', 180),  # chalk
        (200, 140, 'mnist', 115),  # pencil
    ],
)
def test_an_item_is_inverted_where_the_data_set_would(
    tmp_path, background, tone, dataset, expected
):
    picture = item((120, 100), (30, 90, 30, 70), background, tone)
    (image,) = images_of(saved(tmp_path, picture), centre=True, dataset=dataset)
    assert image[14, 14] == expected and image[0, 0] == 0
    for how, asked in (('yes', 255 - tone), ('no', tone)):
        (image,) = images_of(saved(tmp_path, picture), how, centre=True, dataset=dataset)
        assert image[14, 14] == asked


def test_a_photo_of_28_by_28_pixels_is_not_cut(tmp_path):
    picture = item((28, 28), (10, 20, 10, 20), 0, 200)
    view = photos.view(saved(tmp_path, 255 - picture), centre=True)
    np.testing.assert_array_equal(view.images[0], picture)
    assert view.note == 'already 28x28: taken whole, inverted' and not view.is_doubtful


def test_colours_transparency_turns_and_16_bits(tmp_path):
    grey = item((28, 28), (10, 20, 10, 20), 0, 200)
    expected = images_of(saved(tmp_path, grey))
    colour = saved(tmp_path, np.stack([grey] * 3, -1), 'b.jpg', quality=100, subsampling=0)
    np.testing.assert_allclose(images_of(colour).astype(int), expected.astype(int), atol=8)
    wide = saved(tmp_path, Image.fromarray(grey.astype(np.uint16) * 257), 'c.png')
    np.testing.assert_array_equal(images_of(wide), expected)
    # A dark item on a transparent background.
    alpha = np.stack([255 - grey] * 3 + [np.where(grey > 0, 255, 0).astype(np.uint8)], -1)
    np.testing.assert_array_equal(images_of(saved(tmp_path, alpha, 'd.png')), expected)
    corner = item((28, 28), (0, 8, 0, 8), 0, 200)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = saved(tmp_path, Image.fromarray(corner), 'e.png', exif=exif)
    np.testing.assert_array_equal(images_of(turned)[0], corner[::-1, ::-1])
    assert photos.view(turned).note == 'turned upright, already 28x28: taken whole'


def transparent(item_tone, around=0, opacity=255):
    """A photo [28, 28] of a rectangle on a transparent background of the tone `around`."""
    mask = item((28, 28), (10, 20, 6, 16), 0, opacity)
    tone = np.where(mask > 0, item_tone, around).astype(np.uint8)
    return np.stack([tone, tone, tone, mask], -1)


@pytest.mark.parametrize('around', [0, 255])
def test_what_is_opaque_is_the_item_and_the_rest_is_background(tmp_path, around):
    expected = item((28, 28), (10, 20, 6, 16), 0, 200)
    light = saved(tmp_path, transparent(200, around))
    white = images_of(saved(tmp_path, transparent(230, around), 'd.png'))
    np.testing.assert_array_equal(white[0][10:20, 6:16], 230)  # not inverted
    dark = saved(tmp_path, transparent(55, around), 'b.png')
    for read in (images_of(light, 'no'), images_of(dark), images_of(light, 'yes') + 145):
        np.testing.assert_array_equal(read[0][10:20, 6:16], 200)
    np.testing.assert_array_equal(images_of(dark)[0], expected)
    np.testing.assert_allclose(images_of(dark, 'no')[0] * (200 / 55), expected)
    half = images_of(saved(tmp_path, transparent(200, around, 51), 'c.png'), 'no')
    np.testing.assert_array_equal(half[0], expected // 5)


def test_a_transparent_photo_is_centred_by_its_opacity(tmp_path):
    picture = transparent(55)
    picture[10:20, 6:10, :3] = 255  # a part of the item is as dark as the background will be
    view = photos.view(saved(tmp_path, picture), centre=True)
    (image,) = view.images
    assert (image[:, :9] == 0).all() and (image[3:-3, 14:] == 200).all()
    expected = 'item of 10x10 pixels at (6, 10), inverted, transparent background left out'
    assert view.note == expected
    assert (view.photo[0, 0] == 255).all()
    nothing = photos.view(saved(tmp_path, np.zeros((28, 28, 4), np.uint8), 'b.png'), centre=True)
    assert (nothing.images == 0).all() and nothing.is_doubtful


def test_transparent_spots_within_an_opaque_border_are_white(tmp_path):
    dark = item((28, 28), (10, 20, 10, 20), 255, 40)
    opacity = item((28, 28), (0, 2, 0, 2), 255, 0)  # a corner
    picture = np.stack([dark * (opacity > 0)] * 3 + [opacity], -1)
    expected = images_of(saved(tmp_path, dark))
    np.testing.assert_array_equal(images_of(saved(tmp_path, picture, 'b.png')), expected)


@pytest.mark.parametrize(
    ('dtype', 'scale'),
    [('int32', 1), ('uint16', 1), ('float32', 1), ('float32', 1 / 255), ('uint16', 257)],
)
def test_numbers_of_more_than_8_bits_are_scaled_by_their_range(tmp_path, dtype, scale):
    grey = item((28, 28), (10, 20, 10, 20), 0, 200)
    grey[10, 10] = 255
    picture = (grey.astype(float) * scale).astype(dtype)
    path = saved(tmp_path, Image.fromarray(picture), 'a.tiff')
    np.testing.assert_array_equal(images_of(path)[0], grey)


@pytest.mark.parametrize(
    ('dtype', 'values'),
    [('int32', (0, 70000)), ('int32', (-1, 255)), ('float32', (0, 300)), ('float32', (0, np.nan))],
)
def test_numbers_of_another_range_are_refused(tmp_path, dtype, values):
    picture = np.resize(np.array(values, dtype), (28, 28))
    with pytest.raises(DataError, match='a.tiff: its values are .*; expected 0 to 255'):
        images_of(saved(tmp_path, Image.fromarray(picture), 'a.tiff'))


def test_a_large_photo_gives_no_warning_and_a_huge_one_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path, item())
    expected = images_of(path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 4000)  # Pillow warns beyond this
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        np.testing.assert_array_equal(images_of(path), expected)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 2000)  # and refuses twice as many
    with pytest.raises(DataError, match=r'a.png: too many pixels \(.*6000 pixels.*; scale it'):
        images_of(path)


def test_a_heic_photo_is_named(tmp_path):
    path = tmp_path / 'a.heic'
    path.write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
    with pytest.raises(DataError, match='a.heic: a HEIC photo; convert it to PNG or JPEG'):
        images_of(path)


def test_a_url_is_no_photo():
    with pytest.raises(DataError, match='https://host/a.png: a URL is not a file; download it'):
        images_of('https://host/a.png')


@pytest.mark.parametrize('pack', [gzip.compress, bytes], ids=['gz', 'plain'])
def test_idx_files_are_not_inverted_by_default(tmp_path, pack):
    images = np.random.default_rng(0).integers(200, 256, (3, 28, 28))  # all light
    path = tmp_path / 'images'
    path.write_bytes(pack(idx(images)))
    np.testing.assert_array_equal(images_of(path), images)
    np.testing.assert_array_equal(images_of(path, 'yes'), 255 - images)
    path.write_bytes(pack(idx(np.zeros((2, 56, 40)))))
    assert images_of(path).shape == (2, 28, 28)


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
def test_files_that_are_no_images_are_named(tmp_path, content, message):
    path = tmp_path / 'no'
    if content == 'cut':
        content = saved(tmp_path, item()).read_bytes()[:-60]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        images_of(path)
    assert '\n' not in str(error.value)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match='cannot be read'):
        images_of(tmp_path)


@pytest.mark.parametrize('name', ['fashion_mnist', 'mnist'])
def test_the_background_is_dark_in_every_test_image(data_dir, name):
    """What the docstring of photos._background says."""
    for picture in datasets.load(name, data_dir).test_images:
        assert photos._background(picture) < 127.5
