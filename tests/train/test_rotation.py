"""Rotation against NumPy's quarter turns and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from augment_for_tests import KEY, augment_config, draw_images

from fmnist_jax.train.augment import augment, random_rotation, rotate

jitted_rotate = jax.jit(rotate)


def scipy_rotate(image, angle, mode='grid-constant'):
    """Bilinear with zeros outside, by scipy.ndimage; image [H, W, C], angle counter-clockwise."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = (np.array(image.shape[:2]) - 1) / 2
    turned = [
        scipy.ndimage.affine_transform(
            image[..., c].astype(np.float64),
            turn,
            centre - turn @ centre,
            order=1,
            mode=mode,
        )
        for c in range(image.shape[2])
    ]
    return np.stack(turned, axis=-1)


@pytest.mark.parametrize('turns', [-1, 0, 1, 2, 3])
@pytest.mark.parametrize('side', [6, 7])
def test_quarter_turns_are_rot90(turns, side):
    images = draw_images(height=side, width=side)
    got = jitted_rotate(images, jnp.full(len(images), turns * np.pi / 2))
    np.testing.assert_allclose(got, np.rot90(images, turns, axes=(1, 2)), atol=3e-6)


def test_rotation_equals_scipy():
    images = draw_images(height=11, width=8)
    angles = np.array([0.05, -0.05, 0.4, -0.4, 1.0, -2.0, 3.0, 40.0], np.float32)
    expected = [scipy_rotate(*pair) for pair in zip(images, angles, strict=True)]
    np.testing.assert_allclose(jitted_rotate(images, angles), expected, atol=2e-5)


def test_rotation_with_the_border_repeated_equals_scipy():
    images = draw_images(height=11, width=8)
    angles = np.array([0.05, -0.05, 0.4, -0.4, 1.0, -2.0, 3.0, 40.0], np.float32)
    expected = [scipy_rotate(*pair, mode='nearest') for pair in zip(images, angles, strict=True)]
    got = jax.jit(rotate, static_argnames='fill')(images, angles, fill='edge')
    np.testing.assert_allclose(got, expected, atol=2e-5)
    config = augment_config(rotation=0.4, fill='edge')
    assert augment(KEY, images, config).min() > images.min() - 1e-6  # nothing black comes in


def test_rotation_of_nothing_and_of_not_a_number():
    images = draw_images()
    np.testing.assert_array_equal(jitted_rotate(images, jnp.zeros(len(images))), images)
    assert np.isnan(jitted_rotate(images, jnp.full(len(images), jnp.nan))).all()


def test_angles_have_the_spread():
    spread, n = 0.05, 1000
    ramp = np.tile(np.linspace(0, 1, 21, dtype=np.float32)[:, None], (n, 21, 1, 1))
    got = np.asarray(jax.jit(random_rotation)(KEY, ramp, spread))
    # A pixel's value tells the x it came from: over 10 rows that x moves by -10 sin(angle).
    angles = np.arcsin((got[:, 5, 10, 0] - got[:, 15, 10, 0]) * 20 / 10)
    assert abs(angles.mean()) < 5 * spread / np.sqrt(n)
    assert abs(angles.std() - spread) < 5 * spread / np.sqrt(2 * n)


def test_rotation_spread_may_be_traced():
    images, traces = draw_images(), []

    @jax.jit
    def augmented(spread):
        traces.append(spread)
        return augment(KEY, images, augment_config(rotation=spread))

    for spread in (0.1, 0.7):
        expected = augment(KEY, images, augment_config(rotation=spread))
        np.testing.assert_allclose(augmented(spread), expected, atol=1e-5)
    assert len(traces) == 1
    np.testing.assert_array_equal(augmented(0.0), images)
