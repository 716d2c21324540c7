"""Photos and IDX files as the images that the networks know: uint8 [28, 28], light on black."""

import warnings

import numpy as np
from PIL import Image, ImageOps

from fmnist_jax.data import datasets
from fmnist_jax.errors import DataError
from fmnist_jax.files import local_path

SIDE = 28  # pixels
_ITEM_SIDE = {'fashion_mnist': 28, 'synthetic': 28, 'mnist': 20}  # as their authors centred items
_ITEM_SIDE |= {'kmnist': 28, 'emnist/letters': 24, 'emnist/balanced': 24}
_CLOSE = 0.05 * 255  # pixels so close to the background are background, as in Fashion-MNIST
_HEIC = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')  # bytes 8 to 12


def read(path, invert='auto', centre=False, dataset='fashion_mnist'):
    """The images of a file, uint8 [N, 28, 28]; N is 1 for a photo.

    A photo becomes grey, is padded to a square with its background and scaled to 28x28. Where the
    border is transparent, the opaque part is the item, on black.

    Args:
      path: a photo in a format that Pillow reads, or an IDX file of images [N, H, W].
      invert: 'yes', 'no' or 'auto': a photo is inverted if its border is light, or if the border is
        transparent and the item is dark; an IDX file is not inverted.
      centre: cut to the item, the pixels that differ from the background, and scale it to the
        size that items have in `dataset`, whose images the networks know; not for an IDX file.

    Raises:
      DataError: no such file, a URL, or neither kind of file; names it.
    """
    path = local_path(path)
    try:
        with open(path, 'rb') as file:
            start = file.read(12)
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror})') from error
    side = _ITEM_SIDE[dataset] if centre else SIDE
    if not start.startswith((b'\x1f\x8b', datasets.UNSIGNED_BYTES)):
        picture, opacity = _grey(path, _open(path, start))
        return _prepare(picture, opacity, invert, centre, side)[None]
    images = datasets.read_idx(path)
    if images.ndim != 3 or 0 in images.shape:
        raise DataError(
            f'{path} holds an array of shape {images.shape}, expected images [N, rows, columns]'
        )
    invert = 'no' if invert == 'auto' else invert
    return np.stack([_prepare(image, None, invert, False, SIDE) for image in images])


def _open(path, start):
    """A photo, upright and in memory; `start` is the first bytes of its file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            photo = Image.open(path)
        with photo:
            return ImageOps.exif_transpose(photo)
    except Image.DecompressionBombError as error:
        raise DataError(f'{path}: too many pixels ({error}); scale it down') from error
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        if start[4:8] == b'ftyp' and start[8:] in _HEIC:
            raise DataError(f'{path}: a HEIC photo; convert it to PNG or JPEG') from error
        raise DataError(
            f'{path}: neither a photo that can be read (PNG, JPEG) nor an IDX file ({error})'
        ) from error


def _grey(path, photo):
    """(uint8 [H, W]; its opacity, uint8 [H, W], or None where the border is opaque)."""
    if photo.mode[0] in 'IF':  # more than 8 bits: Pillow would cut the values off at 255
        return _to_bytes(path, np.asarray(photo)), None
    if not photo.has_transparency_data:
        return np.asarray(photo.convert('L')), None
    photo = photo.convert('RGBA')
    opacity = np.asarray(photo.getchannel('A'))
    if _background(opacity) > 127.5:  # transparent spots within an opaque border are white
        photo = Image.alpha_composite(Image.new('RGBA', photo.size, 'white'), photo)
        opacity = None
    return np.asarray(photo.convert('L')), opacity


def _to_bytes(path, values):
    """Values of more than 8 bits to uint8, by the range that they have."""
    low, high, is_float = values.min(), values.max(), values.dtype.kind == 'f'
    if is_float and low >= 0 and high <= 1:
        return np.rint(255 * values).astype(np.uint8)
    if low >= 0 and high <= 255:
        return values.astype(np.uint8)
    if not is_float and low >= 0 and high <= 65535:
        return (values // 257).astype(np.uint8)
    raise DataError(
        f'{path}: its values are {low:g} to {high:g}; expected 0 to 255, integers to 65535 or '
        'floats to 1'
    )


def _prepare(picture, opacity, invert, centre, side):
    """One picture [H, W] as `read` says; the item's longer side becomes `side` pixels."""
    if opacity is None:
        is_inverse = _background(picture) > 127.5
    else:
        is_inverse = np.median(picture[opacity == opacity.max()]) <= 127.5
    if invert == 'yes' or (invert == 'auto' and is_inverse):
        picture = 255 - picture
    if opacity is not None:
        picture = np.rint(picture * (opacity / 255)).astype(np.uint8)
    background = _background(picture)
    if centre:
        item = np.abs(picture - background) if opacity is None else opacity
        rows, columns = (np.flatnonzero((item > _CLOSE).any(axis)) for axis in (1, 0))
        if len(rows):
            picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
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


def _background(picture):
    """The median of the outermost pixels: tells light from dark in all test images (see tests)."""
    edges = (picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1])
    return float(np.median(np.concatenate(edges)))
