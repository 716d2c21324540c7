"""Finds the item of a photo, and its tones, by what differs from the background.

The background is a quadratic surface in each colour (so light may fall from one side), fitted to
the photo's border without its outliers. Pixels that differ from it by more than its noise or
texture, measured as Mahalanobis distance, belong to items. The largest group of them is the item.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

_SIDE = 160  # pixels of the longer side of what is searched
_NOISE = 3.0  # levels of 255: no background counts as smoother than that
_CLOSE = 4.25  # in units of the noise: 12.75 of 255 levels, Fashion-MNIST's 5 % (section 2)
_BORDER = 0.05  # of the shorter side
_LEAST = 0.002  # of the photo: what is smaller is dirt
_GAP = 0.02  # of the item: smaller holes are prints or reflections, larger ones are gaps
_BESIDE = 0.3  # of the item's size: what is larger and apart is another item
_FILLED = 0.97  # of its box: then it is a rectangle
_DARK = 64  # levels of 255: a darker background tells little about the light
_SMALLEST = 4  # pixels: in a smaller picture nothing is searched
_TINY = 40  # pixels: such a picture is not smoothed
_LUMA = np.array([0.299, 0.587, 0.114])


class Item(NamedTuple):
    """The item of a photo, perhaps scaled down."""

    tones: np.ndarray  # float [h, w], 0 to 255, grey, as if evenly lit
    mask: np.ndarray  # [h, w], 1 for the item's pixels, 0 for others
    background: float | None = None  # median tone of the background; None if it is transparent
    box: tuple | None = None  # (top, bottom, left, right), pixels of the photo
    is_framed: bool = False  # the photo has a frame, which was left out
    has_others: bool = False  # there are other large items
    is_cut: bool = False  # the item reaches the edge of the photo


def find(photo):
    """The Item of a photo uint8 [H, W, 3]; None if nothing differs enough from the background."""
    height, width = photo.shape[:2]
    found = _search(photo, (0, height, 0, width))
    if found is None:
        return None
    is_framed = _is_rectangle(found.mask)
    if is_framed:  # unless it is a rectangular item
        within = _search(photo, found.box(-3))
        is_framed = within is not None and not _is_rectangle(within.mask)
        found = within if is_framed else found
    has_others = found.has_others
    top, bottom, left, right = extent(found.mask)
    window = found.box(max(3, 0.2 * max(bottom - top, right - left)))
    if _scale(window) > 1.2 * found.scale:
        closer = _search(photo, window)
        if closer is not None and closer.area() > 0.5 * found.area():
            found = closer
    box = found.box()
    is_cut = box[0] == 0 or box[1] == height or box[2] == 0 or box[3] == width
    tones, background = found.tones()
    top, bottom, left, right = extent(found.mask)
    part = np.s_[top:bottom, left:right]
    return Item(tones[part], found.mask[part], background, box, is_framed, has_others, is_cut)


class _Found(NamedTuple):
    """What a search in a window of a photo finds."""

    picture: np.ndarray  # float [h, w, 3], the window, scaled down
    surface: np.ndarray  # float [h, w, 3], the background
    mask: np.ndarray  # bool [h, w]
    window: tuple  # (top, bottom, left, right), pixels of the photo
    scale: float
    has_others: bool

    def area(self):
        """The number of the item's pixels in the photo."""
        return self.mask.sum() / self.scale**2

    def box(self, margin=0):
        """(top, bottom, left, right) in the photo; `margin` is in scaled pixels."""
        top, bottom, left, right = extent(self.mask)
        first, last, leftmost, rightmost = self.window
        return (
            first + max(0, int((top - margin) / self.scale)),
            min(last, first + math.ceil((bottom + margin) / self.scale)),
            leftmost + max(0, int((left - margin) / self.scale)),
            min(rightmost, leftmost + math.ceil((right + margin) / self.scale)),
        )

    def tones(self):
        """(grey tones [h, w] as if evenly lit, the median tone of the background)."""
        light = np.maximum(self.surface @ _LUMA, 1)
        tones = self.picture @ _LUMA
        if light.min() > _DARK:
            tones = np.minimum(tones * (light.max() / light), 255)
        return tones, float(np.median(light))


def _scale(window):
    """How much a window is scaled down."""
    top, bottom, left, right = window
    return min(1.0, _SIDE / max(bottom - top, right - left))


def _search(photo, window):
    """The _Found in a window (top, bottom, left, right) of a photo, uint8 [H, W, 3], or None."""
    top, bottom, left, right = window
    if min(bottom - top, right - left) < _SMALLEST:
        return None
    scale = _scale(window)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    part = Image.fromarray(photo[top:bottom, left:right])
    picture = np.asarray(part.resize(size, Image.Resampling.BOX), float)
    shape = picture.shape[:2]
    smooth = ndimage.gaussian_filter(picture, (1, 1, 0)) if min(shape) > _TINY else picture
    border = max(1, round(_BORDER * min(shape)))
    known = np.ones(shape, bool)
    known[border:-border, border:-border] = False
    for _ in range(2):  # the second time, all that was no item is known
        surface, inverse, limit = _background(smooth, known)
        distance = _lengths(smooth - surface, inverse)
        mask, has_others = _largest(distance > limit, distance > 1.5 * limit)
        if mask is None:
            return None
        known = ~ndimage.binary_dilation(distance > limit, iterations=3)
        if known.mean() < 0.05:
            break
    mask &= _lengths(picture - surface, inverse) > limit  # smoothing widens an item
    if not mask.any():
        return None
    gaps, count = ndimage.label(~mask)
    sizes = ndimage.sum_labels(~mask, gaps, range(count + 1))
    mask = mask | (sizes < _GAP * mask.sum())[gaps]
    return _Found(picture, surface, mask, window, scale, has_others)


def _background(picture, known):
    """The background of a picture [h, w, 3]: (surface, inverse covariance, limit of its distances).

    `known` are pixels that are background for the most part.
    """
    y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in known.shape], indexing='ij')
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    terms, colours = basis[known], picture[known]
    step = max(1, len(terms) // 2000)
    terms, colours = terms[::step], colours[::step]
    off = np.abs(colours - np.median(colours, 0)).max(-1)
    for _ in range(6):
        keep = off <= max(3.5 * np.median(off), 4 * _NOISE)
        a, b = terms[keep], colours[keep]
        coefficients = np.linalg.solve(a.T @ a + 1e-4 * np.eye(6), a.T @ b)
        off = np.abs(colours - terms @ coefficients).max(-1)
    rest = (colours - terms @ coefficients)[keep]
    inverse = np.linalg.inv(rest.T @ rest / len(rest) + _NOISE**2 * np.eye(3))
    limit = max(_CLOSE, 1.15 * np.quantile(_lengths(rest, inverse), 0.995))
    return basis @ coefficients, inverse, limit


def _lengths(rest, inverse):
    """Mahalanobis lengths [...] of colours [..., 3]."""
    return np.sqrt(np.einsum('...i,ij,...j->...', rest, inverse, rest))


def _largest(mask, is_sure):
    """(the mask of the largest group of parts or None, whether another one is large).

    Parts that are near each other, such as the straps of a sandal, are one group.
    """
    near = ndimage.binary_dilation(mask, iterations=max(1, round(0.02 * max(mask.shape))))
    groups, count = ndimage.label(near)
    numbers = range(1, count + 1)
    sizes = ndimage.sum_labels(mask, groups, numbers)
    sizes = np.where(ndimage.maximum(is_sure, groups, numbers), sizes, 0) if count else sizes
    if not count or sizes.max() < max(_LEAST * mask.size, 4):
        return None, False
    best = sizes.argmax()
    mask = mask & (groups == best + 1)
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    part_sizes = ndimage.sum_labels(mask, parts, range(count + 1))
    mask = (part_sizes >= 0.02 * part_sizes.max())[parts] & mask
    return mask, bool((np.delete(sizes, best) > _BESIDE * sizes[best]).any())


def _is_rectangle(mask):
    """Whether the mask is a large rectangle: perhaps a photo within a frame."""
    top, bottom, left, right = extent(mask)
    filled = ndimage.binary_fill_holes(mask)[top:bottom, left:right]
    return filled.size > 0.25 * mask.size and filled.mean() > _FILLED


def extent(mask):
    """(top, bottom, left, right) of what is not 0 in a mask [h, w]."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
