"""Augmentation and up-scaling on the device: pure (key, images) -> images, under jit and vmap.

Images are float32 [N, H, W, C] in [0, 1]; 0 is the black background, and what comes in from
outside an image is black. Every image of a batch draws its own random numbers.
Used by report 000 (flip; flip and rotation; up-scaling to 56x56), 001 and 003 (crop and flip).
Random erasing is no report's: Zhong et al., Random Erasing Data Augmentation, 2017.
"""

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.models.layers import is_off

# Each operation has its own stream, so switching one on or off leaves the others' draws alone.
_CROP, _FLIP, _ROTATION, _ERASE = range(4)


def augment(key, images, config):
    """Crops, flips, rotates and erases parts of a batch of training images, in that order.

    Args:
      key: jax.random key.
      images: [N, H, W, C] float32.
      config: attributes `crop_padding` (int, pixels, 0 off), `flip` (bool), `rotation` (spread of
        the angle in radians) and `erase` (probability); of the last two the Python number 0.0 is
        off, any other may be traced.

    Returns:
      [N, H, W, C] float32.
    """
    if config.crop_padding:
        images = random_crop(jax.random.fold_in(key, _CROP), images, config.crop_padding)
    if config.flip:
        images = random_flip(jax.random.fold_in(key, _FLIP), images)
    if not is_off(config.rotation):
        images = random_rotation(jax.random.fold_in(key, _ROTATION), images, config.rotation)
    if not is_off(config.erase):
        images = random_erasing(jax.random.fold_in(key, _ERASE), images, config.erase)
    return images


def random_crop(key, images, padding):
    """Pads with black on every side, then cuts the old size out at a random place per image.

    Args:
      key: jax.random key.
      images: [N, H, W, C].
      padding: pixels, a Python int; all (2 * padding + 1)^2 windows are equally likely.

    Raises:
      ValueError: padding is negative.
    """
    if padding < 0:
        raise ValueError(f'augment.crop_padding={padding}: expected 0 or more pixels')
    starts = jax.random.randint(key, (images.shape[0], 2), 0, 2 * padding + 1)
    border = (padding, padding)
    padded = jnp.pad(images, ((0, 0), border, border, (0, 0)))

    def crop(image, start):
        return jax.lax.dynamic_slice(image, (start[0], start[1], 0), images.shape[1:])

    return jax.vmap(crop)(padded, starts)


def random_flip(key, images):
    """Mirrors each of [N, H, W, C] images left to right with probability 1/2."""
    flip = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)


def random_rotation(key, images, spread):
    """Rotates each image by its own angle from Normal(0, spread).

    Args:
      key: jax.random key.
      images: [N, H, W, C].
      spread: standard deviation of the angle in radians (report 000: pi/8, or its root).
    """
    return rotate(images, spread * jax.random.normal(key, images.shape[:1]))


def rotate(images, angles):
    """Rotates images about their centres, bilinear, black outside.

    Args:
      images: [N, H, W, C].
      angles: [N] radians, counter-clockwise (pi / 2 is np.rot90).
    """
    n, height, width, channels = images.shape
    # An image is a [H, W * C] array and the batch a flat one here, so that one index tells a
    # value: on a CPU that takes 1.0 ms where an axis for the channels takes 1.7 (128 images).
    column, channel = jnp.divmod(jnp.arange(width * channels), channels)
    y = (jnp.arange(height) - (height - 1) / 2)[:, None]
    x = (column - (width - 1) / 2)[None, :]
    cos, sin = jnp.cos(angles)[:, None, None], jnp.sin(angles)[:, None, None]
    # Where each value comes from, [N, H, W * C], in an image with one more black pixel before
    # it and two behind: whatever lies outside is clipped onto black, and has four neighbours.
    source_y = 1 + jnp.clip(cos * y + sin * x + (height - 1) / 2, -1, height)
    source_x = 1 + jnp.clip(cos * x - sin * y + (width - 1) / 2, -1, width)
    padded = jnp.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0))).reshape(-1)
    top, left = jnp.floor(source_y), jnp.floor(source_x)
    down, right = source_y - top, source_x - left

    row = (width + 3) * channels
    first = top.astype(jnp.int32) * row + left.astype(jnp.int32) * channels + channel
    first += jnp.arange(n)[:, None, None] * (height + 3) * row

    def neighbour(offset):
        return padded.at[first + offset].get(mode='clip')

    above = (1 - right) * neighbour(0) + right * neighbour(channels)
    below = (1 - right) * neighbour(row) + right * neighbour(row + channels)
    return ((1 - down) * above + down * below).reshape(images.shape)


def random_erasing(key, images, probability):
    """Fills a rectangle of each image with noise, with some probability.

    As in the paper: an area of 2 to 40 % of the image, sides in a proportion of 0.3 to 3.3 (evenly
    on a logarithmic scale), anywhere inside, every pixel uniform in [0, 1).

    Args:
      key: jax.random key.
      images: [N, H, W, C].
      probability: that an image loses a part.
    """
    n, height, width, _ = images.shape
    which, shape, noise = jax.random.split(key, 3)
    area, proportion, top, left = jax.random.uniform(shape, (4, n))
    area = 0.02 + 0.38 * area
    proportion = 0.3 * (3.3 / 0.3) ** proportion
    tall = jnp.minimum(1, jnp.sqrt(area * proportion))[:, None]
    wide = jnp.minimum(1, jnp.sqrt(area / proportion))[:, None]

    def inside(pixels, part, start):
        """[N, pixels] bool: whose centres lie in a stretch of `part` of them."""
        centres = (jnp.arange(pixels) + 0.5) / pixels
        start = (1 - part) * start[:, None]
        return (centres >= start) & (centres < start + part)

    erased = inside(height, tall, top)[:, :, None] & inside(width, wide, left)[:, None, :]
    erased &= jax.random.bernoulli(which, probability, (n, 1, 1))
    return jnp.where(erased[..., None], jax.random.uniform(noise, images.shape), images)


def resize(images, size):
    """Bilinear up-scaling: [N, H, W, C] -> [N, size, size, C].

    Pixel centres lie at half-integers, as in tf.image.resize, Keras and PIL.

    Raises:
      ValueError: size is smaller than the images (those libraries differ on down-scaling).
    """
    _, height, width, _ = images.shape
    if size < max(height, width):
        raise ValueError(f'dataset.image_size={size}: expected {max(height, width)} or more')
    rows, columns = _bilinear(height, size), _bilinear(width, size)
    return jnp.einsum('nhwc,ih,jw->nijc', images, rows, columns, precision='highest')


def _bilinear(pixels, size):
    """How much each of `pixels` counts for each of `size` new ones: float32 [size, pixels].

    The products that jax.image.resize computes, too; that one cannot be exported to ONNX with the
    number of images left open.
    """
    centres = ((np.arange(size) + 0.5) * pixels / size - 0.5).clip(0, pixels - 1)
    distances = np.abs(centres[:, None] - np.arange(pixels))
    return np.maximum(0, 1 - distances).astype(np.float32)
