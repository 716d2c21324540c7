"""Learning curves: a small panel for each row, all with the same axes."""

import warnings

import numpy as np

from fmnist_jax.report import style
from fmnist_jax.report.drawing import Drawing, per_cent, wrapped
from fmnist_jax.report.history import history

_LARGEST_LOSS = 5.0  # drawn; the loss of guessing among ten classes is 2.3
_BEST = 0.9999  # drawn: 1 would be infinitely high where errors have a log scale
# In %; the first of these that has three ticks on the axis.
_TICKS = (
    (10, 50, 80, 90, 95, 98, 99, 99.9),
    (10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92, 94, 96, 98, 99),
    tuple(range(100)),
)
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
        axes.text(0.5, 0.5, 'no numbers', transform=axes.transAxes, ha='center', color=style.MUTED)
    axes.set_title(wrapped(row.name, {1: 90, 2: 44, 3: 28, 4: 20}[columns]), pad=3)
    return seen


def _accuracy_scale(axes):
    """Accuracies by the logarithm of the error: 80, 90 and 95 % are equally far apart."""
    low, high = axes.get_ylim()
    inside = [[tick for tick in ticks if low <= tick / 100 <= high] for ticks in _TICKS]
    axes.set_yscale(
        'function', functions=(lambda a: -np.log10(np.maximum(1 - a, 1e-6)), lambda y: 1 - 10**-y)
    )
    ticks = next((t for t in inside if len(t) >= 3), inside[-1])
    axes.set_yticks([tick / 100 for tick in ticks], [f'{tick:g}' for tick in ticks])
    axes.yaxis.minorticks_off()


def _loss_scale(axes):
    low, high = axes.get_ylim()
    axes.set_yscale('log')
    digits = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 5, 7)
    ticks = [digit * power for power in (0.001, 0.01, 0.1, 1) for digit in digits]
    axes.set_yticks(ticks, [f'{tick:g}' for tick in ticks])
    axes.yaxis.minorticks_off()


def _limits(seen, quantity):
    """The common limits of all panels."""
    low, high = min(seen, default=0.1), max(seen, default=0.9)
    if quantity == 'accuracy':
        low = max(low, 0.0)
        return 1 - (1 - low) * 1.05, 1 - (1 - high) / 1.15
    return max(low, 1e-3) / 1.15, max(min(high, _LARGEST_LOSS), max(low, 1e-3)) * 1.15


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
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    seen = []
    for axes, (row, curves) in zip(grid, histories, strict=False):
        seen += _panel(axes, row, curves, quantity, columns)
    _finish(figure, grid, len(histories), columns, quantity, seen)
    return _described(histories, quantity, seen, figure)


def _finish(figure, grid, number, columns, quantity, seen):
    """Common axes, the legend, and nothing where no row is left."""
    limits = _limits(seen, quantity)
    grid[0].set_ylim(*limits)
    (_accuracy_scale if quantity == 'accuracy' else _loss_scale)(grid[0])
    grid[0].set_ylim(*limits)
    epochs = max([len(line.get_xdata()) for axes in grid for line in axes.lines], default=1)
    grid[0].set_xlim(1 - 0.02 * epochs, epochs + 0.02 * epochs)
    grid[0].xaxis.get_major_locator().set_params(integer=True, nbins=4, steps=[1, 2, 5, 10])
    for axes in grid[number:]:
        axes.set_visible(False)
    for axes in grid[max(number - columns, 0) : number]:
        axes.tick_params(labelbottom=True)  # the lowest of its column
    figure.supxlabel('epoch', fontsize=8.5)
    figure.supylabel(f'{quantity} in %' if quantity == 'accuracy' else quantity, fontsize=8.5)
    shown = {}
    for axes in grid[:number]:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, line)
    if shown:
        figure.legend(shown.values(), shown.keys(), loc='outside upper left', ncols=2)


def _described(histories, quantity, seen, figure):
    scale = (
        'errors (100 − accuracy) have a log scale, so that what happens near the best shows'
        if quantity == 'accuracy'
        else 'log scale'
    )
    caption = (
        f'Lines: mean over the seeds still training. Shaded: from the lowest to the highest seed. '
        f'All panels have the same axes; {scale}. Training is measured while the network '
        'learns, with dropout and augmentation where a row has them, validation after each epoch.'
    )
    if quantity == 'loss' and max(seen, default=0) > _LARGEST_LOSS:
        caption += f' Losses above {_LARGEST_LOSS:g} are cut off; guessing has 2.3.'
    last = []
    for row, curves in histories:
        final = curves.get(f'validation_{quantity}', curves.get(f'train_{quantity}'))
        final = final[np.isfinite(final).any(1)] if final is not None else []
        if len(final):
            last.append((np.nanmean(final[-1]), row.name))
    alt = f'Learning curves, {quantity} by epoch, of {len(histories)} rows.'
    if last:
        value, name = max(last) if quantity == 'accuracy' else min(last)
        shown = per_cent(value) if quantity == 'accuracy' else f'{value:.3f}'
        alt += f' The best at the end is {name} with {shown}.'
    title = f'Learning curves: {quantity}'
    return Drawing(f'curves_{quantity}', title, caption, alt, figure)
