"""Figures: how many panels, what is written in them, what is left out and why."""

import re

import numpy as np
import pytest
from figures_for_tests import draw, texts
from report_for_tests import fill, history, line
from small_files import bare_environment, small

from fmnist_jax import report
from fmnist_jax.report import rows, style
from fmnist_jax.report.accuracy_figure import accuracy_by_row
from fmnist_jax.report.curves_figure import learning_curves
from fmnist_jax.report.drawing import wrapped
from fmnist_jax.report.history import history as arrays
from fmnist_jax.settings import ConfigError

__all__ = ['bare_environment', 'small']  # fixtures

NAN = float('nan')


def row(name='a', accuracies=(0.90, 0.91, 0.92), **more):
    return rows.from_result(line(name, accuracies, **more))


def panels(drawing):
    return [axes for axes in drawing.figure.axes if axes.get_visible()]


# --- accuracy by row --------------------------------------------------------------------------


def test_accuracy_by_row():
    table = [row('a'), row('b', [0.2, 0.21], reported=0.25), row('c', reported=None)]
    drawing, svg = draw(accuracy_by_row, [*table, rows.Row('d', 0.88), rows.Row('e', None)])
    shown = texts(svg)
    assert shown[shown.index('a') :][:4] == ['a', 'b', 'c', 'd']
    assert 'e' not in shown  # neither number
    assert 'consistent' in shown and 'not run yet' in shown
    assert '◂ ours 20.50, report 25.00' in shown and 'axis is cut' in drawing.caption
    assert 'Our best is a with 91.00 %' in drawing.alt
    axes = drawing.figure.axes[0]
    diamonds = [
        x.get_xdata()[0] for x in axes.lines if x.get_marker() == 'D' and len(x.get_xdata())
    ]
    assert diamonds == pytest.approx([95, 88])
    rings = [list(x.get_xdata()) for x in axes.lines if x.get_mfc() == 'none' and x.get_ms() == 3]
    np.testing.assert_allclose(rings[0], [90, 91, 92])
    np.testing.assert_allclose(rings[2], [90, 91, 92])


def test_accuracy_without_seeds_or_with_one():
    with style.look():
        assert accuracy_by_row([rows.Row('a', 0.9)]) is None
        assert accuracy_by_row([row('a', [None, None])]) is None
    drawing, svg = draw(accuracy_by_row, [row('a', [0.5], reported=None)])
    assert 'a' in texts(svg) and 'cut' not in drawing.caption


def test_long_names_are_broken_at_their_joints():
    assert wrapped('layers_1_units_32_dropout_0.25', 20) == 'layers_1_units_32_\ndropout_0.25'
    assert wrapped('x' * 45, 20) == '\n'.join(['x' * 20, 'x' * 20, 'x' * 5])
    assert wrapped('short', 20) == 'short'


# --- learning curves --------------------------------------------------------------------------


@pytest.mark.parametrize('number', [1, 2, 5, 35])
def test_one_panel_for_each_row(number):
    table = [row(f'row_{k}', history=history()) for k in range(number)]
    drawing, svg = draw(learning_curves, table, 'accuracy')
    assert len(panels(drawing)) == number
    assert {f'row_{k}' for k in range(number)} | {'training', 'validation'} <= set(texts(svg))
    assert f'of {number} rows' in drawing.alt


def test_lines_are_means_over_the_seeds_that_have_a_number():
    curves = history(epochs=3, seeds=3)
    curves['validation_accuracy'] = [[0.5, 0.6, 0.7], [0.6, None, 0.8], [NAN, None, None]]
    drawing, _ = draw(learning_curves, [row(history=curves)], 'accuracy')
    validation = {x.get_label(): x.get_ydata() for x in drawing.figure.axes[0].lines}['validation']
    np.testing.assert_allclose(validation, [0.6, 0.7, NAN])
    assert drawing.alt.endswith('a with 70.00 %.')


def test_losses_that_explode_are_cut_off_and_told():
    curves = history(seeds=1)
    drawing, _ = draw(learning_curves, [row('a', [0.9], history=curves)], 'loss')
    assert 'cut off' not in drawing.caption
    curves['train_loss'] = [[1e30], [0.7], [None]]
    drawing, _ = draw(learning_curves, [row('a', [0.9], history=curves)], 'loss')
    assert 'above 5 are cut off' in drawing.caption
    assert drawing.figure.axes[0].get_ylim()[1] < 10


def test_curves_without_numbers():
    with style.look():
        assert learning_curves([row(), row(history={}), rows.Row('c', 0.5)], 'loss') is None
    nothing = {'train_loss': [[None] * 3], 'train_accuracy': [[NAN] * 3]}
    drawing, svg = draw(learning_curves, [row(history=nothing)], 'accuracy')
    assert 'no numbers' in texts(svg) and len(panels(drawing)) == 1
    only_train = {'train_accuracy': [[0.5] * 3], 'train_loss': [[0.5] * 3]}
    drawing, svg = draw(learning_curves, [row(history=only_train)], 'accuracy')
    assert 'validation' not in texts(svg)


def test_a_perfect_accuracy_can_be_drawn():
    drawing, _ = draw(learning_curves, [row('a', [1.0], history=history(1, 1, 1.0))], 'accuracy')
    assert np.isfinite(drawing.figure.axes[0].get_ylim()).all()


@pytest.mark.parametrize('start', [0.1, 0.55, 0.8])
def test_accuracies_have_ticks(start):
    drawing, svg = draw(learning_curves, [row(history=history(2, 3, start))], 'accuracy')
    low, high = drawing.figure.axes[0].get_ylim()
    ticks = [float(text) for text in texts(svg) if re.fullmatch(r'[\d.]{2,}', text)]
    assert len(ticks) >= 3 and all(low <= tick / 100 <= high for tick in ticks)


@pytest.mark.parametrize('damaged', [[[0.1, 0.2]], [[0.1], [0.2, 0.3]], ['x'], 7])
def test_a_damaged_history_is_named(damaged):
    result = line('a', history={'train_accuracy': [[0.5] * 3]})
    good = rows.from_result(result)
    result['history'] = {'train_loss': damaged}
    with pytest.raises(ConfigError, match="row 'a': a damaged result line"):
        arrays(good)


# --- files ------------------------------------------------------------------------------------


def test_the_same_numbers_give_the_same_file(tmp_path):
    table = [row('sgd_0.00123', history=history())]
    first, second = (draw(learning_curves, table, 'loss')[1] for _ in range(2))
    assert first == second
    assert 'sgd_0.00123' in texts(first)  # coordinates are rounded, texts are not
    assert not re.search(r' d="[^"]*\d\.\d{3}', first)
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
    stems = ['accuracy', 'curves_accuracy', 'curves_loss']
    written = sorted(f'{stem}.{ending}' for stem in stems for ending in ('png', 'svg'))
    assert sorted(path.name for path in (tmp_path / 'figures').iterdir()) == written
    assert all(name in said for name in written) and 'left out confusion matrix' in said
    assert (tmp_path / 'figures' / 'accuracy.png').read_bytes().startswith(b'\x89PNG')


def test_wrong_flags_are_told_in_one_line(tmp_path, capsys):
    fill(tmp_path, line('a'))
    with pytest.raises(SystemExit) as stopped:
        report.main([str(tmp_path), '--png'])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == 'error: --png says how to write --figures: give both\n'
    (tmp_path / 'figures').write_text('a file in the way')
    assert report.main([str(tmp_path), '--figures']) == 2
    assert capsys.readouterr().err.count('\n') == 1
