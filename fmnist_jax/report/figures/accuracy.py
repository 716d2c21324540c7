"""The figure of a table: every seed, our mean with its intervals, and the report's number."""

import math

from fmnist_jax.markdown import percent
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import Figure, best_in_words, wrapped
from fmnist_jax.report.rows import JUDGED, VERDICTS

_WINDOW = 16  # percentage points below the best; lower rows would squeeze the others
_SEEDS_BELOW = 0.27  # of the distance between two rows

_MEAN = {'color': style.BLUE, 'ms': 5, 'lw': 2.8, 'solid_capstyle': 'butt'}
_ONE_MORE = {'color': style.BLUE, 'marker': '|', 'ms': 5, 'lw': 0.8, 'mew': 0.8}
_REPORT = {'ms': 6.5, 'mfc': 'none', 'mec': style.ORANGE, 'mew': 1.4, 'zorder': 3}

_CAPTION = (
    'Test accuracy in %. Dots: our mean. Thick: its 95 % interval over seeds. Thin: where one more '
    'seed would lie (95 %), which decides the verdict. Small rings: the single seeds. Diamonds: '
    'the number the report prints.'
)
_BEYOND = ' An arrow: the line goes on beyond the axis.'
_CUT = (
    f' The axis is cut {_WINDOW} points below the best; ◂ gives the numbers that lie further down.'
)


def _prediction(row):
    """The prediction interval in %; [] without one."""
    return [100 * bound for bound in row.prediction if not math.isnan(bound)]


def _limits(rows):
    """(lowest, highest) accuracy drawn, in %."""
    seen = [100 * a for row in rows for a in row.known_accuracies]
    seen += [100 * row.reported for row in rows if row.reported is not None]
    best, lowest = max(seen), min(seen)
    near = [row for row in rows if 100 * row.accuracy.mean >= best - _WINDOW]
    bounds = [bound for row in near for bound in _prediction(row)]
    # Two seeds have intervals of ten points and more: those are cut as well.
    low = max(min([lowest, *bounds]), lowest - 3, best - _WINDOW)
    high = min(max([best, *bounds]), best + 3)
    margin = max(0.04 * (high - low), 0.1)
    return low - margin, min(high + margin, 100.5)


def _draw_row(axes, y, row, low, high):
    """Draws one row at height y; whether a number below `low` became text at the edge."""
    below = []
    seeds = [100 * a for a in row.known_accuracies]
    axes.plot(seeds, [y + _SEEDS_BELOW] * len(seeds), 'o', **style.RING)
    mean, reported = 100 * row.accuracy.mean, row.reported
    if row.accuracy.count and mean < low:
        below.append(f'ours {mean:.2f}')
    elif row.accuracy.count:
        if bounds := _prediction(row):
            axes.plot(bounds, [y, y], **_ONE_MORE)
            beyond = [(low, '<')] if bounds[0] < low else []
            beyond += [(high, '>')] if bounds[1] > high else []
            for x, arrow in beyond:
                axes.plot(x, y, arrow, color=style.BLUE, ms=5, clip_on=False)
        if row.accuracy.count > 1:
            axes.plot([100 * bound for bound in row.accuracy.interval], [y, y], **_MEAN)
        axes.plot(mean, y, 'o', **_MEAN)
    if reported is not None and 100 * reported < low:
        below.append(f'report {row.reported_text}')
    elif reported is not None:
        axes.plot(100 * reported, y, 'D', **_REPORT)
    if below:
        style.beside(axes, 0.004, y, '◂ ' + ', '.join(below))
    return bool(below)


def _finish(axes, rows, low, high):
    """Axes, verdicts at the right, and the legend."""
    axes.set_xlim(low, high)
    style.finish_lines(axes, [wrapped(row.name, 30) for row in rows], 'test accuracy in %')
    axes.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    for y, row in enumerate(rows):
        text = VERDICTS[row.verdict][1] if row.verdict else ''
        colour = style.INK if row.verdict in JUDGED else style.MUTED
        style.beside(axes, 1.02, y, text, color=colour)
    axes.plot([], [], '-o', label='our mean, 95 % interval', **_MEAN)
    axes.plot([], [], label='one more seed, 95 %', **_ONE_MORE)
    axes.plot([], [], 'o', label='one seed', **style.RING)
    axes.plot([], [], 'D', label='report', **_REPORT)
    style.legend(axes.figure, ncols=4)


def accuracy_by_row(rows):
    """The Figure of all rows with a number, ours or the report's; None if no row is run."""
    rows = [row for row in rows if row.accuracy.count or row.reported is not None]
    run = [row for row in rows if row.accuracy.count]
    if not run:
        return None
    title = 'Accuracy by row'
    left = style.width_of([wrapped(row.name, 30) for row in rows])
    plot = style.new(1.0 + 0.29 * len(rows), title, left, right=1.0, top=0.48)
    axes = plot.add_subplot()
    low, high = _limits(rows)
    cut = [_draw_row(axes, y, row, low, high) for y, row in enumerate(rows)]
    _finish(axes, rows, low, high)
    entries = [(row.dataset, row.accuracy.mean, row.name) for row in run]
    alt = (
        f'Dot plot of {len(rows)} row{"s" * (len(rows) > 1)}. Our best on the test images is '
        f'{best_in_words(entries, lambda mean: f"{percent(mean)} %")}. The numbers are in the '
        'table of rows.'
    )
    drawn = [row for row in run if 100 * row.accuracy.mean >= low]
    beyond = any(not low <= end <= high for row in drawn for end in _prediction(row))
    caption = _CAPTION + _BEYOND * beyond + _CUT * any(cut)
    return Figure('accuracy', title, caption, alt, plot)
