"""Shear, zoom and shift with a rotation: one resampling, against SciPy and pixels moved by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from augment_for_tests import KEY, augment_config, draw_images

from fmnist_jax.train import augment as module
from fmnist_jax.train.augment import augment, random_rotation

EVERYTHING = {'rotation': 0.3, 'shear': 0.4, 'zoom': 0.3, 'shift': 0.2}


def drawn(monkeypatch, **largest):
    """(images augmented with these ranges, the positions (y, x) that they were sampled at)."""
    positions, resample = [], module._resample

    def record(images, y, x, fill):
        positions.append((np.broadcast_to(y, x.shape), x))
        return resample(images, y, x, fill)

    monkeypatch.setattr(module, '_resample', record)
    images = draw_images(n=400, height=9, width=9, channels=1)
    return images, augment(KEY, images, augment_config(**largest)), *positions[0]


def test_everything_together_is_the_affine_map_of_scipy(monkeypatch):
    images, got, y, x = drawn(monkeypatch, **EVERYTHING)
    for i in range(10):
        # The source positions of three corners give the matrix and the offset.
        corners = np.array([[y[i, r, c], x[i, r, c]] for r, c in ((0, 0), (8, 0), (0, 8))]) + 4
        matrix = np.stack([corners[1] - corners[0], corners[2] - corners[0]], axis=1) / 8
        expected = scipy.ndimage.affine_transform(
            images[i, ..., 0].astype(np.float64), matrix, corners[0], order=1, mode='grid-constant'
        )
        np.testing.assert_allclose(got[i, ..., 0], expected, atol=2e-5)


def test_the_drawn_maps_stay_within_their_ranges(monkeypatch):
    _, _, y, x = drawn(monkeypatch, shift=0.25)
    shift_y, shift_x = -y[:, 4, 4] / 9, -x[:, 4, 4] / 9  # of the centre
    for shift in (shift_y, shift_x):
        assert np.abs(shift).max() < 0.25 and np.ptp(shift) > 0.45
    assert abs(np.corrcoef(shift_y, shift_x)[0, 1]) < 0.2

    _, _, y, x = drawn(monkeypatch, zoom=0.3)
    tall, wide = 1 / (y[:, 5, 4] - y[:, 4, 4]), 1 / (x[:, 4, 5] - x[:, 4, 4])
    for zoom in (tall, wide):
        assert 0.7 <= zoom.min() < 0.75 and 1.25 < zoom.max() <= 1.3
    assert abs(np.corrcoef(tall, wide)[0, 1]) < 0.2

    _, _, y, x = drawn(monkeypatch, shear=0.5)
    angles = np.arctan(x[:, 4, 4] - x[:, 5, 4])
    assert np.abs(angles).max() < 0.5 and np.ptp(angles) > 0.9
    np.testing.assert_allclose(y[:, 5, 4] - y[:, 4, 4], 1, atol=1e-6)


@pytest.mark.parametrize(('rows', 'columns'), [(2, 0), (-1, 3)])
def test_a_shift_by_whole_pixels_moves_them(monkeypatch, rows, columns):
    images = draw_images(height=8, width=8)

    def uniform(key, shape, **_):
        return jnp.array([[rows / 8], [columns / 8]]) * jnp.ones(shape)

    monkeypatch.setattr(jax.random, 'uniform', uniform)
    got = augment(KEY, images, augment_config(shift=1.0))
    expected = scipy.ndimage.shift(images, (0, rows, columns, 0), order=1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_rotation_is_the_same_beside_another_operation():
    images = draw_images(height=9, width=9)
    alone = random_rotation(jax.random.fold_in(KEY, 2), images, 0.4)
    beside = augment(KEY, images, augment_config(rotation=0.4, shift=1e-7))
    np.testing.assert_allclose(beside, alone, atol=1e-5)


def test_the_ranges_may_be_traced():
    images, traces = draw_images(), []

    @jax.jit
    def augmented(largest):
        traces.append(largest)
        return augment(KEY, images, augment_config(**largest))

    for factor in (1.0, 0.5):
        largest = {name: factor * value for name, value in EVERYTHING.items()}
        expected = augment(KEY, images, augment_config(**largest))
        np.testing.assert_allclose(augmented(largest), expected, atol=1e-5)
    assert len(traces) == 1
    np.testing.assert_array_equal(augmented(dict.fromkeys(EVERYTHING, 0.0)), images)
