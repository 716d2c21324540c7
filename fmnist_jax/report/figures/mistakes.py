"""What the best network gets wrong: confusions, accuracy by class, its surest mistakes."""

import pathlib
from typing import NamedTuple

import numpy as np

from fmnist_jax.data.datasets import CLASS_NAMES
from fmnist_jax.errors import DataError
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import Drawing, per_cent
from fmnist_jax.results import arrays

# Whose mistakes the figures show, the best network's, and what is counted of them.


class Predicted(NamedTuple):
    """A row's test predictions of the seeds that have finite ones."""

    name: str
    classes: tuple  # their names
    probabilities: np.ndarray  # float32 [S, N, 10]
    labels: np.ndarray  # int32 [N]

    def confusion(self):
        """How often each class (first axis) was taken for each: shares [10, 10] over all seeds.

        NaN for a class of which there is no test image.
        """
        size = len(self.classes)
        counts = np.zeros((size, size))
        for chosen in self.probabilities.argmax(-1):
            np.add.at(counts, (self.labels, chosen), 1)
        with np.errstate(invalid='ignore'):
            return counts / counts.sum(1, keepdims=True)

    def by_class(self):
        """Accuracy of every seed on every class: [S, 10], NaN for a class without images."""
        right = self.probabilities.argmax(-1) == self.labels
        columns = [right[:, self.labels == k] for k in range(len(self.classes))]
        missing = np.full(len(right), np.nan)
        return np.stack([c.mean(1) if c.size else missing for c in columns], 1)

    def surest_mistakes(self, number):
        """(image, predicted class, probability) of the mean prediction's mistakes, surest first."""
        mean = self.probabilities.mean(0, dtype=np.float64)
        chosen, chance = mean.argmax(-1), mean.max(-1)
        wrong = np.flatnonzero(chosen != self.labels)
        order = wrong[np.argsort(-chance[wrong], kind='stable')][:number]
        return [(int(i), int(chosen[i]), float(chance[i])) for i in order]


def best_predicted(rows, workdir, data_dir=None):
    """(Predicted of the most accurate row whose predictions are at hand, why there is none).

    Args:
      rows: rows.Row of a workdir.
      workdir: where their predictions lie.
      data_dir: where the test labels are, see `predictions.labels_at_hand`.

    Raises:
      DataError: damaged predictions or labels.
    """
    done = [row for row in rows if row.accuracy.count]
    if not done:
        return None, 'no row has been run'
    for row in sorted(done, key=lambda row: -row.accuracy.mean):
        paths = [pathlib.Path(workdir) / file for file in row.result.get('predictions') or ()]
        if not paths or not all(path.is_file() for path in paths):
            continue
        labels = arrays.labels_at_hand(row.dataset, data_dir)
        if labels is None:
            return None, f'the test labels of {row.dataset} are not at hand (see --data_dir)'
        probs = np.concatenate([arrays.load(path) for path in paths]).astype(np.float32)
        classes = CLASS_NAMES[row.dataset]
        if probs.shape[1:] != (len(labels), len(classes)):
            raise DataError(
                f'{paths[0]}: predictions of shape {list(probs.shape)}, expected '
                f'[seeds, {len(labels)}, {len(classes)}]; delete it, tables do without'
            )
        finite = np.isfinite(probs).all((1, 2))
        if finite.any():
            return Predicted(row.name, classes, probs[finite], labels), None
    return None, "no row's test predictions are at hand (predictions/ is left out of git)"


_LINES, _COLUMNS = 4, 6  # of images, at most


def confusion(predicted):
    """The Drawing of a confusion matrix. To be called within `style.look`."""
    shares = 100 * predicted.confusion()
    size = len(predicted.classes)
    figure = style.new(5.6)
    axes = figure.add_subplot(aspect='equal')
    _shade(axes, shares)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_xticks(range(size), predicted.classes, rotation=40, ha='right', rotation_mode='anchor')
    axes.set_yticks(range(size), predicted.classes)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    apart = np.nan_to_num(np.where(np.eye(size, dtype=bool), 0, shares))
    true, chosen = np.unravel_index(apart.argmax(), apart.shape)
    names = predicted.classes
    alt = (
        f'Confusion matrix of {predicted.name}. The most frequent mistake: {names[true]} taken '
        f'for {names[chosen]}, {apart[true, chosen]:.1f} % of its images.'
    )
    caption = (
        f'Row {predicted.name}, {_seeds(predicted)}: of the test images of each true class, how '
        'many per cent were taken for each class. Below 0.05 left blank. Shades grow with the '
        'square root.'
    )
    return Drawing('confusion', 'Confusion matrix of the best row', caption, alt, figure)


def _shade(axes, shares):
    """A square with its number for every share, in %, of a confusion matrix."""
    from matplotlib.patches import Rectangle

    for (true, chosen), share in np.ndenumerate(shares):
        if not share >= 0.05:  # what would be shown as 0.0, and NaN
            continue
        # The square root shows one image in a hundred.
        corner, depth = (chosen - 0.5, true - 0.5), np.sqrt(share / 100)
        axes.add_patch(Rectangle(corner, 1, 1, fc=style.BLUE, alpha=depth, lw=0))
        axes.text(
            *(chosen, true, f'{share:.1f}'),
            **{'ha': 'center', 'va': 'center', 'fontsize': 7.5},
            color=style.PAPER if depth > 0.6 else style.INK,
        )


def _seeds(predicted):
    count = len(predicted.probabilities)
    return f'{count} seeds together' if count > 1 else 'one seed'


def class_accuracy(predicted):
    """The Drawing of accuracy by class over seeds. To be called within `style.look`."""
    seeds = 100 * predicted.by_class()
    means = seeds.mean(0)
    order = [k for k in np.argsort(-means, kind='stable') if not np.isnan(means[k])]
    figure = style.new(0.6 + 0.29 * len(order))
    axes = figure.add_subplot()
    for y, k in enumerate(order):
        low, high = seeds[:, k].min(), seeds[:, k].max()
        axes.plot([low, high], [y, y], '-', color=style.BLUE, lw=1.6, solid_capstyle='butt')
        axes.plot(
            *(seeds[:, k], [y + 0.3] * len(seeds), 'o'),
            **{'ms': 3, 'mfc': 'none', 'mec': style.MUTED, 'mew': 0.7},
        )
        axes.plot(means[k], y, 'o', ms=5, color=style.BLUE)
        axes.text(
            *(1.01, y, f'{means[k]:.1f}'),
            **{'transform': axes.get_yaxis_transform(), 'va': 'center', 'fontsize': 7.5},
        )
    axes.set_yticks(range(len(order)), [predicted.classes[k] for k in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis='y', length=0)
    axes.grid(axis='y', visible=False)
    axes.spines['left'].set_visible(False)
    axes.set_xlabel('accuracy on the test images of the class in %')
    names = predicted.classes
    alt = (
        f'Accuracy by class of {predicted.name}: best {names[order[0]]} with '
        f'{per_cent(means[order[0]] / 100)}, worst {names[order[-1]]} with '
        f'{per_cent(means[order[-1]] / 100)}.'
    )
    caption = (
        f'Row {predicted.name}. Dots: mean over seeds, given at the right, with a line from the '
        'lowest to the highest seed. Rings: the single seeds.'
    )
    return Drawing('class_accuracy', 'Accuracy by class of the best row', caption, alt, figure)


def surest_mistakes(predicted, images):
    """The Drawing of the mistakes made with most confidence; None if nothing is wrong.

    To be called within `style.look`.

    Args:
      predicted: Predicted.
      images: uint8 [N, 28, 28], the test images.

    Raises:
      DataError: not as many images as labels.
    """
    if len(images) != len(predicted.labels):
        raise DataError(f'{len(images)} test images, but {len(predicted.labels)} test labels')
    wrong = predicted.surest_mistakes(_LINES * _COLUMNS)
    if not wrong:
        return None
    figure = _sheet(predicted, images, wrong)
    names = predicted.classes
    count = len(predicted.probabilities)
    mean = f'mean probability of {count} seeds' if count > 1 else 'probability of the one seed'
    i, chosen, chance = wrong[0]
    alt = (
        f'The {len(wrong)} test images that {predicted.name} gets wrong with most confidence. The '
        f'first: test image {i}, {names[predicted.labels[i]]} taken for {names[chosen]} with '
        f'{100 * chance:.1f} %.'
    )
    caption = (
        f'Row {predicted.name}: above each image the predicted class with its probability ({mean}) '
        'and the true class, surest first.'
    )
    return Drawing('mistakes', 'Wrong with most confidence', caption, alt, figure)


def _sheet(predicted, images, wrong):
    """The figure with an image for each of the mistakes that Predicted.surest_mistakes gives."""
    lines = -(-len(wrong) // _COLUMNS)
    figure = style.new(1.55 * lines)
    grid = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    names = predicted.classes
    for axes, (i, chosen, chance) in zip(grid, wrong, strict=False):
        axes.imshow(images[i], cmap='gray', vmin=0, vmax=255, interpolation='nearest')
        text = f'{names[chosen]} {100 * chance:.1f} %\ntrue: {names[predicted.labels[i]]}'
        axes.set_title(text, fontsize=7, pad=3)
    return figure
