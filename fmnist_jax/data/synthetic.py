"""Drawn garments: Fashion-MNIST's shapes, types and classes without a download.

For tests and for a first try without a network; no number of a report is measured on them. An image
is a silhouette with soft edges (half-widths per row for clothes and bags, heights per column for
shoes), times brightness, shading, a pattern and noise. With 12,000 of them, logistic regression
gets 85 % of new ones right and a small convolutional network 94 %; shirts are the hard ones, as in
Fashion-MNIST.
"""

import numpy as np

from fmnist_jax.data.garments import GARMENTS

# Pixel centres, 0 in the middle of the image; x grows to the right, y downwards. All lengths below
# are in pixels, and all arrays have shape [images, rows, columns] or broadcast to it.
_X = np.arange(28, dtype=np.float32)[None, None, :] - 13.5
_Y = np.arange(28, dtype=np.float32)[None, :, None] - 13.5
_CHUNK = 250  # images drawn at once, so that their arrays stay in the processor's cache
CLASS_NAMES = tuple(GARMENTS)


def draw(num_train=60_000, num_test=10_000, seed=0):
    """Draws a training and a test part, classes balanced and in random order.

    Args:
      num_train: number of training images; a multiple of 10 has equally many of every class.
      num_test: number of test images.
      seed: non-negative int; the same seed and number give the same images in either part.

    Returns:
      (train_images uint8 [num_train, 28, 28], train_labels int32 [num_train],
       test_images uint8 [num_test, 28, 28], test_labels int32 [num_test]).
    """
    train_seed, test_seed = np.random.SeedSequence(seed).spawn(2)
    return *_draw_part(num_train, train_seed), *_draw_part(num_test, test_seed)


def _draw_part(num, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(num).astype(np.int32) % 10
    images = np.empty((num, 28, 28), np.uint8)
    for label, garment in enumerate(GARMENTS.values()):
        where = np.flatnonzero(labels == label)
        for start in range(0, len(where), _CHUNK):
            chunk = where[start : start + _CHUNK]
            images[chunk] = _render(rng, len(chunk), garment)
    return images, labels


def _render(rng, n, garment):
    """Places, shades, patterns and dirties n garments: uint8 [n, 28, 28]."""

    def u(low, high):
        return low + np.float32(high - low) * rng.random((n, 1, 1), np.float32)

    size = u(0.88, 1.1)
    x = (_X + u(-2.5, 2.5) + u(-0.08, 0.08) * _Y) / size
    y = (_Y + u(-2, 2)) / size
    tone = garment(u, x, y)
    patterned = u(0, 1) < 0.5
    across = u(0, 1)  # one third each: horizontal, vertical and slanting stripes
    along_x = np.where(across < 0.33, 0, np.where(across < 0.67, 1, u(-1, 1)))
    along_y = ((across < 0.33) | (across > 0.67)).astype(np.float32)
    wave = np.abs((along_x * _X + along_y * _Y) / u(2, 6) % 2 - 1)
    light = 1 - patterned * u(0.1, 0.6) * wave + u(-0.02, 0.02) * _X + u(-0.01, 0.01) * _Y
    light += u(0.05, 0.4) * (rng.random((n, 28, 28), np.float32) - 0.5)
    return np.clip(u(70, 270) * tone * light, 0, 255).astype(np.uint8)
