"""What the best row gets wrong: confusions, accuracy by class, its surest mistakes."""

import pathlib

import numpy as np

from fmnist_jax.data import catalog
from fmnist_jax.errors import DataError
from fmnist_jax.markdown import percent
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import Figure
from fmnist_jax.report.rows import refuse_damage
from fmnist_jax.results import arrays, lines
from fmnist_jax.results.measures import known

_LINES, _COLUMNS = 4, 6  # of images, at most
_MOST_CLASSES = 20  # of a figure: of more classes it shows those with the lowest recall


def names_of(row):
    """The names of a Row's classes."""
    return catalog.class_names(lines.dataset_of(row.result))


def place_of(row, data_dir):
    """Where the images of a Row's data set are: the arguments of arrays.labels_at_hand."""
    dataset = lines.dataset_of(row.result)
    return catalog.source(dataset), data_dir, dataset.get('fingerprint', 0)


def by_accuracy(rows):
    """The rows with an accuracy, the best first."""
    run = [row for row in rows if row.accuracy.count]
    return sorted(run, key=lambda row: -row.accuracy.mean)


def counts_of(row):
    """Test images [seed, true class, predicted class] of a Row's seeds that have counts, or None.

    Raises:
      ConfigError: counts of another shape.
    """
    counts = known((row.result or {}).get('confusion'))
    if not counts:
        return None
    with refuse_damage(row.name):
        array = np.array(counts, int)
        if array.shape[1:] != (len(names_of(row)),) * 2:
            raise ValueError(f'confusion has shape {array.shape}')
    return array


def best_counts(rows):
    """(Row, `counts_of` it) of the best row that has counts; or (None, None)."""
    pairs = ((row, counts_of(row)) for row in by_accuracy(rows))
    return next(((row, counts) for row, counts in pairs if counts is not None), (None, None))


def class_rates(counts):
    """(recall, precision) [..., class] of counts [..., true class, predicted class].

    Recall: of the images of a class, the fraction taken for it. Precision: of the images taken for
    a class, the fraction that belong to it. NaN without images.
    """
    with np.errstate(invalid='ignore'):
        right = np.diagonal(counts, axis1=-2, axis2=-1)
        return right / counts.sum(-1), right / counts.sum(-2)


def _shown(recalls):
    """(numbers of the classes that a figure shows, how a caption says that others are left out)."""
    if len(recalls) <= _MOST_CLASSES:
        return list(range(len(recalls))), ''
    lowest = np.sort(np.argsort(recalls, kind='stable')[:_MOST_CLASSES])
    of_all = f', the {_MOST_CLASSES} of {len(recalls)} classes with the lowest recall'
    return lowest.tolist(), of_all


def confusion(rows):
    """The Figure of the best row's confusion matrix, precision and recall; None without counts."""
    row, counts = best_counts(rows)
    if row is None:
        return None
    total = counts.sum(0)
    with np.errstate(invalid='ignore'):
        fractions = total / total.sum(1, keepdims=True)
    recall, precision = class_rates(total)
    shown, of_all = _shown(recall)
    names, size = [names_of(row)[k] for k in shown], len(shown)
    fractions = fractions[np.ix_(shown, shown)]
    title = f'Confusion matrix of the best row, {row.name}'
    plot = style.new(5.9, title, left=1.1, bottom=0.95)
    axes = plot.add_subplot(aspect='equal', anchor='NW')
    for (true, predicted), fraction in np.ndenumerate(fractions):
        _square(axes, true, predicted, fraction)
    for place, k in enumerate(shown):
        _number(axes, size + 0.1, place, percent(recall[k]))
        _number(axes, place, size + 0.1, percent(precision[k]))
    axes.set_xlim(-0.5, size + 0.7)
    axes.set_ylim(size + 0.5, -0.5)
    ticks = [*range(size), size + 0.1]
    axes.set_xticks(ticks, [*names, 'recall'], rotation=40, ha='right', rotation_mode='anchor')
    axes.set_yticks(ticks, [*names, 'precision'])
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    mistakes = np.nan_to_num(np.where(np.eye(size, dtype=bool), 0, fractions))
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    alt = (
        f'Confusion matrix of {row.name}. The most frequent mistake: {names[true]} taken '
        f'for {names[predicted]}, {100 * mistakes[true, predicted]:.1f} % of its images.'
    )
    seeds = f'{len(counts)} seeds together' if len(counts) > 1 else 'one seed'
    caption = (
        f'Row {row.name}, {seeds}{of_all}: of the test images of each true class, the per cent '
        'taken for each class. Below 0.05 left blank. Shades grow with the square root. Recall: '
        'of the images of a class, the per cent taken for it. Precision: of the images taken for '
        'a class, the per cent that belong to it.'
    )
    return Figure('confusion', title, caption, alt, plot)


def _square(axes, true, predicted, fraction):
    """A shaded square with its number; the square root shows one image in a hundred."""
    from matplotlib.patches import Rectangle

    if not fraction >= 0.0005:  # would show 0.0; or NaN
        return
    depth = np.sqrt(fraction)
    corner = (predicted - 0.5, true - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fc=style.BLUE, alpha=depth, lw=0))
    colour = style.PAPER if depth > 0.6 else style.INK
    _number(axes, predicted, true, f'{100 * fraction:.1f}', color=colour)


def _number(axes, x, y, text, **options):
    axes.text(x, y, text, ha='center', va='center', fontsize=style.SMALL, **options)


def class_accuracy(rows):
    """The Figure of the best row's accuracy by class over seeds; None without counts."""
    row, counts = best_counts(rows)
    if row is None:
        return None
    seeds = 100 * class_rates(counts)[0]  # [S, classes]
    means = seeds.mean(0)
    order = [k for k in np.argsort(-means, kind='stable') if not np.isnan(means[k])]
    of_all = _shown(means[order])[1]
    order = order[-_MOST_CLASSES:]
    names = [names_of(row)[k] for k in order]
    title = f'Accuracy by class of the best row, {row.name}'
    plot = style.new(0.9 + 0.29 * len(order), title, style.width_of(names), right=0.6, top=0.32)
    axes = plot.add_subplot()
    for y, k in enumerate(order):
        low, high = seeds[:, k].min(), seeds[:, k].max()
        axes.plot([low, high], [y, y], '-', color=style.BLUE, lw=1.6, solid_capstyle='butt')
        axes.plot(seeds[:, k], [y + 0.3] * len(seeds), 'o', **style.RING)
        axes.plot(means[k], y, 'o', ms=5, color=style.BLUE)
        style.beside(axes, 1.01, y, f'{means[k]:.1f}')
    style.finish_lines(axes, names, 'accuracy on the test images of the class in %')
    best, worst = means[order[0]], means[order[-1]]
    alt = (
        f'Accuracy by class of {row.name}: best {names[0]} with {best:.2f} %, worst {names[-1]} '
        f'with {worst:.2f} %.'
    )
    caption = (
        f'Row {row.name}{of_all}. Dots: mean over seeds, given at the right, with a line from the '
        'lowest to the highest seed. Rings: the single seeds.'
    )
    return Figure('class_accuracy', title, caption, alt, plot)


def _best_predictions(rows, workdir, data_dir):
    """(Row, probabilities [S, N, classes], labels [N]) of the best row; or (None, why, None)."""
    for row in by_accuracy(rows):
        paths = [pathlib.Path(workdir) / file for file in row.result.get('predictions') or ()]
        if not paths or not all(path.is_file() for path in paths):
            continue
        labels = arrays.labels_at_hand(*place_of(row, data_dir))
        if labels is None:
            return None, f'the test labels of {row.dataset} are not at hand (see --data_dir)', None
        probs = np.concatenate([arrays.load(path) for path in paths]).astype(np.float32)
        classes = len(names_of(row))
        if probs.shape[1:] != (len(labels), classes):
            raise DataError(
                f'{paths[0]}: predictions of shape {list(probs.shape)}, expected '
                f'[seeds, {len(labels)}, {classes}]; delete it, tables do without'
            )
        finite = np.isfinite(probs).all((1, 2))
        if finite.any():
            return row, probs[finite], labels
    return None, "no row's test predictions are at hand (predictions/ is left out of git)", None


def surest(probs, labels, number):
    """[(image, predicted class, probability)] of mistakes of the mean of `probs` [S, N, K]."""
    mean = probs.mean(0, dtype=np.float64)
    predicted, confidence = mean.argmax(-1), mean.max(-1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind='stable')][:number]
    return [(int(i), int(predicted[i]), float(confidence[i])) for i in wrong]


def surest_mistakes(rows, workdir, data_dir=None):
    """(Figure of the mistakes made with most confidence or None, why there is none)."""
    row, probs, labels = _best_predictions(rows, workdir, data_dir)
    if row is None:
        return None, probs
    images = arrays.images_at_hand(*place_of(row, data_dir))
    if images is None:
        return None, f'the test images of {row.dataset} are not at hand'
    if len(images) != len(labels):
        raise DataError(f'{len(images)} test images, but {len(labels)} test labels')
    wrong = surest(probs, labels, _LINES * _COLUMNS)
    if not wrong:
        return None, f'row {row.name} makes none'
    names = names_of(row)
    title = f'Wrong with most confidence: the best row, {row.name}'
    plot = _sheet(title, images, [(i, names[k], p, names[labels[i]]) for i, k, p in wrong])
    mean = f'mean probability of {len(probs)} seeds' if len(probs) > 1 else 'one seed'
    i, predicted, confidence = wrong[0]
    alt = (
        f'The {len(wrong)} test images that {row.name} gets wrong with most confidence. The '
        f'first: test image {i}, {names[labels[i]]} taken for {names[predicted]} with '
        f'{100 * confidence:.1f} %.'
    )
    caption = (
        f'Row {row.name}: above each image the predicted class with its probability ({mean}) '
        'and the true class, surest first.'
    )
    return Figure('mistakes', title, caption, alt, plot), ''


def _sheet(title, images, wrong):
    """A plot with an image for each (image, predicted class, its probability, true class)."""
    lines = -(-len(wrong) // _COLUMNS)
    plot = style.new(0.35 + 1.5 * lines, title, left=0.1, right=0.1, top=0.65, bottom=0.1)
    spaces = {'wspace': 0.1, 'hspace': 0.45}
    grid = plot.subplots(lines, _COLUMNS, squeeze=False, gridspec_kw=spaces).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, (i, predicted, confidence, true) in zip(grid, wrong, strict=False):
        axes.imshow(images[i], cmap='gray', vmin=0, vmax=255, interpolation='nearest')
        axes.set_title(f'{predicted} {100 * confidence:.1f} %\ntrue: {true}', fontsize=7, pad=3)
    return plot
