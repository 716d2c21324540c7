"""Photos and IDX files as the images that the networks know: uint8 [28, 28], light on black."""

import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from fmnist_jax.data import items
from fmnist_jax.data.idx import UNSIGNED_BYTES, read_idx
from fmnist_jax.errors import DataError, one_line
from fmnist_jax.files import local_path

SIDE = 28  # pixels
_ITEM_SIDE = {'fashion_mnist': 28, 'synthetic': 28, 'mnist': 20}  # as their authors centred items
_ITEM_SIDE |= {'kmnist': 28, 'emnist/letters': 24, 'emnist/balanced': 24}
_GARMENTS = ('fashion_mnist', 'synthetic')  # negated photos of items on white; others are writing
_CLOSE = 0.05 * 255  # opacity that is background
_DARK = 64  # levels of 255: a darker background is that of the data set, not of a shop's photo
_WHITE = 215  # levels of 255: lighter garments are not in the data set, which left them out
_SHARPEN = 1.0  # times the details that a Gaussian of radius 1 blurs
_PREVIEW = 320  # pixels of the longer side
_HEIC = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')  # bytes 8 to 12
_IS_HEIC = 'a HEIC photo; convert it to PNG or JPEG'


class View(NamedTuple):
    """What the networks see of a file."""

    images: np.ndarray  # uint8 [N, 28, 28]; N is 1 for a photo
    note: str = ''  # one line: how the image was made from the photo; '' for an IDX file
    is_doubtful: bool = False  # no item was found
    photo: np.ndarray | None = None  # uint8 [H, W, 3], upright, small; None for an IDX file
    box: tuple | None = None  # (top, bottom, left, right) of the item in `photo`


def view(path, invert='auto', centre=False, dataset='fashion_mnist'):
    """The View of a file: its images as the networks know them, and how they were made.

    With `centre`, a photo is treated as Fashion-MNIST's authors treated theirs (arXiv:1708.07747,
    section 2): cut to the item (items.find), scaled so that its longer side is 28 pixels,
    sharpened, centred on 28x28 and negated, on black. Without, or if no item is found, the whole
    photo becomes grey, is padded to a square with its background and scaled to 28x28. A photo of
    28x28 pixels is not cut. Where the border is transparent, the opaque part is the item, on black.

    Args:
      path: a photo in a format that Pillow reads, or an IDX file of images [N, H, W].
      invert: 'yes', 'no' or 'auto'. 'auto' inverts a garment, unless it is lighter than a dark
        background or nearly white; writing, if it is darker than its background; a whole photo, if
        its border is light; no IDX file.
      centre: cut to the item and scale it to the size of items in the data set; no IDX file.
      dataset: name of the data set whose images the networks know.

    Raises:
      DataError: no such file, a URL, or neither kind of file; names it.
    """
    path = local_path(path)
    try:
        with open(path, 'rb') as file:
            start = file.read(12)
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror})') from error
    if not start.startswith((b'\x1f\x8b', UNSIGNED_BYTES)):
        return _view_of_photo(path, start, invert, centre, dataset)
    images = read_idx(path)
    if images.ndim != 3 or 0 in images.shape:
        raise DataError(
            f'{path} holds an array of shape {images.shape}, expected images [N, rows, columns]'
        )
    is_negative = invert == 'yes'
    return View(np.stack([_whole(image, is_negative) for image in images]))


def _view_of_photo(path, start, invert, centre, dataset):
    """The View of a photo; `start` is the first bytes of its file."""
    photo, is_turned = _open(path, start)
    colours, opacity = _colours(path, photo)
    grey = np.asarray(Image.fromarray(colours).convert('L'))
    notes = ['turned upright'] if is_turned else []
    item = None
    is_ready = opacity is None and grey.shape == (SIDE, SIDE)
    if is_ready:
        notes += [f'already {SIDE}x{SIDE}: taken whole']
    elif centre:
        item = items.find(colours) if opacity is None else _opaque(grey, opacity)
        notes += _notes(item)
    is_garment = dataset in _GARMENTS
    if item is not None:
        is_negative = _is_negative(item, is_garment)
    elif opacity is None:
        is_negative = _background(grey) > 127.5
    else:
        tones = grey[opacity == opacity.max()]
        is_negative = _is_negative(items.Item(tones, np.ones_like(tones)), is_garment)
    is_negative = invert == 'yes' or (invert == 'auto' and is_negative)
    notes += ['inverted'] if is_negative else []
    notes += ['transparent background left out'] if opacity is not None else []
    if item is None:
        image = _whole(grey, is_negative, opacity)
    else:
        image = _cut_out(item, is_negative, _ITEM_SIDE[dataset])
    small = Image.fromarray(colours)
    if opacity is not None:
        white = Image.new('RGB', small.size, 'white')
        small = Image.composite(small, white, Image.fromarray(opacity))
    small.thumbnail((_PREVIEW, _PREVIEW))
    box = item and tuple(n * small.width / grey.shape[1] for n in item.box)
    note = ', '.join(notes or ['the whole photo'])
    is_doubtful = centre and item is None and not is_ready
    return View(image[None], note, is_doubtful, np.asarray(small), box)


def _notes(item):
    """What is said of an Item, or of None."""
    if item is None:
        return ['no item stands out: the whole photo']
    top, bottom, left, right = item.box
    notes = [f'item of {right - left}x{bottom - top} pixels at ({left}, {top})']
    notes += ['frame left out'] if item.is_framed else []
    notes += ['the largest of several'] if item.has_others else []
    notes += ['at the edge of the photo'] if item.is_cut else []
    return notes


def _opaque(grey, opacity):
    """The items.Item that is the opaque part of a photo; None if there is none."""
    if not (opacity > _CLOSE).any():
        return None
    box = items.extent(opacity > _CLOSE)
    part = np.s_[box[0] : box[1], box[2] : box[3]]
    return items.Item(grey[part].astype(float), opacity[part] / 255, box=box)


def _is_negative(item, is_garment):
    """Whether to invert an Item."""
    tone = item.tones[item.mask > 0.5 * item.mask.max()].mean()
    if not is_garment:
        return tone < (127.5 if item.background is None else item.background)
    is_dark = item.background is not None and item.background < _DARK
    return tone <= _WHITE and not (is_dark and tone > item.background)


def _open(path, start):
    """(a photo, upright and in memory; whether it was turned); `start` begins its file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            photo = Image.open(path)
        with photo:
            turn = photo.getexif().get(ExifTags.Base.Orientation, 1)
            return ImageOps.exif_transpose(photo), turn in range(2, 9)
    except Image.DecompressionBombError as error:
        raise DataError(f'{path}: too many pixels ({error}); scale it down') from error
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        why = why_unreadable(start, error)
        if why == _IS_HEIC:
            raise DataError(f'{path}: {why}') from error
        raise DataError(
            f'{path}: neither a photo that can be read (PNG, JPEG) nor an IDX file ({why})'
        ) from error


def why_unreadable(start, error):
    """Why Pillow cannot read a photo; start: the first 12 bytes of its file; error: Pillow's."""
    if start[4:8] == b'ftyp' and start[8:12] in _HEIC:
        return _IS_HEIC
    if isinstance(error, UnidentifiedImageError):  # its text names the file, or bytes in memory
        return 'it is no image by its content' if start else 'it is empty'
    return one_line(error, 100)


def _colours(path, photo):
    """(uint8 [H, W, 3]; its opacity, uint8 [H, W], or None where the border is opaque)."""
    if photo.mode[0] in 'IF':  # more than 8 bits: Pillow would cut the values off at 255
        grey = _to_bytes(path, np.asarray(photo))
        return np.repeat(grey[..., None], 3, -1), None
    if not photo.has_transparency_data:
        return np.asarray(photo.convert('RGB')), None
    photo = photo.convert('RGBA')
    opacity = np.asarray(photo.getchannel('A'))
    if _background(opacity) > 127.5:  # transparent spots within an opaque border are white
        photo = Image.alpha_composite(Image.new('RGBA', photo.size, 'white'), photo)
        opacity = None
    return np.asarray(photo.convert('RGB')), opacity


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


def _whole(picture, is_negative, opacity=None):
    """A whole picture [H, W] as an image, its longer side scaled to 28 pixels."""
    if is_negative:
        picture = 255 - picture
    if opacity is not None:
        picture = np.rint(picture * (opacity / 255)).astype(np.uint8)
    background = round(_background(picture))
    return _centred(_scaled(picture, SIDE, Image.Resampling.BILINEAR), background)


def _cut_out(item, is_negative, side):
    """An Item as an image on black; its longer side becomes `side` pixels."""
    tones = (255 - item.tones if is_negative else item.tones) * item.mask
    small = _scaled(tones.astype(np.float32), side, Image.Resampling.HAMMING)
    if max(small.shape) < 0.75 * max(tones.shape):  # scaling down blurs
        small = small + _SHARPEN * (small - ndimage.gaussian_filter(small, 1.0))
    return _centred(np.rint(np.clip(small, 0, 255)).astype(np.uint8), 0)


def _scaled(picture, side, resampling):
    """The picture [H, W], its longer side scaled to `side` pixels."""
    height, width = picture.shape
    if max(height, width) == side:
        return picture
    scale = side / max(height, width)
    size = [max(1, round(scale * n)) for n in (width, height)]
    return np.asarray(Image.fromarray(picture).resize(size, resampling))


def _centred(picture, background):
    """The picture in the middle of an image of one tone, uint8 [28, 28]."""
    height, width = picture.shape
    image = np.full((SIDE, SIDE), background, np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    image[top : top + height, left : left + width] = picture
    return image


def _background(picture):
    """The median of the outermost pixels: tells light from dark in all test images (see tests)."""
    edges = (picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1])
    return float(np.median(np.concatenate(edges)))
