"""The y axes of learning curves: their ranges, scales and ticks."""

import numpy as np

from fmnist_jax.report.figures import style

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
