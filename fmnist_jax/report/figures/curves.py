"""Learning curves: a small panel for each row, all of a data set with the same axes."""

import math
import types
import warnings

import numpy as np

from fmnist_jax.errors import ConfigError
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import Drawing, best_in_words, per_cent, wrapped

# What a row's result line says epoch by epoch, as arrays.

NAMES = ('train_loss', 'train_accuracy', 'validation_loss', 'validation_accuracy')


def _damaged(row, error):
    return ConfigError(
        f'row {row.name!r}: a damaged result line ({error!r}); mend or delete it in results.jsonl'
    )


def history(row):
    """{name: float [epochs, seeds]} for those of NAMES that a row has; {} if it was not run.

    NaN where a seed had stopped, or had no finite number.

    Raises:
      ConfigError: a damaged line.
    """
    recorded = (row.result or {}).get('history') or {}
    try:
        arrays = {name: np.array(recorded[name], float) for name in NAMES if recorded.get(name)}
        for name, array in arrays.items():
            if array.shape[1:] != (len(row.accuracies),):
                raise ValueError(f'{name} has shape {array.shape}')
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(row, error) from error
    return {name: np.where(np.isfinite(a), a, math.nan) for name, a in arrays.items()}


def learning_rates(row):
    """The learning rate of every epoch's first step, float [epochs].

    From the schedule in the row's config, which starts again after the epochs that train the
    dense layer alone (`train.restart_optimizer`).

    Returns:
      None where the row was not run, is no network's but a classifier's of scikit-learn, or its
      line is too old to hold the number of images.

    Raises:
      ConfigError: a damaged line.
    """
    from fmnist_jax.train.schedules import make_schedule  # imports JAX

    if not row.result or not row.result.get('train_images'):
        return None
    try:
        config = row.result['config']
        if not config.keys() & {'batch_size', 'optimizer', 'schedule'}:
            return None  # experiments/scikit_learn: nothing there has steps
        steps = -(-row.result['train_images'] // config['batch_size'])
        schedule = types.SimpleNamespace(**config['schedule'])
        peak = config['optimizer']['learning_rate']
        rates, head = [], config.get('head_epochs', 0)
        for epochs in filter(None, (head, config['epochs'] - head)):
            rate = make_schedule(schedule, peak, steps, epochs)
            rates += [float(rate(epoch * steps)) for epoch in range(epochs)]
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise _damaged(row, error) from error
    return np.array(rates)


# The y axes of learning curves: their ranges, scales and ticks.

LARGEST_LOSS, _SMALLEST_LOSS = 5.0, 1e-3  # drawn; the loss of guessing among ten classes is 2.3
# In %; the first of these that has three ticks on the axis. Where two ticks are too close to each
# other, the one that is named first stays: here, and among the digits of losses.
_TICKS = (
    (90, 99, 99.9, 50, 80, 95, 98, 10, 97, 99.7),
    (90, 80, 70, 60, 50, 40, 30, 20, 10, 98, 96, 94, 92, 85, 75, 99),
    tuple(range(0, 100, 2)),
    tuple(range(100)),
)
_DIGITS, _MORE_DIGITS = (1, 3, 5, 2), (1, 2, 5, 3, 7, 1.5)  # over more and less than a decade
_APART = 9  # points between two labels, a little more than one is high


def empty(axes, text):
    """Says why a panel is empty."""
    axes.text(
        *(0.5, 0.5, text),
        **{'transform': axes.transAxes, 'ha': 'center', 'color': style.MUTED},
        bbox={'fc': style.PAPER, 'ec': 'none', 'pad': 2},  # no line of the grid runs through it
    )


def _limits(seen, quantity):
    """The limits of all panels of a data set; `seen`: its curves' lowest and highest numbers."""
    low, high = min(seen, default=0.1), max(seen, default=0.9)
    if quantity == 'accuracy':
        low = max(low, 0.0)
        return 1 - (1 - low) * 1.05, 1 - (1 - high) / 1.15
    low = max(low, _SMALLEST_LOSS) if low <= LARGEST_LOSS else 1.0  # 1: nothing is drawn at all
    return low / 1.15, max(min(high, LARGEST_LOSS), low) * 1.15


def _scale(axes, quantity, limits, seen):
    """A panel's y axis, still without ticks; a word where its curves lie outside of it."""
    if quantity == 'accuracy':  # by the logarithm of the error: 80, 90 and 95 % equally far apart
        there, back = lambda a: -np.log10(np.maximum(1 - a, 1e-6)), lambda y: 1 - 10**-y
        axes.set_yscale('function', functions=(there, back))
    else:
        axes.set_yscale('log')
    axes.minorticks_off()
    axes.set_ylim(*limits)
    if seen and min(seen) > limits[1]:
        empty(axes, f'all above {LARGEST_LOSS:g}')
    elif seen and max(seen) < limits[0]:
        empty(axes, f'all below {_SMALLEST_LOSS:g}')


def _far_apart(axes, ticks):
    """Those ticks whose labels do not touch, from the lowest up.

    Args:
      axes: where they are to be drawn; its scale, limits and height count.
      ticks: in the axis' units, the most important first: of two that are too close, it stays.
    """
    height = {tick: axes.transData.transform((0, tick))[1] for tick in ticks}
    least, kept = _APART * axes.figure.dpi / 72, []
    for tick in ticks:
        if all(abs(height[tick] - height[other]) >= least for other in kept):
            kept.append(tick)
    return sorted(kept)


def _ticks(axes, quantity):
    """(the ticks of a panel's y axis, their labels)."""
    low, high = axes.get_ylim()
    if quantity == 'accuracy':
        inside = [[tick for tick in ticks if low <= tick / 100 <= high] for ticks in _TICKS]
        shown = next((ticks for ticks in inside if len(ticks) >= 3), inside[-1])
        ticks = _far_apart(axes, [tick / 100 for tick in shown])
        return ticks, [f'{100 * tick:g}' for tick in ticks]
    digits = _DIGITS if high > 10 * low else _MORE_DIGITS
    ticks = [digit * power for digit in digits for power in (1, 0.1, 0.01, 0.001)]
    ticks = _far_apart(axes, [tick for tick in ticks if low <= tick <= high])
    return ticks, [f'{tick:g}' for tick in ticks]


def set_y_axes(figure, panels, datasets, seen, quantity):
    """Panels of a data set get one y axis: another data set's numbers would squeeze theirs.

    Args:
      figure: where all is drawn that takes room of the panels.
      panels: the rows' axes, in which their curves are drawn.
      datasets: the rows' data sets.
      seen: for each row the lowest and highest numbers of its curves, [] if there are none.
      quantity: 'accuracy' or 'loss'.
    """
    groups = [np.flatnonzero([d == one for d in datasets]) for one in dict.fromkeys(datasets)]
    for group in groups:
        limits = _limits([number for k in group for number in seen[k]], quantity)
        for k in group:
            _scale(panels[k], quantity, limits, seen[k])
    figure.get_layout_engine().execute(figure)  # the panels' heights, on which their ticks depend
    for group in groups:
        ticks, labels = _ticks(panels[group[0]], quantity)
        for k in group:
            panels[k].set_yticks(ticks, labels)


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
