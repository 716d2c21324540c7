"""Figures: accuracy by row, and the files that are written."""

import re

import numpy as np
import pytest
from figures_for_tests import draw, texts
from report_for_tests import fill, history, line
from small_files import bare_environment, small

from fmnist_jax import report
from fmnist_jax.report import rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.accuracy import accuracy_by_row
from fmnist_jax.report.figures.curves import learning_curves
from fmnist_jax.report.figures.style import wrapped

__all__ = ['bare_environment', 'small']  # fixtures


def row(name='a', accuracies=(0.90, 0.91, 0.92), **more):
    return rows.from_result(line(name, accuracies, **more))


# --- accuracy by row --------------------------------------------------------------------------


def test_accuracy_by_row():
    table = [row('a'), row('b', [0.2, 0.21], reported=0.25), row('c', reported=None)]
    figure, svg = draw(
        accuracy_by_row,
        [*table, rows.not_run({'name': 'd', 'reported': 0.88}), rows.Row('e', None)],
    )
    shown = texts(svg)
    assert shown[shown.index('a') :][:4] == ['a', 'b', 'c', 'd']
    assert 'e' not in shown  # neither number
    assert 'cannot tell' in shown and 'not run yet' in shown
    assert '◂ ours 20.50, report 25.00' in shown and 'axis is cut' in figure.caption
    assert 'Our best on the test images is a with 91.00 %. The' in figure.alt
    axes = figure.plot.axes[0]
    diamonds = [
        x.get_xdata()[0] for x in axes.lines if x.get_marker() == 'D' and len(x.get_xdata())
    ]
    assert diamonds == pytest.approx([95, 88])
    rings = [list(x.get_xdata()) for x in axes.lines if x.get_mfc() == 'none' and x.get_ms() == 3]
    np.testing.assert_allclose(rings[0], [90, 91, 92])
    np.testing.assert_allclose(rings[2], [90, 91, 92])


def test_the_best_of_each_data_set_is_named():
    easy = row('easy', [0.98, 0.99], dataset='mnist')
    figure, _ = draw(accuracy_by_row, [row('a'), row('b', [0.8, 0.81]), easy])
    assert 'is a with 91.00 % (fashion_mnist), easy with 98.50 % (mnist). The' in figure.alt


def thin(axes):
    """The ends of the lines that say where one more seed would lie."""
    return [list(x.get_xdata()) for x in axes.lines if x.get_marker() == '|' and len(x.get_xdata())]


def test_what_decides_the_verdict_is_drawn():
    table = [
        row('a', [0.905, 0.91, 0.915]),
        row('b', [0.9225, 0.9175, 0.92], reported=None),
        row('c', [0.9]),
    ]
    figure, svg = draw(accuracy_by_row, table)
    axes = figure.plot.axes[0]
    # Three seeds: 4.30 (Student's t) times the deviation times the root of 1 + 1/3.
    half = 4.3027 * 0.5 * np.sqrt(4 / 3)
    expected = [[91 - half, 91 + half], [92 - half / 2, 92 + half / 2]]
    np.testing.assert_allclose(thin(axes), expected, atol=1e-3)
    assert 'one more seed, 95 %' in texts(svg) and 'which decides the verdict' in figure.caption
    low, high = axes.get_xlim()
    assert low < 91 - half and 91 + half < high and 'goes on beyond' not in figure.caption
    widths = {len(x.get_xdata()): x.get_linewidth() for x in axes.lines if x.get_marker() == '|'}
    bar = next(x for x in axes.lines if x.get_marker() == 'None')
    assert bar.get_linewidth() > 2 * widths[2] and bar.get_zorder() >= 2


def test_wide_intervals_do_not_squeeze_the_other_rows():
    narrow = row('narrow', [0.9195, 0.92, 0.9205], reported=None)
    figure, _ = draw(accuracy_by_row, [row('two', [0.90, 0.92], reported=None), narrow])
    axes = figure.plot.axes[0]
    assert thin(axes)[0][0] < 80 < 100 < thin(axes)[0][1]
    low, high = axes.get_xlim()
    assert low > 86 and high < 96 and 'goes on beyond the axis' in figure.caption
    far_down = row('far_down', [0.2, 0.8], reported=None)  # is not drawn at all
    figure, _ = draw(accuracy_by_row, [far_down, narrow])
    axes = figure.plot.axes[0]
    assert len(thin(axes)) == 1 and axes.get_xlim()[1] < 93.5
    assert 'goes on beyond' not in figure.caption


def test_an_arrow_shows_where_an_interval_leaves_the_frame():
    narrow = row('narrow', [0.9195, 0.92, 0.9205], reported=None)
    figure, _ = draw(accuracy_by_row, [row('two', [0.90, 0.92], reported=None), narrow])
    axes = figure.plot.axes[0]
    arrows = {x.get_marker(): x.get_xdata()[0] for x in axes.lines if x.get_marker() in '<>'}
    assert [arrows['<'], arrows['>']] == list(axes.get_xlim())
    figure, _ = draw(accuracy_by_row, [narrow])
    assert not [x for x in figure.plot.axes[0].lines if x.get_marker() in ('<', '>')]


def test_every_figure_carries_its_title():
    for function, more in ((accuracy_by_row, ()), (learning_curves, ('loss',))):
        figure, svg = draw(function, [row(history=history())], *more)
        assert figure.title in texts(svg)


def test_accuracy_without_seeds_or_with_one():
    with style.look():
        assert accuracy_by_row([rows.Row('a', 0.9)]) is None
        assert accuracy_by_row([row('a', [None, None])]) is None
    figure, svg = draw(accuracy_by_row, [row('a', [0.5], reported=None)])
    assert 'a' in texts(svg) and 'cut' not in figure.caption


def test_long_names_are_broken_at_their_joints():
    assert wrapped('layers_1_units_32_dropout_0.25', 20) == 'layers_1_units_32_\ndropout_0.25'
    assert wrapped('x' * 45, 20) == '\n'.join(['x' * 20, 'x' * 20, 'x' * 5])
    assert wrapped('short', 20) == 'short'


# --- files ------------------------------------------------------------------------------------


def test_the_same_numbers_give_the_same_file(tmp_path):
    table = [row('sgd_0.00123', history=history())]
    first, second = (draw(learning_curves, table, 'loss')[1] for _ in range(2))
    assert first == second
    assert 'sgd_0.00123' in texts(first)  # coordinates are rounded, texts are not
    assert not re.search(r' d="[^"]*\d\.\d{2}', first)
    assert '<dc:date>' not in first


def test_the_users_matplotlibrc_changes_nothing():
    import matplotlib

    _, plain = draw(accuracy_by_row, [row()])
    with matplotlib.rc_context({'axes.facecolor': 'red', 'svg.hashsalt': 'x', 'lines.color': 'r'}):
        assert draw(accuracy_by_row, [row()])[1] == plain
        assert matplotlib.rcParams['axes.facecolor'] == 'red'


@pytest.mark.parametrize(
    'name', ['$\\frac{$', '<script>alert(1)</script>', 'a & "b" -->', 'x' * 99]
)
def test_any_name_can_be_drawn(name):
    _, svg = draw(accuracy_by_row, [row(name)])
    assert name in ''.join(texts(svg)) and '<script' not in svg


def test_command_writes_figures_and_says_so(tmp_path, capsys):
    fill(tmp_path, line('a', history=history()))
    assert report.main([str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert not (tmp_path / 'figures').exists()
    assert report.main([str(tmp_path), '--figures', '--png']) == 0
    out, said = capsys.readouterr()
    assert out == table
    stems = ['accuracy', 'architecture', 'curves_accuracy', 'curves_loss']
    written = sorted(f'{stem}.{ending}' for stem in stems for ending in ('png', 'svg'))
    assert sorted(path.name for path in (tmp_path / 'figures').iterdir()) == written
    assert said.startswith(f'{tmp_path}/figures: a new folder\n')
    assert all(f'{tmp_path}/figures/{name}: written\n' in said for name in written)
    assert 'left out confusion matrix: no row' in said
    assert (tmp_path / 'figures' / 'accuracy.png').read_bytes().startswith(b'\x89PNG')


def test_wrong_flags_are_told_in_one_line(tmp_path, capsys):
    fill(tmp_path, line('a'))
    assert report.main([str(tmp_path), '--png']) == 2
    assert capsys.readouterr().err == 'error: --png says how to write --figures: give both\n'
    (tmp_path / 'figures').write_text('a file in the way')
    assert report.main([str(tmp_path), '--figures']) == 2
    assert capsys.readouterr().err.count('\n') == 1
