"""Augmentation and up-scaling of images, float32 [N, H, W, C] in [0, 1]; outside they are black.

Every image of a batch draws its own random numbers.
Sources: report 000 (flip; flip and rotation; up-scaling to 56x56), 001 and 003 (crop and flip), 004
(shift, shear and zoom, as Keras' ImageDataGenerator draws them); random erasing from Zhong et al.
(2017, arXiv 1708.04896), cutout from DeVries and Taylor (2017, arXiv 1708.04552), alternating flips
from airbench (2024, arXiv 2404.00498).
"""

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.models.layers import is_off

# Each operation has its own stream of random numbers: the others do not change if it is off.
_CROP, _FLIP, _ROTATION, _ERASE, _SHEAR, _ZOOM, _SHIFT, _CUTOUT = range(8)
# Pixels outside a moved image: jnp.pad's mode. Keras' ImageDataGenerator repeats the border.
FILLS = {'black': 'constant', 'edge': 'edge'}
_COPIES_AT_ONCE = 10_000  # images


def augment(key, images, config):
    """Crops, flips, moves and erases images; the Python number 0 in config.augment means off."""
    if config.crop_padding:
        images = random_crop(jax.random.fold_in(key, _CROP), images, config.crop_padding)
    if config.flip:
        images = random_flip(jax.random.fold_in(key, _FLIP), images)
    if not all(map(is_off, (config.shear, config.zoom, config.shift))):
        images = random_affine(key, images, config)
    elif not is_off(config.rotation):
        rotation_key = jax.random.fold_in(key, _ROTATION)
        images = random_rotation(rotation_key, images, config.rotation, config.fill)
    if not is_off(config.erase):
        images = random_erasing(jax.random.fold_in(key, _ERASE), images, config.erase)
    if config.cutout:
        images = cutout(jax.random.fold_in(key, _CUTOUT), images, config.cutout)
    return images


def alternate_flip(key, images, indices, epoch):
    """Mirrors a random half of the images in odd epochs, the other half in even ones.

    Args:
      key: of the seed, the same in every epoch.
      images: [N, H, W, ...].
      indices: int32 [N], numbers of the images in the data set.
      epoch: [] int32.
    """
    bits = jax.vmap(lambda index: jax.random.bits(jax.random.fold_in(key, index)))(indices)
    flip = (bits + epoch) % 2 == 0
    flip = flip.reshape(-1, *[1] * (images.ndim - 1))
    return jnp.where(flip, images[:, :, ::-1], images)


def fixed_copies(images, config):
    """Augmented copies of the training images, drawn once and rounded, the same for all seeds.

    Args:
      images: uint8 [N, H, W] or [N, H, W, C].
      config: config.augment; `copies` says how many of each image.

    Returns:
      uint8 numpy [copies * N, ...]: all images once, then again.
    """

    @jax.jit
    def draw(key, part):
        channels = part if part.ndim == 4 else part[..., None]
        augmented = augment(key, channels.astype(jnp.float32) / 255, config)
        return jnp.round(255 * augmented).astype(jnp.uint8).reshape(part.shape)

    parts = range(0, len(images), _COPIES_AT_ONCE)
    keys = jax.random.split(jax.random.key(0), (config.copies, len(parts)))
    return np.concatenate(
        [
            np.asarray(draw(key, images[start : start + _COPIES_AT_ONCE]))
            for of_copy in keys
            for key, start in zip(of_copy, parts, strict=True)
        ]
    )


def random_crop(key, images, padding):
    """Pads images with black pixels on every side, then crops each at a random place."""
    if padding < 0:
        raise ValueError(f'augment.crop_padding={padding}: expected 0 or more pixels')
    starts = jax.random.randint(key, (images.shape[0], 2), 0, 2 * padding + 1)
    padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def crop(image, start):
        return jax.lax.dynamic_slice(image, (start[0], start[1], 0), images.shape[1:])

    return jax.vmap(crop)(padded, starts)


def random_flip(key, images):
    """Mirrors each image left to right with probability 1/2."""
    flip = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)


def random_rotation(key, images, spread, fill='black'):
    """Rotates each image by an angle from Normal(0, spread) in radians, see report 000."""
    return rotate(images, spread * jax.random.normal(key, images.shape[:1]), fill)


def random_affine(key, images, config):
    """Zooms, shears, rotates and shifts each image in one bilinear resampling.

    Args:
      key: of `augment`; each of the four draws from its own stream.
      config: rotation as in `random_rotation`. The others are uniform, with these largest values:
        shear (radians), zoom (relative change, of height and width on their own) and shift
        (fraction of the side). `fill` is a key of FILLS.
    """
    n, height, width, _ = images.shape

    def draw(stream, shape, largest):
        """float32 [*shape, 1, 1] in [-largest, largest]; 0 if it is off."""
        if is_off(largest):
            return jnp.zeros((*shape, 1, 1))
        uniform = jax.random.uniform(jax.random.fold_in(key, stream), shape, minval=-1)
        return largest * uniform[..., None, None]

    shear = draw(_SHEAR, (n,), config.shear)
    zoom = 1 + draw(_ZOOM, (2, n), config.zoom)
    shift = draw(_SHIFT, (2, n), config.shift)
    angles = jnp.zeros(n)
    if not is_off(config.rotation):
        angles = config.rotation * jax.random.normal(jax.random.fold_in(key, _ROTATION), (n,))
    y, x = _centred(images.shape)
    y, x = _turned(y - height * shift[0], x - width * shift[1], angles)
    return _resample(images, y / zoom[0], (x - jnp.tan(shear) * y) / zoom[1], config.fill)


def rotate(images, angles, fill='black'):
    """Rotates images about their centres, bilinear; angles: [N] radians, counter-clockwise."""
    return _resample(images, *_turned(*_centred(images.shape), angles), fill)


def _centred(shape):
    """(y [H, 1], x [1, W * C]) of each value, counted from the image's centre."""
    _, height, width, channels = shape
    column = jnp.arange(width * channels) // channels
    y = (jnp.arange(height) - (height - 1) / 2)[:, None]
    return y, (column - (width - 1) / 2)[None, :]


def _turned(y, x, angles):
    """Positions (y, x) turned by angles [N] radians: [N, H, W * C] each."""
    cos, sin = jnp.cos(angles)[:, None, None], jnp.sin(angles)[:, None, None]
    return cos * y + sin * x, cos * x - sin * y


def _resample(images, y, x, fill):
    """Images [N, H, W, C] at positions (y, x) [N, H, W * C], counted from the centre; bilinear."""
    n, height, width, channels = images.shape
    # The batch is one flat array, because gathering by a single index is fastest on a CPU.
    channel = jnp.arange(width * channels) % channels
    # Source position of each value, in an image padded with `fill`: one pixel before and two
    # behind, so that positions outside are clipped to the padding and have four neighbours.
    source_y = 1 + jnp.clip(y + (height - 1) / 2, -1, height)
    source_x = 1 + jnp.clip(x + (width - 1) / 2, -1, width)
    padded = jnp.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)), FILLS[fill]).reshape(-1)
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
    """Fills a rectangle of each image with noise, with a probability.

    It covers 2 to 40 % of the image; its aspect ratio is log-uniform from 0.3 to 3.3.
    """
    n, height, width, _ = images.shape
    which, shape, noise = jax.random.split(key, 3)
    area, proportion, top, left = jax.random.uniform(shape, (4, n))
    area, proportion = 0.02 + 0.38 * area, 0.3 * (3.3 / 0.3) ** proportion
    tall = jnp.minimum(1, jnp.sqrt(area * proportion))[:, None]
    wide = jnp.minimum(1, jnp.sqrt(area / proportion))[:, None]

    def inside(pixels, part, start):
        """[N, pixels] bool: pixels whose centres lie in a stretch of length `part`."""
        centres = (jnp.arange(pixels) + 0.5) / pixels
        start = (1 - part) * start[:, None]
        return (centres >= start) & (centres < start + part)

    erased = inside(height, tall, top)[:, :, None] & inside(width, wide, left)[:, None, :]
    erased &= jax.random.bernoulli(which, probability, (n, 1, 1))
    return jnp.where(erased[..., None], jax.random.uniform(noise, images.shape), images)


def cutout(key, images, size):
    """Blackens a square of `size` pixels around a random pixel of each image."""
    n, height, width, _ = images.shape
    centres = jax.random.uniform(key, (2, n, 1))
    rows, columns = [
        jnp.abs(jnp.arange(pixels) - jnp.floor(pixels * centre) + 0.5 * (1 - size % 2)) < size / 2
        for pixels, centre in zip((height, width), centres, strict=True)
    ]
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0, images)


def resize(images, size):
    """Bilinear up-scaling to [N, size, size, C], pixel centres at half-integers."""
    _, height, width, _ = images.shape
    if size < max(height, width):
        raise ValueError(f'dataset.image_size={size}: expected {max(height, width)} or more')
    rows, columns = _bilinear(height, size), _bilinear(width, size)
    return jnp.einsum('nhwc,ih,jw->nijc', images, rows, columns, precision='highest')


def _bilinear(pixels, size):
    """Weights of the old pixels for each new one: float32 [size, pixels].

    jax.image.resize computes the same, but cannot be exported to ONNX with any number of images.
    """
    centres = ((np.arange(size) + 0.5) * pixels / size - 0.5).clip(0, pixels - 1)
    distances = np.abs(centres[:, None] - np.arange(pixels))
    return np.maximum(0, 1 - distances).astype(np.float32)
