"""Learning curves: how many panels, which axes they have, what is written in them."""

import itertools
import re

import numpy as np
import pytest
from figures_for_tests import draw, texts
from report_for_tests import history, line

from fmnist_jax.errors import ConfigError
from fmnist_jax.report import rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.curves import history as arrays
from fmnist_jax.report.figures.curves import learning_curves, smoothed

NAN = float('nan')


def row(name='a', accuracies=(0.90, 0.91, 0.92), **more):
    return rows.from_result(line(name, accuracies, **more))


def panels(figure):
    return [axes for axes in figure.plot.axes if axes.get_visible()]


@pytest.mark.parametrize('number', [1, 2, 5, 35])
def test_one_panel_for_each_row(number):
    table = [row(f'row_{k}', history=history()) for k in range(number)]
    figure, svg = draw(learning_curves, table, 'accuracy')
    assert len(panels(figure)) == number
    assert {f'row_{k}' for k in range(number)} | {'training', 'validation'} <= set(texts(svg))
    assert f'of {number} row' in figure.alt


def test_lines_are_means_over_the_seeds_that_have_a_number():
    curves = history(epochs=3, seeds=3)
    curves['validation_accuracy'] = [[0.5, 0.6, 0.7], [0.6, None, 0.8], [NAN, None, None]]
    figure, _ = draw(learning_curves, [row(history=curves)], 'accuracy')
    validation = {x.get_label(): x.get_ydata() for x in figure.plot.axes[0].lines}['validation']
    np.testing.assert_allclose(validation, [0.6, 0.7, NAN])
    assert figure.alt.endswith('a with 70.00 %.')


def test_the_reports_numbers_are_diamonds_at_the_last_epoch():
    also = {'validation_loss': 0.4, 'smoothed_train_loss': 0.3}
    table = [row(history=history(epochs=3), also_reported=also)]
    for smoothing, number, colour in ((0.0, 0.4, style.BLUE), (0.6, 0.3, style.ORANGE)):
        figure, svg = draw(learning_curves, table, 'loss', smoothing)
        (mark,) = [x for x in figure.plot.axes[0].lines if x.get_marker() == 'D']
        assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([3], [number])
        assert mark.get_mec() == colour and 'Diamonds' in figure.caption
        assert 'report' in texts(svg) and ('smoothed by 0.6' in svg) == bool(smoothing)
        assert figure.plot.axes[0].get_ylim()[0] < number


def test_smoothing_is_tensorboards():
    values = np.array([[1.0, 2.0], [0.5, NAN], [0.25, 4.0]])
    got = smoothed(values, 0.6)
    last, expected = 0.0, []
    for step, value in enumerate(values[:, 0], 1):  # as in TensorBoard's source
        last = 0.6 * last + 0.4 * value
        expected.append(last / (1 - 0.6**step))
    np.testing.assert_allclose(got[:, 0], expected)
    np.testing.assert_allclose(got[:, 1], [2, NAN, (0.36 * 2 + 4) / 1.36])


def test_losses_that_explode_are_cut_off_and_told():
    curves = history(seeds=1)
    figure, _ = draw(learning_curves, [row('a', [0.9], history=curves)], 'loss')
    assert 'cut off' not in figure.caption
    curves['train_loss'] = [[1e30], [0.7], [None]]
    figure, _ = draw(learning_curves, [row('a', [0.9], history=curves)], 'loss')
    assert 'above 5 are cut off' in figure.caption
    assert figure.plot.axes[0].get_ylim()[1] < 10


def test_curves_without_numbers():
    with style.look():
        assert learning_curves([row(), row(history={}), rows.Row('c', 0.5)], 'loss') is None
    nothing = {'train_loss': [[None] * 3], 'train_accuracy': [[NAN] * 3]}
    figure, svg = draw(learning_curves, [row(history=nothing)], 'accuracy')
    assert 'no numbers' in texts(svg) and len(panels(figure)) == 1
    only_train = {'train_accuracy': [[0.5] * 3], 'train_loss': [[0.5] * 3]}
    figure, svg = draw(learning_curves, [row(history=only_train)], 'accuracy')
    assert 'validation' not in texts(svg)


def test_a_perfect_accuracy_can_be_drawn():
    figure, _ = draw(learning_curves, [row('a', [1.0], history=history(1, 1, 1.0))], 'accuracy')
    assert np.isfinite(figure.plot.axes[0].get_ylim()).all()


@pytest.mark.parametrize('start', [0.1, 0.55, 0.8])
def test_accuracies_have_ticks(start):
    figure, svg = draw(learning_curves, [row(history=history(2, 3, start))], 'accuracy')
    low, high = figure.plot.axes[0].get_ylim()
    ticks = [float(text) for text in texts(svg) if re.fullmatch(r'[\d.]{2,}', text)]
    assert len(ticks) >= 3 and all(low <= tick / 100 <= high for tick in ticks)


@pytest.mark.parametrize('damaged', [[[0.1, 0.2]], [[0.1], [0.2, 0.3]], ['x'], 7])
def test_a_damaged_history_is_named(damaged):
    result = line('a', history={'train_accuracy': [[0.5] * 3]})
    good = rows.from_result(result)
    result['history'] = {'train_loss': damaged}
    with pytest.raises(ConfigError, match="row 'a': a damaged line"):
        arrays(good)


# --- y axes -----------------------------------------------------------------------------------


def labels(axes):
    return [label for label in axes.get_yticklabels() if label.get_visible() and label.get_text()]


def losses(train, validation):
    """A history of one seed."""
    return {'train_loss': [[v] for v in train], 'validation_loss': [[v] for v in validation]}


def test_each_data_set_has_an_axis_of_its_own():
    kinds = ['fashion_mnist'] * 3 + ['mnist'] * 2 + ['fashion_mnist'] * 2
    starts = [0.5, 0.6, 0.55, 0.96, 0.97, 0.5, 0.5]
    table = [
        row(f'row_{k}', dataset=kind, history=history(1, 3, start))
        for k, (kind, start) in enumerate(zip(kinds, starts, strict=True))
    ]
    figure, _ = draw(learning_curves, table, 'accuracy')
    limits = [axes.get_ylim() for axes in panels(figure)]
    assert all(limits[k] == limits[0] for k in (1, 2, 5, 6)) and limits[4] == limits[3]
    assert limits[0][1] < 0.7 and limits[3][0] > 0.9
    # Four panels in a line: numbers at its left, and where the data set is another.
    assert [bool(labels(axes)) for axes in panels(figure)] == [1, 0, 0, 1, 1, 1, 0]
    assert 'All panels of a data set have the same axes (mnist: row_3, row_4);' in figure.caption
    figure, _ = draw(learning_curves, table[:3], 'accuracy')
    assert 'All panels have the same axes;' in figure.caption


@pytest.mark.parametrize('number', [1, 4])
@pytest.mark.parametrize('lowest', [0.0001, 0.02, 0.3])
@pytest.mark.parametrize('quantity', ['accuracy', 'loss'])
def test_labels_of_ticks_do_not_touch(quantity, lowest, number):
    values = [[[2.0], [lowest]], [[0.1], [1 - lowest]]][quantity == 'accuracy']
    curves = {f'{part}_{quantity}': values for part in ('train', 'validation')}
    table = [row(f'row_{k}', [0.9], history=curves) for k in range(number)]
    figure, _ = draw(learning_curves, table, quantity)
    boxes = [label.get_window_extent() for label in labels(panels(figure)[0])]
    assert len(boxes) >= 3
    for lower, upper in itertools.pairwise(sorted(boxes, key=lambda box: box.y0)):
        assert upper.y0 > lower.y1


def test_a_panel_whose_curves_lie_outside_says_so():
    table = [
        row('fine', [0.9], history=losses([2.0, 0.5], [1.5, 0.6])),
        row('one_of_two', [0.9], history=losses([90.0, 80.0], [1.5, 0.6])),
        row('exploded', [0.9], history=losses([90.0, 80.0], [70.0, NAN])),
        row('vanished', [0.9], history=losses([1e-5, 0.0], [1e-5, 1e-6])),
    ]
    figure, _ = draw(learning_curves, table, 'loss')
    written = [[text.get_text() for text in axes.texts] for axes in panels(figure)]
    assert written == [[], [], ['all above 5'], ['all below 0.001']]
    figure, svg = draw(learning_curves, table[2:3], 'loss')
    assert 'all above 5' in texts(svg) and 'above 5 are cut off' in figure.caption
