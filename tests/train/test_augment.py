"""Augmentation against images made by hand; rotation has tests of its own."""

import functools

import chex
import jax
import numpy as np
import pytest
from augment_for_tests import KEY, augment_config, draw_images

from fmnist_jax.train.augment import (
    alternate_flip,
    augment,
    cutout,
    fixed_copies,
    random_crop,
    random_erasing,
    random_flip,
    random_rotation,
)

ALL_ON = {'flip': True, 'rotation': 0.4, 'erase': 0.5, 'crop_padding': 3}


def the_same_image(n, **shape):
    return np.repeat(draw_images(1, **shape), n, axis=0)


# --- Flip ---


def test_flip_of_an_image_made_by_hand():
    image = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    mirrored = np.array([[3, 2, 1], [6, 5, 4]], np.float32)
    got = np.asarray(random_flip(KEY, np.tile(image[None, :, :, None], (400, 1, 1, 1))))[..., 0]
    is_mirrored = (got == mirrored).all((1, 2))
    assert ((got == image).all((1, 2)) | is_mirrored).all()
    assert 160 < is_mirrored.sum() < 240  # 4 standard deviations of Binomial(400, 1/2)


def test_alternate_flip_mirrors_each_image_in_every_other_epoch():
    images = draw_images(64, channels=1)[..., 0]
    indices = np.arange(100, 164)

    def mirrored(epoch, order):
        got = np.asarray(alternate_flip(KEY, images[order], indices[order], epoch))
        same = (got == images[order]).all((1, 2))
        assert (same | (got == images[order][:, :, ::-1]).all((1, 2))).all()
        return ~same[np.argsort(order)]

    first, second = mirrored(1, np.arange(64)), mirrored(2, np.arange(64)[::-1])
    assert (first != second).all() and 16 < first.sum() < 48
    np.testing.assert_array_equal(mirrored(3, np.arange(64)), first)


# --- Cutout ---


@pytest.mark.parametrize('size', [3, 4])
def test_cutout_blackens_a_square(size):
    images = np.ones((300, 10, 12, 2), np.float32)
    black = np.asarray(cutout(KEY, images, size)) == 0
    assert (black[..., 0] == black[..., 1]).all()
    rows, columns = black[..., 0].any(2).sum(1), black[..., 0].any(1).sum(1)
    np.testing.assert_array_equal(black[..., 0].sum((1, 2)), rows * columns)
    assert rows.max() == columns.max() == size and rows.min() < size  # cut at the border
    assert black[..., 0].any(0).all()  # every pixel is hit


# --- Fixed copies ---


def test_copies_are_drawn_once_and_each_anew():
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    config = augment_config(flip=True, copies=3)
    copies = fixed_copies(images, config)
    assert copies.dtype == np.uint8 and copies.shape == (150, 28, 28)
    np.testing.assert_array_equal(copies, fixed_copies(images, config))
    is_mirrored = []
    for copy in copies.reshape(3, 50, 28, 28):
        is_mirrored.append((copy == images[:, :, ::-1]).all((1, 2)))
        assert ((copy == images).all((1, 2)) | is_mirrored[-1]).all()
    assert len({tuple(copy) for copy in is_mirrored}) == 3


# --- Erasing ---


def test_an_erased_part_is_one_rectangle_of_the_papers_size():
    images = the_same_image(400, height=28, width=28, channels=1) + 1  # noise is below 1
    got = np.asarray(random_erasing(KEY, images, 1.0))
    erased = (got != images)[..., 0]
    areas = erased.mean((1, 2))
    assert 0.01 < areas.min() < 0.04 and 0.3 < areas.max() < 0.45
    for mask in erased:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask[np.ix_(rows, columns)].all() and mask.sum() == len(rows) * len(columns)
        assert np.ptp(rows) == len(rows) - 1 and np.ptp(columns) == len(columns) - 1
        assert 0.2 < len(rows) / len(columns) < 5
    assert erased.any((0, 1)).all() and erased.any((0, 2)).all()  # up to every border
    assert got[erased].min() >= 0 and got[erased].max() < 1 and got[erased].std() > 0.25


def test_erasing_leaves_the_others_alone():
    images = the_same_image(400, height=28, width=28, channels=2)
    changed = (np.asarray(random_erasing(KEY, images, 0.3)) != images).any((1, 2, 3))
    assert 83 < changed.sum() < 157  # 4 standard deviations of Binomial(400, 0.3)
    np.testing.assert_array_equal(random_erasing(KEY, images, 0.0), images)


# --- Crop ---


@pytest.mark.parametrize('padding', [1, 2])
def test_crop_is_one_of_the_windows_and_each_comes(padding):
    images = the_same_image(500)
    height, width = images.shape[1:3]
    padded = np.pad(images[0], ((padding, padding), (padding, padding), (0, 0)))
    side = 2 * padding + 1
    windows = [padded[y : y + height, x : x + width] for y in range(side) for x in range(side)]
    got = np.asarray(jax.jit(random_crop, static_argnums=2)(KEY, images, padding))
    matches = np.array([(got == window).all((1, 2, 3)) for window in windows])
    assert (matches.sum(0) == 1).all()
    assert (matches.sum(1) > 0).all()


def test_crop_refuses_negative_padding():
    with pytest.raises(ValueError, match=r'^augment.crop_padding=-1: expected 0 or more pixels$'):
        random_crop(KEY, draw_images(), -1)


# --- All together ---


OPERATIONS = {
    'flip': random_flip,
    'crop': functools.partial(random_crop, padding=2),
    'rotation': functools.partial(random_rotation, spread=0.4),
    'augment': functools.partial(augment, config=augment_config(**ALL_ON)),
}
JITTED = {name: jax.jit(operation) for name, operation in OPERATIONS.items()}


@pytest.mark.parametrize('name', OPERATIONS)
class TestEveryOperation:
    def test_the_key_decides(self, name):
        images, operation = draw_images(), JITTED[name]
        first = operation(KEY, images)
        chex.assert_trees_all_equal_shapes_and_dtypes(first, images)
        np.testing.assert_array_equal(first, operation(KEY, images))
        assert (first != operation(jax.random.key(1), images)).any()

    def test_images_draw_their_own_numbers(self, name):
        got = np.asarray(JITTED[name](KEY, the_same_image(8)))
        assert (got != got[0]).any()

    def test_values_stay_in_range(self, name):
        got = np.stack([JITTED[name](jax.random.key(i), draw_images()) for i in range(8)])
        assert got.min() >= 0
        assert got.max() <= 1 + 1e-6

    def test_jit_and_vmap_do_the_same(self, name):
        keys = jax.random.split(KEY, 3)
        images = np.stack([draw_images() * scale for scale in (1.0, 0.5, 0.25)])
        together = jax.jit(jax.vmap(OPERATIONS[name]))(keys, images)
        for key, batch, got in zip(keys, images, together, strict=True):
            np.testing.assert_allclose(got, JITTED[name](key, batch), atol=1e-5)


class AugmentTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_all_off_is_the_identity(self):
        images = draw_images()
        augmented = self.variant(functools.partial(augment, config=augment_config()))
        np.testing.assert_array_equal(augmented(KEY, images), images)

    def test_without_jit_it_is_the_same(self):
        images = draw_images()
        eager = OPERATIONS['augment'](KEY, images)
        np.testing.assert_allclose(eager, JITTED['augment'](KEY, images), atol=1e-5)


def test_every_operation_has_a_key_of_its_own(monkeypatch):
    keys = []
    for name in ('random_crop', 'random_flip', 'random_rotation'):

        def record(key, images, *_):
            keys.append(tuple(jax.random.key_data(key).tolist()))
            return images

        monkeypatch.setattr(f'fmnist_jax.train.augment.{name}', record)
    augment(KEY, draw_images(), augment_config(**ALL_ON))
    assert len(set(keys)) == 3


def test_augment_crops_flips_and_rotates():
    images = draw_images(height=9, width=9)

    def augmented(images, **changes):
        return jax.jit(lambda x: augment(KEY, x, augment_config(**changes)))(images)

    still = augmented(images, flip=True, crop_padding=1)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for got, source in zip(np.asarray(still), padded, strict=True):
        windows = [source[y : y + 9, x : x + 9] for y in range(3) for x in range(3)]
        assert any((got == w).all() or (got == w[:, ::-1]).all() for w in windows)
    turned = augmented(images, flip=True, crop_padding=1, rotation=0.4)
    only_turned = augmented(still, rotation=0.4)
    np.testing.assert_allclose(turned, only_turned, atol=1e-6)
    assert (turned != still).any()


def test_switching_the_flip_on_leaves_the_crops_as_they_were():
    images = draw_images()
    crops = np.asarray(augment(KEY, images, augment_config(crop_padding=2)))
    flipped = np.asarray(augment(KEY, images, augment_config(crop_padding=2, flip=True)))
    mirrored = [(a[:, ::-1] == b).all() for a, b in zip(crops, flipped, strict=True)]
    same = [(a == b).all() for a, b in zip(crops, flipped, strict=True)]
    assert np.logical_or(mirrored, same).all()
    assert any(mirrored)
