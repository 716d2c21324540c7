"""Drawn garments: Fashion-MNIST's shapes, types and classes without a download.

An image is a silhouette with soft edges, times brightness, shading, a pattern and noise. A garment
is a function of u(low, high), which draws a number for each image, and of the coordinates x and y
in pixels. All arrays have shape [images, rows, columns] or broadcast to it.
"""

import itertools

import numpy as np

# Pixel centres, 0 in the middle of the image; x grows to the right, y downwards.
_X = np.arange(28, dtype=np.float32)[None, None, :] - 13.5
_Y = np.arange(28, dtype=np.float32)[None, :, None] - 13.5
_CHUNK = 250  # images drawn at once, so that their arrays stay in the processor's cache


def _in(depth):
    """Soft edge: 1 more than half a pixel inside, 0 more than half a pixel outside."""
    return np.clip(depth + 0.5, 0, 1)


def _line(t, *points):
    """Linear interpolation of the points (t_k, value_k), constant beyond its ends."""
    value = points[0][1]
    for (t0, v0), (t1, v1) in itertools.pairwise(points):
        value = value + (v1 - v0) * np.clip((t - t0) / (t1 - t0), 0, 1)
    return value


def _top(u, x, y, top, bottom, body, hem, sleeve, spread, neck):
    """A torso with two sleeves of length `sleeve`, which lean outwards by `spread`."""
    side = np.abs(x)
    half = _line(y, (top, body * 0.85), (top + 3, body), (bottom, hem))
    torso = _in(half - side) * _in(bottom - y)
    arm = body - 1 + spread * (y - top)  # the middle of the sleeve
    thick = _line(y, (top, 2.4), (top + sleeve, u(1.5, 2.2)))
    sleeves = _in(thick - np.abs(side - arm)) * _in(top + sleeve - y)
    seam = 1 - u(0, 0.5) * _in(0.4 - np.abs(side - half)) * (y < top + sleeve)
    shoulder = top - 1 + 0.25 * side  # slopes
    throat = shoulder + neck * np.clip(1 - (x / 3.5) ** 2, 0, 1)
    return np.maximum(torso, sleeves) * seam * _in(y - throat)


def _t_shirt(u, x, y):
    top, bottom, body = u(-12, -9), u(9, 13), u(5.5, 7.5)
    return _top(u, x, y, top, bottom, body, body + u(-0.5, 1), u(4, 9), u(0.4, 0.9), u(1, 4))


def _pullover(u, x, y):
    top, bottom, body = u(-12, -9), u(8, 12.5), u(5.5, 7)
    sleeve = bottom - top + u(-4, 2)
    tone = _top(u, x, y, top, bottom, body, body + u(-1, 0.5), sleeve, u(0.12, 0.25), u(0.5, 3))
    cuff = _in(y - bottom + u(1, 3))
    return tone * (1 - u(-0.1, 0.3) * cuff)


def _coat(u, x, y):
    top, bottom, body = u(-13, -10), u(9.5, 13.5), u(5, 7)
    sleeve = bottom - top + u(-7, 0)
    tone = _top(u, x, y, top, bottom, body, body + u(0, 2), sleeve, u(0.1, 0.22), u(1, 4))
    opening = _in(u(0, 0.6) + 0.02 * (y - top) - np.abs(x - u(-1, 1)))
    return tone * (1 - u(0.1, 0.9) * opening)


def _shirt(u, x, y):
    top, bottom, body = u(-13, -10), u(9, 13), u(5, 7)
    is_short = u(0, 1) < 0.35
    sleeve = np.where(is_short, u(6, 10), bottom - top + u(-6, 0))
    spread = np.where(is_short, u(0.3, 0.7), u(0.12, 0.25))
    tone = _top(u, x, y, top, bottom, body, body + u(-0.5, 1), sleeve, spread, u(1, 5))
    buttons = _in(0.3 - np.abs(x)) * _in(y % 4 - 2)
    collar = _in(0.5 - np.abs(y - top - 4.5 + np.abs(x))) * (y < top + 5)
    return tone * (1 - u(0.3, 1) * np.maximum(buttons, collar))


def _dress(u, x, y):
    side, top, bottom = np.abs(x), u(-14, -11), u(10, 14)
    waist_at = top + u(6, 11)
    chest, waist, hem = (waist_at - 4, u(3, 5)), (waist_at, u(2, 4)), (bottom, u(3.5, 8))
    half = _line(y, (top, u(2, 4.5)), chest, waist, hem)
    throat = top + u(0, 4) * np.clip(1 - (x / 2.5) ** 2, 0, 1)
    arm = _in(1.3 - np.abs(side - 4 - u(0.1, 0.3) * (y - top))) * (y < top + u(-12, 16))
    belt = 1 - u(0, 0.5) * _in(0.6 - np.abs(y - waist_at))
    return np.maximum(_in(half - side) * belt, arm) * _in(y - throat) * _in(bottom - y)


def _trouser(u, x, y):
    side, top, bottom, hip = np.abs(x), u(-14, -12), u(11, 14), u(3, 5)
    crotch = top + u(6, 11)
    gap = _line(y, (crotch - 1, -2), (crotch, 0.2), (bottom, u(0.5, 3)))
    outer = _line(y, (top, hip - 0.7), (crotch, hip + u(0, 1)), (bottom, hip + u(-0.3, 3)))
    fly = 1 - u(0, 0.5) * _in(0.3 - side) * (y < crotch)
    return _in(outer - side) * _in(side - gap) * _in(y - top) * _in(bottom - y) * fly


def _foot(x, y, ground, *outline):
    """A shoe, toe to the left; `outline` has the points (column, height above the ground)."""
    return _in(12.5 - np.abs(x)) * _in(ground - y) * _in(y - ground + _line(x, *outline))


def _sneaker(u, x, y):
    ground, toe, ankle = u(5, 9), u(3.5, 5.5), u(7, 14)
    front, opening, heel = (-12.5, toe - 2), (3, ankle - u(0.5, 2.5)), (10, ankle + u(-0.5, 1))
    toe_cap, tongue = ((-10.5, toe), (-6, toe + 1)), (-0.5, ankle)
    tone = _foot(x, y, ground, front, *toe_cap, tongue, opening, heel, (12.5, ankle - 2))
    sole = _in(y - ground + u(1.5, 3))
    laces = _in(2 - np.abs(x + 3)) * _in(np.abs((y + x) % 3 - 1.5) - 0.7)
    stripe = _in(u(0, 1) - np.abs(x - u(1, 6) + u(-1, 1) * y))
    dark = np.maximum(u(0, 0.7) * laces, u(-0.5, 0.7) * stripe)
    return tone * np.where(sole > 0.5, u(0.4, 1.3), 1 - dark)


def _ankle_boot(u, x, y):
    ground, toe, shaft, bend = u(8, 12), u(4, 7), u(13, 22), u(8, 11)
    front, toe_cap, instep = (-12.5, toe - 2.5), ((-10.5, toe - 0.5), (-7, toe)), (-1, bend)
    tone = _foot(x, y, ground, front, *toe_cap, instep, (u(2, 4.5), shaft), (12, shaft + u(-1, 1)))
    arch = _in(u(-0.5, 3.5) - (ground - y)) * _in(4 - np.abs(x - 2))
    sole = _in(y - ground + u(1, 2))
    elastic = _in(u(0.3, 2) - np.abs(x - u(5, 9))) * _in(ground - bend + 2 - y)
    return tone * (1 - arch) * (1 - u(-0.2, 0.6) * sole) * (1 - u(0, 0.5) * elastic)


def _sandal(u, x, y):
    ground, heel = u(4, 10), u(0, 8)
    lift = heel * np.clip((x + 4) / 12, 0, 1)  # height of the foot above the ground
    above = ground - y - lift
    sole = _in(12.5 - np.abs(x)) * _in(above) * _in(u(0.8, 2.5) - above)
    end = np.where(u(0, 1) < 0.4, -3, u(8, 11))  # a wedge, or a heel of its own
    post = _in(x - end) * _in(12 - x) * _in(-above) * _in(ground - y)
    low, high = (u(2.5, 5.5), u(3, 6.5)), (u(3, 5.5), u(1, 12))  # a strap: half its width, height
    toes = _arch(x - u(-8, -4), above, *low, u(0.5, 2))
    ankle = _arch(x - u(5, 7.5), above, *high, u(0.5, 1.2))
    bridge = _in(u(0, 1) - np.abs(above - _line(x, (-7, low[1]), (7, high[1]))))
    bridge = bridge * _in(7 - np.abs(x)) * (u(0, 1) < 0.5)
    return np.maximum.reduce([sole, post, toes, ankle, bridge])


def _arch(x, above, wide, high, thick):
    """The upper half of an ellipse's outline."""
    radius = np.sqrt((x / wide) ** 2 + (above / high) ** 2)
    return _in(thick - np.abs(radius - 1) * np.minimum(wide, high)) * (above > 0)


def _bag(u, x, y):
    side, top, bottom, half = np.abs(x), u(-6, 1), u(7, 12), u(9, 13)
    width = _line(y, (top, half - u(0, 3)), (bottom, half))
    body = _in(width - side) * _in(y - top) * _in(bottom - y)
    flap = 1 - u(0, 0.6) * _in(0.5 - np.abs(y - top - u(2, 6)))
    handle = _arch(x, top - y, u(3, 9), np.minimum(u(0.5, 13), top + 13.5), u(0.5, 1.4))
    return np.maximum(body * flap, handle)


GARMENTS = {  # in the order of Fashion-MNIST's labels
    'T-shirt/top': _t_shirt,
    'Trouser': _trouser,
    'Pullover': _pullover,
    'Dress': _dress,
    'Coat': _coat,
    'Sandal': _sandal,
    'Shirt': _shirt,
    'Sneaker': _sneaker,
    'Bag': _bag,
    'Ankle boot': _ankle_boot,
}
CLASS_NAMES = tuple(GARMENTS)


def draw(num_train=60_000, num_test=10_000, seed=0):
    """The arrays of a datasets.Dataset, with balanced classes in random order."""
    train_seed, test_seed = np.random.SeedSequence(seed).spawn(2)
    return *_draw_part(num_train, train_seed), *_draw_part(num_test, test_seed)


def _draw_part(num, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(num).astype(np.int32) % 10
    images = np.empty((num, 28, 28), np.uint8)
    for label, garment in enumerate(GARMENTS.values()):
        indices = np.flatnonzero(labels == label)
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            images[chunk] = _render(rng, len(chunk), garment)
    return images, labels


def _render(rng, n, garment):
    """Draws n garments with shading, pattern and noise."""

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
