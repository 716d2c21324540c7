"""Learning curves: a small panel for each row; all panels of a data set have the same axes."""

import math
import types
import warnings

import numpy as np

from fmnist_jax.markdown import percent
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import Figure, best_in_words, wrapped
from fmnist_jax.report.rows import refuse_damage

TENSORBOARD = 0.6  # the weight of its smoothing, unless the user moves the slider
NAMES = ('train_loss', 'train_accuracy', 'validation_loss', 'validation_accuracy')


def history(row):
    """{name: float [epochs, seeds]} of the NAMES that a row has; {} if it is not run.

    NaN after a seed stopped, or where its number is not finite.
    """
    recorded = (row.result or {}).get('history') or {}
    with refuse_damage(row.name):
        arrays = {name: np.array(recorded[name], float) for name in NAMES if recorded.get(name)}
        for name, array in arrays.items():
            if array.shape[1:] != (len(row.accuracies),):
                raise ValueError(f'{name} has shape {array.shape}')
    return {name: np.where(np.isfinite(a), a, math.nan) for name, a in arrays.items()}


def learning_rates(row):
    """The learning rate of every epoch's first step, float [epochs].

    None if the row is not run, has no steps (scikit-learn) or does not tell its training images.
    The schedule starts again after `head_epochs` (`train.restart_optimizer`).
    """
    from fmnist_jax.train.schedules import make_schedule  # imports JAX

    if not row.result or not row.result.get('train_images'):
        return None
    with refuse_damage(row.name):
        config = row.result['config']
        if not config.keys() & {'batch_size', 'optimizer', 'schedule'}:
            return None
        steps = -(-row.result['train_images'] // config['batch_size'])
        schedule = types.SimpleNamespace(**config['schedule'])
        peak = config['optimizer']['learning_rate']
        rates, head = [], config.get('head_epochs', 0)
        for epochs in filter(None, (head, config['epochs'] - head)):
            rate = make_schedule(schedule, peak, steps, epochs)
            rates += [float(rate(epoch * steps)) for epoch in range(epochs)]
        return np.array(rates)


# The y axes: accuracy on a log scale of the error, loss on a log scale.

LARGEST_LOSS, _SMALLEST_LOSS = 5.0, 1e-3  # drawn; guessing among ten classes has 2.3
# {decades of a log axis, fewer than: ticks in a decade}
_SUBS = {0.6: (1, 1.5, 2, 3, 5, 7), 1.4: (1, 2, 3, 5), 2.2: (1, 2, 5), math.inf: (1, 3)}
_BEST = 0.9999  # drawn; an accuracy of 1 is infinitely high on a log scale of the error


def _limits(seen, quantity):
    """The y limits of all panels of a data set; `seen`: the extremes of its curves."""
    low, high = min(seen, default=0.1), max(seen, default=0.9)
    if quantity == 'accuracy':
        low = max(low, 0.0)
        return 1 - (1 - low) * 1.05, 1 - (1 - high) / 1.15
    low = max(low, _SMALLEST_LOSS) if low <= LARGEST_LOSS else 1.0  # 1: all lies above the panel
    return low / 1.15, max(min(high, LARGEST_LOSS), low) * 1.15


def _log_ticks(low, high):
    from matplotlib.ticker import LogLocator, MaxNLocator

    decades = math.log10(high / low)
    subs = next(subs for longest, subs in _SUBS.items() if decades < longest)
    locator = MaxNLocator(4) if decades < 0.3 else LogLocator(subs=subs)
    return [tick for tick in locator.tick_values(low, high) if low <= tick <= high]


def _y_ticks(quantity, low, high):
    """(ticks, labels)."""
    if quantity == 'loss':
        ticks = _log_ticks(low, high)
        return ticks, [f'{tick:.3g}' for tick in ticks]
    ticks = [1 - error for error in _log_ticks(1 - high, 1 - low)]
    return ticks, [f'{100 * tick:.4g}' for tick in ticks]


def _draw_grid(axes, x_ticks, y_ticks):
    """The grid as one line: matplotlib's own is one artist for each tick."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    vertical = [(x, y) for tick in x_ticks for x, y in ((tick, low), (tick, high), (tick, np.nan))]
    horizontal = [(x, tick) for tick in y_ticks for x in (left, right, np.nan)]
    x, y = np.array([*vertical, *horizontal, (np.nan, np.nan)]).T
    axes.plot(x, y, color=style.RULE, lw=0.6, zorder=0.5)


def _set_scale(axes, quantity, limits, seen):
    """A panel's y scale; a word if its curves lie outside."""
    if quantity == 'accuracy':
        to_log, from_log = lambda a: -np.log10(np.maximum(1 - a, 1e-6)), lambda y: 1 - 10**-y
        axes.set_yscale('function', functions=(to_log, from_log))
    else:
        axes.set_yscale('log')
        axes.minorticks_off()
    low, high = limits
    axes.set_ylim(low, high)
    if seen and min(seen) > high:
        _write(axes, f'all above {LARGEST_LOSS:g}')
    elif seen and max(seen) < low:
        _write(axes, f'all below {_SMALLEST_LOSS:g}')


def _write(axes, text):
    box = {'fc': style.PAPER, 'ec': 'none', 'pad': 2}  # hides the grid's line behind the text
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha='center', color=style.MUTED, bbox=box)


_REPORT = {'marker': 'D', 'ls': 'none', 'ms': 5, 'mfc': 'none', 'mew': 1.2, 'clip_on': False}
_PARTS = (('train', 'training', '--', style.ORANGE), ('validation', 'validation', '-', style.BLUE))


def _draw_panel(axes, row, curves, quantity, smoothing):
    """Draws a row's curves and the report's numbers; returns their extremes."""
    seen = []
    for part, label, dashes, colour in _PARTS:
        array = curves.get(f'{part}_{quantity}')
        if array is None or np.isnan(array).all():
            continue
        reported = row.also_reported.get(f'{"smoothed_" * bool(smoothing)}{part}_{quantity}')
        if reported is not None:
            axes.plot(len(array), reported, mec=colour, label='report', **_REPORT)
            seen.append(reported)
        array = smoothed(array, smoothing) if smoothing else array
        if quantity == 'accuracy':
            array = np.minimum(array, _BEST)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', RuntimeWarning)  # an epoch without any number
            mean, low, high = np.nanmean(array, 1), np.nanmin(array, 1), np.nanmax(array, 1)
        epochs = np.arange(1, len(mean) + 1)
        marker = {'marker': 'o', 'ms': 3} if len(mean) == 1 else {}
        drawn = np.isfinite(mean)
        around = np.concatenate([low[drawn], high[drawn][::-1]])
        both_ways = np.concatenate([epochs[drawn], epochs[drawn][::-1]])
        if (low[drawn] < high[drawn]).any():
            axes.fill(both_ways, around, color=colour, alpha=0.22, lw=0)
        axes.plot(epochs, mean, dashes, color=colour, label=label, **marker)
        seen += [np.nanmin(low), np.nanmax(high)]
    if not seen:
        _write(axes, 'no numbers')
    return seen


def _panels(titles, title, gap):
    """(plot, one Axes for each title, number of columns); `gap` between columns in inches."""
    number = len(titles)
    columns = min(number, 3 if number in (3, 5, 6, 9) else 4)
    lines = -(-number // columns)
    titles = [wrapped(name, {1: 90, 2: 44, 3: 28, 4: 20}[columns]) for name in titles]
    title_height = 0.06 + style.LINE * max(name.count('\n') + 1 for name in titles)
    height, below = {1: 2.0, 2: 1.5}.get(columns, 1.0), 0.1 + title_height
    margins = {'left': 0.7, 'right': 0.12, 'top': 0.45 + title_height, 'bottom': 0.5}
    width = (style.WIDTH - 0.82 - gap * (columns - 1)) / columns
    total = margins['top'] + lines * height + (lines - 1) * below + margins['bottom']
    plot = style.new(total, title, **margins)
    spaces = {'wspace': gap / width, 'hspace': below / height}
    grid = plot.subplots(lines, columns, squeeze=False, gridspec_kw=spaces).ravel()
    for axes in grid[number:]:
        axes.set_visible(False)
    for axes, name in zip(grid, titles, strict=False):
        axes.set_title(name, pad=3, y=1, fontsize=8)
    plot.supxlabel('epoch', fontsize=8.5, y=0.1 / total, va='bottom')
    return plot, grid[:number], columns


def smoothed(values, weight):
    """TensorBoard's smoothing of a history, float [epochs, seeds].

    The exponential average of a seed's earlier epochs, corrected for its start: the weights
    `weight ** age` of the epochs with a number sum to 1.
    """
    total = count = 0.0
    lines = []
    for epoch in values:
        is_number = np.isfinite(epoch)
        total = weight * total + np.where(is_number, epoch, 0.0)
        count = weight * count + is_number
        lines.append(np.where(is_number, total / np.maximum(count, 1e-12), math.nan))
    return np.array(lines)


def learning_curves(rows, quantity, smoothing=0.0):
    """The Figure of 'accuracy' or 'loss' over epochs; None if no row has a history.

    `smoothing` is the weight of `smoothed`, as TensorBoard's slider gives it; 0 for none.
    """
    from matplotlib.ticker import MaxNLocator

    curves = [(row, history(row)) for row in rows]
    curves = [(row, arrays) for row, arrays in curves if any(quantity in name for name in arrays)]
    if not curves:
        return None
    title = f'Learning curves: {quantity}' + f', smoothed by {smoothing:g}' * bool(smoothing)
    datasets = [row.dataset for row, _ in curves]
    gap = 0.2 if len(set(datasets)) == 1 else 0.4
    plot, grid, columns = _panels([row.name for row, _ in curves], title, gap)
    seen = [_draw_panel(axes, *curves[k], quantity, smoothing) for k, axes in enumerate(grid)]
    epochs = max([len(line.get_xdata()) for axes in grid for line in axes.lines], default=1)
    x_ticks = MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]).tick_values(1, epochs)
    x_ticks = [tick for tick in x_ticks if 1 <= tick <= epochs]
    for k, axes in enumerate(grid):
        panels = [i for i, dataset in enumerate(datasets) if dataset == datasets[k]]
        limits = _limits([number for i in panels for number in seen[i]], quantity)
        axes.set_xlim(1 - 0.02 * epochs, epochs + 0.02 * epochs)
        _set_scale(axes, quantity, limits, seen[k])
        y_ticks, labels = _y_ticks(quantity, *limits)
        _draw_grid(axes, x_ticks, y_ticks)
        # The panels at the left and below have the numbers.
        is_inner = k % columns > 0 and datasets[k] == datasets[k - 1]
        axes.set_yticks([] if is_inner else y_ticks, [] if is_inner else labels)
        axes.set_xticks(x_ticks if k + columns >= len(grid) else [])
    unit = ' in %' if quantity == 'accuracy' else ''
    plot.supylabel(quantity + unit, fontsize=8.5, x=0.1 / style.WIDTH, ha='left')
    handles = {}
    for axes in grid:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, line)
    if handles:
        style.legend(plot, handles.values(), handles.keys(), ncols=3)
    highest = max((max(numbers) for numbers in seen if numbers), default=0)
    caption = _caption(curves, quantity, highest)
    if smoothing:
        caption += (
            f' Every seed is smoothed as TensorBoard does it, with a weight of {smoothing:g}.'
        )
    if 'report' in handles:
        caption += " Diamonds: the report's numbers, which it gives for its last epoch."
    words = caption, _alt(curves, quantity)
    return Figure(f'curves_{quantity}', title, *words, plot)


def _caption(curves, quantity, highest):
    names = {}
    for row, _ in curves:
        names.setdefault(row.dataset, []).append(row.name)
    panels = 'All panels have the same axes'
    if len(names) > 1:
        later = '; '.join(f'{dataset}: {", ".join(names[dataset])}' for dataset in list(names)[1:])
        panels = f'All panels of a data set have the same axes ({later})'
    scale = 'log scale'
    if quantity == 'accuracy':
        scale = 'errors (100 − accuracy) have a log scale, which shows what happens near the best'
    caption = (
        'Lines: mean over the seeds still training. Shaded: from the lowest to the highest seed. '
        f'{panels}; {scale}. Training is measured while the network learns, with dropout and '
        'augmentation where a row has them, validation after each epoch.'
    )
    if quantity == 'loss' and highest > LARGEST_LOSS:
        caption += f' Losses above {LARGEST_LOSS:g} are cut off; guessing has 2.3.'
    return caption


def _alt(curves, quantity):
    last = []
    for row, arrays in curves:
        final = arrays.get(f'validation_{quantity}', arrays.get(f'train_{quantity}'))
        final = final[np.isfinite(final).any(1)] if final is not None else []
        if len(final):
            last.append((row.dataset, np.nanmean(final[-1]), row.name))
    alt = f'Learning curves, {quantity} by epoch, of {len(curves)} row{"s" * (len(curves) > 1)}.'
    if not last:
        return alt
    if quantity == 'accuracy':
        best = best_in_words(last, lambda mean: f'{percent(mean)} %')
    else:
        best = best_in_words(last, '{:.3f}'.format, min)
    return f'{alt} The best at the end is {best}.'
