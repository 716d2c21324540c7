"""Figures of what networks get wrong: whose, from what, and what is left out."""

import numpy as np
import pytest
from figures_for_tests import draw, texts
from report_for_tests import add_predictions, fill, line
from small_files import bare_environment, small

from fmnist_jax.errors import ConfigError
from fmnist_jax.report import figures, rows
from fmnist_jax.report.figures import mistakes as mistakes_figures
from fmnist_jax.report.figures import style
from fmnist_jax.results import arrays

__all__ = ['bare_environment', 'small']  # fixtures

NAN = float('nan')


def counts(*predicted):
    """Confusion counts [S][10][10] of seeds that predict these classes for images 0, 0, 1, 2."""
    tables = np.zeros((len(predicted), 10, 10), int)
    for table, classes in zip(tables, predicted, strict=True):
        np.add.at(table, ([0, 0, 1, 2], classes), 1)
    return tables.tolist()


def test_confusion_and_classes():
    table = [
        rows.from_result(line('worse', [0.4, 0.5], confusion=counts([0, 0, 1, 2], [0, 0, 1, 2]))),
        rows.from_result(line('a', confusion=[*counts([0, 1, 1, 3], [0, 0, 1, 3]), None])),
        rows.from_result(line('old', [0.99, 0.98], confusion=None)),
    ]
    figure, svg = draw(mistakes_figures.confusion, table)
    shown = texts(svg)
    assert {'75.0', '25.0', '100.0'} <= set(shown) and 'nan' not in svg
    assert 'Pullover taken for Dress, 100.0 % of its images' in figure.alt
    assert {'recall', 'precision', '75.00', '0.00', '66.67'} <= set(shown)
    assert 'Confusion matrix of the best row, a' in shown and '2 seeds together' in figure.caption
    figure, svg = draw(mistakes_figures.class_accuracy, table)
    assert {'75.0', '0.0', '100.0'} <= set(texts(svg)) and 'best Trouser with' in figure.alt
    assert 'Accuracy by class of the best row, a' in texts(svg)


@pytest.mark.parametrize('damage', [[[1, 2]], 'x', [[[0.5]]]])
def test_damaged_confusion_counts_are_named(damage):
    with pytest.raises(ConfigError, match="row 'a': a damaged line"):
        mistakes_figures.best_counts([rows.from_result(line('a', confusion=damage))])


def test_the_surest_mistakes_come_first():
    probs = np.zeros((2, 4, 10), np.float32)
    for seed, predicted in enumerate([[0, 1, 1, 3], [0, 0, 1, 3]]):
        probs[seed, np.arange(4), predicted] = [0.9, 0.5, 0.7, 0.8]
    mistakes = mistakes_figures.surest(probs, np.array([0, 0, 1, 2]), 5)
    assert mistakes == [(3, 3, pytest.approx(0.8))]  # image 1's tie goes to the true class 0


def test_the_most_accurate_row_with_predictions_is_drawn(tmp_path, small):
    labels = np.arange(20) % 10
    low = line('a', [0.5], reported=None) | add_predictions(tmp_path, 'a', labels)
    high = line('b', [0.85, 0.86]) | add_predictions(tmp_path, 'b', labels)
    right = [0, 0, 1, 2]
    without = line('c', [0.99, 0.98], confusion=counts(right, right), test_images=4)
    fill(tmp_path, low, high, without)
    paths, left_out = figures.write(tmp_path, small.parent)
    stems = ['accuracy', 'confusion', 'class_accuracy', 'mistakes', 'architecture']
    assert [path.stem for path in paths] == stems
    assert [text.partition(':')[0] for text in left_out] == [
        'learning curves, accuracy',
        'learning curves, loss',
        'response maps',
    ]
    sheet = (tmp_path / 'figures' / 'mistakes.svg').read_text()
    assert sheet.count('<image') == 3
    shown = [part for text in texts(sheet) for part in text.split('\n')]
    assert {'Trouser 90.0 %', 'true: T-shirt/top'} <= set(shown)
    assert 'Wrong with most confidence: the best row, b' in shown


def mistakes(table, *folders):
    with style.look():
        return mistakes_figures.surest_mistakes(table, *folders)


def test_predictions_with_nan_of_other_images_or_without_labels(tmp_path, small):
    labels = np.arange(20) % 10
    _, table = rows.read(fill(tmp_path, line('a') | add_predictions(tmp_path, 'a', labels)))
    why_not = mistakes(table, tmp_path)[1]
    assert why_not.startswith('the test labels of fashion_mnist are not at hand')
    assert 'mean probability of 2 seeds' in mistakes(table, tmp_path, small.parent)[0].caption
    probs = arrays.load(tmp_path / 'predictions' / 'a.npz')
    probs[0, 0, 0] = NAN
    arrays.save(tmp_path, 'a', probs)
    assert 'one seed' in mistakes(table, tmp_path, small.parent)[0].caption
    arrays.save(tmp_path, 'a', probs[:, :7])
    with pytest.raises(ValueError, match=r'shape \[2, 7, 10\], expected \[seeds, 20, 10\]'):
        mistakes(table, tmp_path, small.parent)
    (tmp_path / 'predictions' / 'a.npz').unlink()
    assert "no row's test predictions" in mistakes(table, tmp_path, small.parent)[1]


def test_without_images_the_mistakes_alone_are_left_out(tmp_path, small, monkeypatch):
    predicted = add_predictions(tmp_path, 'a', np.arange(20) % 10)
    right = [0, 0, 1, 2]
    result = line('a', confusion=counts(right, right, right), test_images=4) | predicted
    _, table = rows.read(fill(tmp_path, result))
    monkeypatch.setattr(arrays, 'images_at_hand', lambda *_: None)
    drawn, left_out = figures.draw(table, tmp_path, small.parent)
    assert [figure.name for figure in drawn] == ['accuracy', 'confusion', 'class_accuracy']
    assert left_out[-1] == 'mistakes: the test images of fashion_mnist are not at hand'


def test_images_at_hand(small, tmp_path):
    assert arrays.images_at_hand('fashion_mnist') is None
    assert arrays.images_at_hand('fashion_mnist', small.parent).shape == (20, 28, 28)
    with pytest.raises(ValueError, match='t10k-images'):
        arrays.images_at_hand('mnist', small.parent)
