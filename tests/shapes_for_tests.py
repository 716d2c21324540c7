"""Pictures of shapes in folders, as users have them: any size, several kinds of files."""

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ('circle', 'cross', 'square')


def draw(rng, shape, mode='RGB'):
    """One picture, 30 to 60 pixels a side: a light shape somewhere on a dark background."""
    width, height = (int(n) for n in rng.integers(30, 60, 2))
    picture = Image.new('RGB', (width, height), tuple(rng.integers(0, 60, 3).tolist()))
    pen, colour = ImageDraw.Draw(picture), tuple(rng.integers(150, 256, 3).tolist())
    radius = int(rng.integers(8, 14))
    x, y = (int(rng.integers(radius, side - radius)) for side in (width, height))
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == 'circle':
        pen.ellipse(box, fill=colour)
    elif shape == 'square':
        pen.rectangle(box, fill=colour)
    else:
        pen.line(box, fill=colour, width=4)
        pen.line((box[0], box[3], box[2], box[1]), fill=colour, width=4)
    return picture.convert(mode)


def draw_folder(root, count, seed=0):
    """Fills `root` with a folder of `count` pictures for each shape; returns it."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        (root / shape).mkdir(parents=True)
        for number in range(count):
            ending = ('png', 'jpg', 'webp')[number % 3]
            draw(rng, shape).save(root / shape / f'{number}.{ending}')
    return root
