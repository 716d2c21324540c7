"""What the networks see of photos: the photo, the image made from it, the most probable classes."""

from typing import NamedTuple

import numpy as np

from fmnist_jax.report.figures import style

MOST = 40  # images of a figure
_HEIGHT = 1.6  # inches of an image with its photo


class Seen(NamedTuple):
    """One image with its prediction."""

    name: str  # of the file
    photo: np.ndarray | None  # uint8 [H, W, 3]
    box: tuple | None  # (top, bottom, left, right) of the item in the photo
    image: np.ndarray  # uint8 [H, W] or [H, W, 3]
    best: list  # [(class, probability)]
    is_unsure: bool


def write(path, pictures):
    """Draws [Seen] and writes them to a PNG or SVG file."""
    with style.look():
        style.save(_draw(pictures), path, dpi=150)


def _draw(pictures):
    height = _HEIGHT * len(pictures) + 0.6
    plot = style.new(height, 'What the networks see', left=0.15, top=0.5, bottom=0.1)
    grid = plot.add_gridspec(len(pictures), 3, width_ratios=(3, 3, 4), wspace=0.08, hspace=0.35)
    for line, picture in enumerate(pictures):
        photo, image, bars = (plot.add_subplot(grid[line, k]) for k in range(3))
        photo.set_title(picture.name)
        _show_photo(photo, picture)
        image.imshow(picture.image, cmap='gray', vmin=0, vmax=255, interpolation='nearest')
        image.set_axis_off()
        _show_bars(bars, picture)
    return plot


def _show_photo(axes, picture):
    """The photo with a box around its item."""
    from matplotlib.patches import Rectangle

    axes.set_axis_off()
    if picture.photo is None:
        return
    axes.imshow(picture.photo)
    if picture.box is not None:
        top, bottom, left, right = picture.box
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(
            Rectangle(corner, right - left, bottom - top, fill=False, ec=style.ORANGE, lw=1.2)
        )


def _show_bars(axes, picture):
    """The most probable classes, the best at the top."""
    colour = style.ORANGE if picture.is_unsure else style.BLUE
    for y, (name, probability) in enumerate(picture.best):
        axes.barh(y, probability, 0.35, color=colour)
        axes.text(0, y - 0.25, f'{name} {probability:.2f}', va='bottom', fontsize=8)
    axes.set_title('unsure' if picture.is_unsure else '')
    axes.set_xlim(0, 1)
    axes.set_ylim(2.6, -0.9)
    axes.set_axis_off()
