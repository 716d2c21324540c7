"""Pictures of any kind as the images that the networks know: uint8 [28, 28], light on black.

PNG, JPEG and what else Pillow reads, and IDX files (gzipped or not), the data sets' own format.
"""

import pathlib

import numpy as np
from PIL import Image, ImageOps

from fmnist_jax.data import idx
from fmnist_jax.errors import DataError

SIDE = 28  # pixels
# The longer side of a centred item: Fashion-MNIST's authors scaled theirs to the whole image,
# MNIST's to 20 of the 28 pixels.
_ITEM_SIDE = {'fashion_mnist': 28, 'synthetic': 28, 'mnist': 20}
# Pixels within 5 % of full brightness of the background are background, as in Fashion-MNIST.
_CLOSE = 0.05 * 255
INVERT = ('auto', 'yes', 'no')


def read(path, invert='auto', centre=False, dataset='fashion_mnist'):
    """The images of a file.

    A photo may have any size: it is made grey and, padded with its background, square, and scaled
    to 28x28. What is transparent counts as white.

    Args:
      path: a photo, or an IDX file of images [N, H, W].
      invert: 'yes', 'no', or 'auto': a photo whose border is light (the median of its outermost
        pixels is above half of full brightness) is inverted, for the networks know light items on
        black; IDX files are not.
      centre: cut to the item, that is what differs from the background, and scaled so that it
        fills the image as in the data set.
      dataset: whose images the networks know.

    Returns:
      uint8 [N, 28, 28]; N is 1 for a photo.

    Raises:
      DataError: no such file, or neither kind; names it.
    """
    path = pathlib.Path(path)
    try:
        start = path.read_bytes()[:3]
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror})') from error
    is_idx = start[:2] == b'\x1f\x8b' or start == b'\0\0\x08'
    pictures = _idx_images(path) if is_idx else [_grey(path)]
    if is_idx and invert == 'auto':
        invert = 'no'
    side = _ITEM_SIDE[dataset] if centre else SIDE
    return np.stack([_prepared(picture, invert, centre, side) for picture in pictures])


def _prepared(picture, invert, centre, side):
    """One picture [H, W] as `read` says; the item's longer side becomes `side` pixels."""
    if invert == 'yes' or (invert == 'auto' and _background(picture) > 127.5):
        picture = 255 - picture
    background = _background(picture)
    if centre:
        picture = _trimmed(picture, background)
    return _fitted(picture, background, side)


def _idx_images(path):
    images = idx.read_idx(path)
    if images.ndim != 3 or 0 in images.shape:
        raise DataError(
            f'{path} holds an array of shape {images.shape}, expected images [N, rows, columns]'
        )
    return images


def _grey(path):
    """A photo as uint8 [H, W], upright."""
    try:
        with Image.open(path) as photo:
            photo = ImageOps.exif_transpose(photo)
            if photo.mode.startswith('I'):  # 16 bits: Pillow would cut them off at 255
                return (np.asarray(photo, float) / 257).clip(0, 255).astype(np.uint8)
            if photo.has_transparency_data:
                photo = photo.convert('RGBA')
                photo = Image.alpha_composite(Image.new('RGBA', photo.size, 'white'), photo)
            return np.asarray(photo.convert('L'))
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f'{path}: neither a photo that can be read (PNG, JPEG) nor an IDX file ({error})'
        ) from error


def _background(picture):
    """The median of the outermost pixels.

    It tells light from dark backgrounds in all 20,000 test images of both data sets, as they are
    and inverted.
    """
    edges = (picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1])
    return float(np.median(np.concatenate(edges)))


def _trimmed(picture, background):
    """Cut to the rows and columns in which something differs from the background."""
    item = np.abs(picture - background) > _CLOSE
    rows, columns = (np.flatnonzero(item.any(axis)) for axis in (1, 0))
    if not len(rows):
        return picture  # nothing there to cut out
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fitted(picture, background, side):
    """The longer side scaled to `side`, the rest of 28x28 filled with the background."""
    height, width = picture.shape
    if max(height, width) != side:
        scale = side / max(height, width)
        size = [max(1, round(scale * n)) for n in (width, height)]
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        height, width = picture.shape
    image = np.full((SIDE, SIDE), round(background), np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    image[top : top + height, left : left + width] = picture
    return image
