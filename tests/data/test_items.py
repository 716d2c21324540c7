"""The item of a photo is found before many backgrounds."""

import numpy as np
import pytest
from scipy import ndimage

from fmnist_jax.data import items

SHAPE, BOX = (240, 320), (60, 180, 90, 210)  # top, bottom, left, right
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]


def ring(box=BOX, shape=SHAPE):
    """A mask: a disc with a hole, which fills the box."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    top, bottom, left, right = box
    y = (y - (top + bottom - 1) / 2) / (bottom - top)
    x = (x - (left + right - 1) / 2) / (right - left)
    r = np.hypot(y, x)
    return (r < 0.5) & (r > 0.2)


def photo(background, tone=(60, 50, 70), mask=None):
    """A photo uint8 [H, W, 3] of a ring before a background [H, W] or [H, W, 3], with noise."""
    background = np.array(background, float)
    if background.ndim == 2:
        background = np.repeat(background[..., None], 3, -1)
    mask = ring(shape=background.shape[:2]) if mask is None else mask
    picture = np.where(mask[..., None], tone, background)
    picture += np.random.default_rng(0).normal(0, 2, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def plain(*colour):
    return np.broadcast_to(np.array(colour, float), (*SHAPE, 3))


def cloth():
    return 180 + 20 * np.sin(X) + 20 * np.sin(Y)


def boards():
    pattern = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=SHAPE), (1.5, 40))
    return 170 + 20 * pattern / pattern.std()


BACKGROUNDS = {
    'light': plain(240, 240, 240),
    'dark': plain(10, 10, 10),
    'same grey, another colour': plain(220, 20, 20),
    'light from the left': 240 - 0.4 * X,
    'light from the middle': 240 - 0.002 * ((X - 160) ** 2 + (Y - 120) ** 2),
    'cloth': cloth(),
    'boards': boards(),
}


@pytest.mark.parametrize('name', BACKGROUNDS)
def test_an_item_is_found_before_a_background(name):
    item = items.find(photo(BACKGROUNDS[name]))
    np.testing.assert_allclose(item.box, BOX, atol=2)
    assert not (item.is_framed or item.has_others or item.is_cut)
    height, width = item.mask.shape
    assert not item.mask[height // 2, width // 2]  # the hole is no item
    expected = ring((0, height, 0, width), (height, width))
    assert (item.mask != expected).mean() < 0.03
    assert item.tones[expected & item.mask].mean() == pytest.approx(55, abs=15)
    assert item.tones.shape == item.mask.shape


def test_tones_are_as_if_evenly_lit():
    light = (0.6 + 0.4 * X / X.max())[..., None]
    item = items.find(
        np.rint(photo(plain(240, 240, 240), (120, 120, 120)) * light).astype(np.uint8)
    )
    inside = ndimage.binary_erosion(item.mask, iterations=3)
    columns = np.flatnonzero(inside.any(0))
    left, right = (item.tones[:, k][inside[:, k]].mean() for k in columns[[5, -5]])
    assert left == pytest.approx(right, abs=6)


def test_a_small_item_in_a_corner_of_a_large_photo_is_seen_closely():
    box = (900, 1000, 20, 120)
    large = np.full((1200, 1600, 3), 235.0)
    item = items.find(photo(large, mask=ring(box, large.shape[:2])))
    np.testing.assert_allclose(item.box, box, atol=2)
    assert min(item.mask.shape) > 80


@pytest.mark.parametrize('frame', [0, 255])
def test_a_frame_is_left_out(frame):
    inside = photo(plain(190, 190, 190))
    framed = np.pad(inside, ((30, 30), (50, 50), (0, 0)), constant_values=frame)
    item = items.find(framed)
    assert item.is_framed
    np.testing.assert_allclose(item.box, np.add(BOX, (30, 30, 50, 50)), atol=2)


def test_a_rectangular_item_is_no_frame():
    mask = np.zeros(SHAPE, bool)
    mask[40:200, 60:260] = True
    item = items.find(photo(plain(240, 240, 240), mask=mask))
    assert not item.is_framed
    np.testing.assert_allclose(item.box, (40, 200, 60, 260), atol=2)


def test_parts_that_are_near_are_one_item_and_others_are_told():
    strap = ring() & ~((X > 145) & (X < 149))  # a ring in two halves
    item = items.find(photo(plain(240, 240, 240), mask=strap))
    np.testing.assert_allclose(item.box, BOX, atol=2)
    assert not item.has_others
    other = ring((10, 90, 230, 310))
    item = items.find(photo(plain(240, 240, 240), mask=ring() | other))
    np.testing.assert_allclose(item.box, BOX, atol=2)
    assert item.has_others


def test_an_item_at_the_edge_is_told():
    item = items.find(photo(plain(240, 240, 240), mask=ring((150, 270, 90, 210))))
    assert item.is_cut and item.box[1] == SHAPE[0]


def test_pictures_of_any_size_and_content_are_searched():
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width = rng.integers(1, 60, 2)
        picture = np.full((height, width, 3), rng.integers(256), np.uint8)
        top, left = rng.integers(0, (height, width))
        inside = picture[top : top + rng.integers(1, 60), left : left + rng.integers(1, 60)]
        inside[:] = rng.integers(256)
        inside[rng.random(inside.shape) < 0.1] = rng.integers(256)
        item = items.find(picture)
        if item is not None:
            first, last, leftmost, rightmost = item.box
            assert 0 <= first < last <= height and 0 <= leftmost < rightmost <= width
            assert item.mask.any() and item.tones.shape == item.mask.shape


@pytest.mark.parametrize(
    'picture',
    [
        photo(plain(200, 200, 200), mask=np.zeros(SHAPE, bool)),
        photo(cloth(), mask=np.zeros(SHAPE, bool)),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3, 500, 3), np.uint8),
    ],
    ids=['plain', 'cloth', 'a pixel', 'a line'],
)
def test_nothing_is_found_where_nothing_is(picture):
    assert items.find(picture) is None
