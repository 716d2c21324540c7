"""Learning curves: a small panel for each row, all of a data set with the same axes."""

import warnings

import numpy as np

from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.axes import LARGEST_LOSS, empty, set_y_axes
from fmnist_jax.report.figures.drawing import Drawing, best_in_words, per_cent, wrapped
from fmnist_jax.report.history import history

_BEST = 0.9999  # drawn: 1 would be infinitely high where errors have a log scale
_PARTS = (('train', 'training', '--', style.ORANGE), ('validation', 'validation', '-', style.BLUE))


def _over_seeds(array):
    """(mean, lowest, highest) over the seeds of [epochs, seeds]; NaN where none has a number."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # an epoch without any number
        return np.nanmean(array, 1), np.nanmin(array, 1), np.nanmax(array, 1)


def _panel(axes, row, histories, quantity, columns):
    """Draws a row's curves; their lowest and highest numbers."""
    seen = []
    for part, label, dashes, colour in _PARTS:
        array = histories.get(f'{part}_{quantity}')
        if array is None or np.isnan(array).all():
            continue
        if quantity == 'accuracy':
            array = np.minimum(array, _BEST)
        mean, low, high = _over_seeds(array)
        epochs = np.arange(1, len(mean) + 1)
        marker = {'marker': 'o', 'ms': 3} if len(mean) == 1 else {}
        axes.fill_between(epochs, low, high, color=colour, alpha=0.22, lw=0)
        axes.plot(epochs, mean, dashes, color=colour, label=label, **marker)
        seen += [np.nanmin(low), np.nanmax(high)]
    if not seen:
        empty(axes, 'no numbers')
    axes.set_title(wrapped(row.name, {1: 90, 2: 44, 3: 28, 4: 20}[columns]), pad=3)
    return seen


def _grid(number):
    """(columns, height of a panel in inches, height of what is around all of them)."""
    columns = min(number, 3 if number in (3, 5, 6, 9) else 4)
    return columns, {1: 2.6, 2: 2.0}.get(columns, 1.35)


def learning_curves(rows, quantity):
    """The Drawing of one quantity over epochs; None if no row has a history.

    To be called within `style.look`.

    Args:
      rows: rows.Row of a workdir, in its order.
      quantity: 'accuracy' or 'loss'.

    Raises:
      ConfigError: a damaged line.
    """
    histories = [(row, history(row)) for row in rows]
    histories = [(row, h) for row, h in histories if any(quantity in name for name in h)]
    if not histories:
        return None
    columns, height = _grid(len(histories))
    lines = -(-len(histories) // columns)
    figure = style.new(0.55 + height * lines)
    grid = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    seen = [
        _panel(axes, row, curves, quantity, columns)
        for axes, (row, curves) in zip(grid, histories, strict=False)
    ]
    datasets = [row.dataset for row, _ in histories]
    _finish(figure, grid, datasets, columns, quantity)
    set_y_axes(figure, grid[: len(histories)], datasets, seen, quantity)
    return _described(histories, quantity, max((max(s) for s in seen if s), default=0), figure)


def _finish(figure, grid, datasets, columns, quantity):
    """The common x axis, labels, the legend, and nothing where no row is left."""
    number = len(datasets)
    epochs = max([len(line.get_xdata()) for axes in grid for line in axes.lines], default=1)
    grid[0].set_xlim(1 - 0.02 * epochs, epochs + 0.02 * epochs)
    grid[0].xaxis.get_major_locator().set_params(integer=True, nbins=4, steps=[1, 2, 5, 10])
    for axes in grid[number:]:
        axes.set_visible(False)
    for axes in grid[max(number - columns, 0) : number]:
        axes.tick_params(labelbottom=True)  # the lowest of its column
    for k, axes in enumerate(grid[:number]):
        same = k % columns > 0 and datasets[k] == datasets[k - 1]
        axes.tick_params(labelleft=not same)  # else the panel at the left has the same numbers
    figure.supxlabel('epoch', fontsize=8.5)
    figure.supylabel(f'{quantity} in %' if quantity == 'accuracy' else quantity, fontsize=8.5)
    shown = {}
    for axes in grid[:number]:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, line)
    if shown:
        figure.legend(shown.values(), shown.keys(), loc='outside upper left', ncols=2)


def _shared(histories):
    """Which panels have the same axes; with several data sets, which rows are of the later ones."""
    names = {}
    for row, _ in histories:
        names.setdefault(row.dataset, []).append(row.name)
    if len(names) == 1:
        return 'All panels have the same axes'
    later = '; '.join(f'{dataset}: {", ".join(names[dataset])}' for dataset in list(names)[1:])
    return f'All panels of a data set have the same axes ({later})'


def _described(histories, quantity, highest, figure):
    scale = (
        'errors (100 − accuracy) have a log scale, so that what happens near the best shows'
        if quantity == 'accuracy'
        else 'log scale'
    )
    caption = (
        f'Lines: mean over the seeds still training. Shaded: from the lowest to the highest seed. '
        f'{_shared(histories)}; {scale}. Training is measured while the network '
        'learns, with dropout and augmentation where a row has them, validation after each epoch.'
    )
    if quantity == 'loss' and highest > LARGEST_LOSS:
        caption += f' Losses above {LARGEST_LOSS:g} are cut off; guessing has 2.3.'
    last = []
    for row, curves in histories:
        final = curves.get(f'validation_{quantity}', curves.get(f'train_{quantity}'))
        final = final[np.isfinite(final).any(1)] if final is not None else []
        if len(final):
            last.append((row.dataset, np.nanmean(final[-1]), row.name))
    alt = f'Learning curves, {quantity} by epoch, of {len(histories)} rows.'
    if last:
        how = (max, per_cent) if quantity == 'accuracy' else (min, '{:.3f}'.format)
        alt += f' The best at the end is {best_in_words(last, *how)}.'
    title = f'Learning curves: {quantity}'
    return Drawing(f'curves_{quantity}', title, caption, alt, figure)
