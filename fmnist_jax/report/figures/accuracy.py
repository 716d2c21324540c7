"""The figure of a table: every seed, our mean with its intervals, and the report's number."""

import math

from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import Drawing, best_in_words, wrapped
from fmnist_jax.report.rows import VERDICTS, standing

# Percentage points below the best that are drawn; rows that lie lower would squeeze the others.
_WINDOW = 16
_SEEDS_BELOW = 0.27  # of the distance between two rows

# Lines far enough apart in width to be told without colours.
_MEAN = {'color': style.BLUE, 'ms': 5, 'lw': 2.8, 'solid_capstyle': 'butt'}
_ONE_MORE = {'color': style.BLUE, 'marker': '|', 'ms': 5, 'lw': 0.8, 'mew': 0.8}

_CAPTION = (
    'Test accuracy in %. Dots: our mean. Thick: its 95 % interval over seeds. Thin: where one more '
    'seed would lie (95 %), which decides the verdict. Small rings: the single seeds. Diamonds: '
    'the number the report prints.'
)
_BEYOND = ' A line without a mark at its end goes on beyond the axis.'
_CUT = (
    f' The axis is cut {_WINDOW} points below the best; ◂ gives the numbers that lie further down.'
)


def _ends(row):
    """Where one more seed would lie: two accuracies in %, or none with less than two seeds."""
    return [100 * bound for bound in row.accuracy.prediction if not math.isnan(bound)]


def _limits(rows):
    """(lowest, highest) accuracy drawn, in %."""
    seen = [100 * a for row in rows for a in row.accuracies if a is not None]
    seen += [100 * row.reported for row in rows if row.reported is not None]
    best, lowest = max(seen), min(seen)
    bounds = [b for row in rows if 100 * row.accuracy.mean >= best - _WINDOW for b in _ends(row)]
    # Two seeds have intervals of ten points and more: those are cut as well.
    low = max(min([lowest, *bounds]), lowest - 3, best - _WINDOW)
    high = min(max([best, *bounds]), best + 3)
    margin = max(0.04 * (high - low), 0.1)
    return low - margin, min(high + margin, 100.5)


def _draw_row(axes, y, row, low):
    """One row at height y; what lies below `low` becomes text at the edge."""
    below = []
    seeds = [100 * a for a in row.accuracies if a is not None]
    axes.plot(
        *(seeds, [y + _SEEDS_BELOW] * len(seeds), 'o'),
        **{'ms': 3, 'mfc': 'none', 'mec': style.MUTED, 'mew': 0.7},
    )
    mean, reported = 100 * row.accuracy.mean, row.reported
    if row.accuracy.count and mean < low:
        below.append(f'ours {mean:.2f}')
    elif row.accuracy.count:
        if row.accuracy.count > 1:
            axes.plot(_ends(row), [y, y], **_ONE_MORE)
            axes.plot([100 * bound for bound in row.accuracy.interval], [y, y], **_MEAN)
        axes.plot(mean, y, 'o', **_MEAN)
    if reported is not None and 100 * reported < low:
        below.append(f'report {100 * reported:.2f}')
    elif reported is not None:
        axes.plot(
            *(100 * reported, y, 'D'),
            **{'ms': 6.5, 'mfc': 'none', 'mec': style.ORANGE, 'mew': 1.4, 'zorder': 3},
        )
    if below:
        axes.text(
            *(0.004, y, '◂ ' + ', '.join(below)),
            **{'transform': axes.get_yaxis_transform(), 'va': 'center', 'fontsize': 7.5},
        )
    return bool(below)


def _finish(axes, rows, low, high):
    """Axis, names at the left, verdicts at the right, legend above."""
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [wrapped(row.name, 30) for row in rows])
    axes.tick_params(axis='y', length=0)
    axes.grid(axis='y', visible=False)
    axes.spines['left'].set_visible(False)
    axes.set_xlabel('test accuracy in %')
    axes.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    for y, row in enumerate(rows):
        text = VERDICTS[standing(row)][1] if row.verdict or not row.accuracy.count else ''
        axes.text(
            *(1.01, y, text),
            **{'transform': axes.get_yaxis_transform(), 'va': 'center', 'fontsize': 7.5},
            color=style.INK if row.verdict else style.MUTED,
        )
    _legend(axes)


def _legend(axes):
    """Above the whole figure: beside long names the axis may be narrower than it."""
    axes.plot([], [], '-o', label='our mean, 95 % interval', **_MEAN)
    axes.plot([], [], label='one more seed, 95 %', **_ONE_MORE)
    axes.plot([], [], 'o', ms=3, mfc='none', mec=style.MUTED, mew=0.7, label='one seed')
    axes.plot([], [], 'D', ms=6.5, mfc='none', mec=style.ORANGE, mew=1.4, label='report')
    axes.figure.legend(loc='outside upper left', ncols=4)


def accuracy_by_row(rows):
    """The Drawing of all rows that have a number, ours or the report's; None if there are none.

    To be called within `style.look`.

    Args:
      rows: rows.Row of a workdir, in its order.
    """
    rows = [row for row in rows if row.accuracy.count or row.reported is not None]
    done = [row for row in rows if row.accuracy.count]
    if not done:
        return None
    figure = style.new(0.85 + 0.29 * len(rows))
    axes = figure.add_subplot()
    low, high = _limits(rows)
    cut = [_draw_row(axes, y, row, low) for y, row in enumerate(rows)]
    _finish(axes, rows, low, high)
    best = best_in_words([(row.dataset, row.accuracy.mean, row.name) for row in done])
    alt = (
        f'Dot plot of {len(rows)} rows. Our best on the test images is {best}. The numbers are in '
        'the table of rows.'
    )
    drawn = [row for row in done if 100 * row.accuracy.mean >= low]
    beyond = any(not low <= end <= high for row in drawn for end in _ends(row))
    caption = _CAPTION + _BEYOND * beyond + _CUT * any(cut)
    return Drawing('accuracy', 'Accuracy by row', caption, alt, figure)
