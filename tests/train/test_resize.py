"""Up-scaling against what other libraries do."""

import numpy as np
import pytest
import scipy.ndimage

from fmnist_jax.train.augment import resize


def draw_images(n=8, height=6, width=7, channels=2):
    """Noise without symmetry, bright up to the border, so that every pixel moved shows."""
    shape = (n, height, width, channels)
    return np.random.default_rng(0).uniform(0.1, 1, shape).astype(np.float32)


@pytest.mark.parametrize(('height', 'width', 'size'), [(28, 28, 56), (5, 7, 7), (5, 7, 17)])
def test_resize_is_half_pixel_bilinear(height, width, size):
    images = draw_images(3, height, width)
    y, x = np.meshgrid(
        (np.arange(size) + 0.5) * height / size - 0.5,
        (np.arange(size) + 0.5) * width / size - 0.5,
        indexing='ij',
    )
    expected = [
        [scipy.ndimage.map_coordinates(c, [y, x], order=1, mode='nearest') for c in image]
        for image in np.moveaxis(images, -1, 1).astype(np.float64)
    ]
    got = resize(images, size)
    np.testing.assert_allclose(got, np.moveaxis(expected, 1, -1), atol=2e-6)


def test_resize_by_hand():
    image = np.array([[0, 1], [1, 0]], np.float32)[None, :, :, None]
    expected = [
        [0, 0.25, 0.75, 1],
        [0.25, 0.375, 0.625, 0.75],
        [0.75, 0.625, 0.375, 0.25],
        [1, 0.75, 0.25, 0],
    ]
    np.testing.assert_allclose(resize(image, 4)[0, :, :, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(resize(image, 2), image)


def test_resize_refuses_to_shrink():
    with pytest.raises(ValueError, match=r'^dataset.image_size=6: expected 7 or more$'):
        resize(draw_images(), 6)
