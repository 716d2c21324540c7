"""Draws photos with ten kinds of trouble from images of Fashion-MNIST.

Fashion-MNIST's authors negated shop photos of garments on white (arXiv:1708.07747, figure 1). A
photo here undoes this: the garment is 255 minus the image, scaled up, and pasted with its own
outline onto a drawn background. The kind `dark` alone keeps the image's tones, as in a picture of
the data set.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

_HOLE = 0.02  # of the image: smaller gaps in a garment are white prints, larger ones are gaps


def _cut_out(image, side):
    """(tones as in the data set, opacity in [0, 1]), float [side, side], of an image [28, 28]."""
    outline = image > 12
    gaps, count = ndimage.label(~outline)
    sizes = ndimage.sum_labels(~outline, gaps, range(count + 1))
    outline |= (sizes < _HOLE * image.size)[gaps]
    rows, columns = (np.flatnonzero(outline.any(axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = side / max(image[box].shape)
    size = [max(1, round(scale * n)) for n in image[box].shape[::-1]]

    def enlarge(values, how):
        picture = Image.fromarray(values.astype(np.uint8)).resize(size, how)
        return np.asarray(picture, float)

    tones = enlarge(image[box], Image.Resampling.BICUBIC)
    opacity = enlarge(255 * outline[box], Image.Resampling.BICUBIC)
    return tones, np.clip((opacity - 96) / 64, 0, 1)


def _paste(background, tones, opacity, centre):
    """Pastes a garment [h, w] onto a background [H, W, 3]; its middle is at `centre`, 0 to 1."""
    photo = background.copy()
    corner = [
        int(np.clip(round(at * side - size / 2), 0, side - size))
        for at, side, size in zip(centre, photo.shape, tones.shape, strict=False)
    ]
    box = np.s_[corner[0] : corner[0] + tones.shape[0], corner[1] : corner[1] + tones.shape[1]]
    part = opacity[..., None]
    photo[box] = part * tones[..., None] + (1 - part) * photo[box]
    where = np.zeros(photo.shape[:2])
    where[box] = opacity
    return photo, where


def _plain(rng, shape, colour, noise=2):
    """A background [H, W, 3] of one colour (a number or three), with the noise of a camera."""
    return np.full((*shape, 3), colour, float) + rng.normal(0, noise, (*shape, 3))


def _file(photo, form='png', **options):
    picture = Image.fromarray(np.clip(np.rint(photo), 0, 255).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _shape(rng):
    return int(rng.integers(300, 480)), int(rng.integers(300, 480))


def _scene(rng, image, background=None, share=(0.5, 0.85)):
    """A garment near the middle of a background, light and plain by default."""
    if background is None:
        background = _plain(rng, _shape(rng), rng.uniform(225, 255))
    side = int(rng.uniform(*share) * min(background.shape[:2]))
    tones, opacity = _cut_out(image, side)
    return _paste(background, 255 - tones, opacity, rng.uniform(0.4, 0.6, 2))


def light(rng, image):
    """A light, plain background."""
    return _file(_scene(rng, image)[0])


def dark(rng, image):
    """A dark, plain background; a garment in the data set's tones."""
    background = _plain(rng, _shape(rng), rng.uniform(5, 45))
    tones, opacity = _cut_out(image, int(rng.uniform(0.5, 0.85) * min(background.shape[:2])))
    return _file(_paste(background, tones, opacity, rng.uniform(0.4, 0.6, 2))[0])


def transparent(rng, image):
    """A PNG whose background is transparent, of any colour."""
    colour = rng.uniform(0, 255, 3)
    photo, opacity = _scene(rng, image, _plain(rng, _shape(rng), colour, 0))
    return _file(np.concatenate([photo, 255 * opacity[..., None]], -1))


def small(rng, image):
    """A small garment anywhere in a large photo."""
    background = _plain(rng, (900, 1200), rng.uniform(200, 255))
    tones, opacity = _cut_out(image, int(rng.uniform(0.15, 0.3) * 900))
    return _file(_paste(background, 255 - tones, opacity, rng.uniform(0, 1, 2))[0], 'jpeg')


def turned(rng, image):
    """A camera held on its side or upside down: the file says so in its EXIF data."""
    how, turns = [(3, 2), (6, 1), (8, 3)][rng.integers(3)]
    exif = Image.Exif()
    exif[0x0112] = how  # the viewer turns by 180, 270 or 90 degrees
    return _file(np.rot90(_scene(rng, image)[0], turns), 'jpeg', exif=exif)


def coloured(rng, image):
    """A plain background of a strong colour."""
    colour = rng.permutation([rng.uniform(150, 240), rng.uniform(20, 90), rng.uniform(20, 220)])
    return _file(_scene(rng, image, _plain(rng, _shape(rng), colour, 4))[0], 'jpeg')


def textured(rng, image):
    """Boards, cloth or speckles, 12 to 25 levels strong."""
    rows, columns = _shape(rng)
    y, x = np.mgrid[:rows, :columns]
    kind = rng.integers(3)
    if kind == 0:  # boards: long streaks
        pattern = ndimage.gaussian_filter(rng.normal(size=(rows, columns)), (1.5, 40))
    elif kind == 1:  # cloth: threads that cross
        period = rng.uniform(6, 16)
        pattern = np.sin(2 * np.pi * x / period) + np.sin(2 * np.pi * y / period)
    else:  # speckles
        pattern = ndimage.gaussian_filter(rng.normal(size=(rows, columns)), 3)
    pattern *= rng.uniform(12, 25) / pattern.std()
    colour = rng.uniform(110, 230) * np.array([1, rng.uniform(0.75, 1), rng.uniform(0.5, 1)])
    return _file(_scene(rng, image, _plain(rng, (rows, columns), colour) + pattern[..., None])[0])


def blurred(rng, image):
    """Out of focus, noisy, and compressed as JPEG with quality 25."""
    photo, _ = _scene(rng, image)
    photo = ndimage.gaussian_filter(photo, (rng.uniform(2, 4), rng.uniform(2, 4), 0))
    return _file(photo + rng.normal(0, 12, photo.shape), 'jpeg', quality=25)


def shadow(rng, image):
    """Light from one side, and a soft shadow beside the garment."""
    photo, opacity = _scene(rng, image, share=(0.5, 0.75))
    rows, columns = opacity.shape
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)
    light = 0.8 + 0.2 * np.clip(np.sin(angle) * y + np.cos(angle) * x, -1, 1)
    cast = ndimage.shift(opacity, rng.uniform(-0.04, 0.04, 2) * rows, order=1)
    cast = ndimage.gaussian_filter(cast, 0.02 * rows) * (1 - opacity)
    return _file(photo * (light * (1 - 0.25 * cast))[..., None], 'jpeg')


def framed(rng, image):
    """A large photo with a white or black frame around it."""
    photo, _ = _scene(rng, image, _plain(rng, (1100, 1400), rng.uniform(150, 225)), (0.4, 0.8))
    frame = [(int(rng.uniform(40, 160)),) * 2, (int(rng.uniform(40, 160)),) * 2, (0, 0)]
    return _file(np.pad(photo, frame, constant_values=rng.choice([0, 255])), 'jpeg')


KINDS = (
    light, dark, transparent, small, turned, coloured, textured, blurred, shadow, framed
)  # fmt: skip
