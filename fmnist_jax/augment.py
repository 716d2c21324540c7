"""Augmentation and up-scaling on the device: pure (key, images) -> images, under jit and vmap.

Images are float32 [N, H, W, C] in [0, 1]; 0 is the black background, and what comes in from
outside an image is black. Every image of a batch draws its own random numbers.
Used by report 000 (flip; flip and rotation; up-scaling to 56x56), 001 and 003 (crop and flip).
"""

import jax
import jax.numpy as jnp
import numpy as np

# Each operation has its own stream, so switching one on or off leaves the others' draws alone.
_CROP, _FLIP, _ROTATION = range(3)


def augment(key, images, config):
    """Crops, flips and rotates a batch of training images, in that order.

    Args:
      key: jax.random key.
      images: [N, H, W, C] float32.
      config: attributes `crop_padding` (int, pixels, 0 off), `flip` (bool) and `rotation`
        (spread of the angle in radians; the Python number 0.0 is off, any other may be traced).

    Returns:
      [N, H, W, C] float32.
    """
    if config.crop_padding:
        images = random_crop(jax.random.fold_in(key, _CROP), images, config.crop_padding)
    if config.flip:
        images = random_flip(jax.random.fold_in(key, _FLIP), images)
    if not (isinstance(config.rotation, (int, float)) and config.rotation == 0):
        images = random_rotation(jax.random.fold_in(key, _ROTATION), images, config.rotation)
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
