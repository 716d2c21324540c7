"""Figures of what networks get wrong: whose, from what, and what is left out."""

import numpy as np
import pytest
from figures_for_tests import draw, texts
from report_for_tests import add_predictions, fill, line
from small_files import bare_environment, small

from fmnist_jax.report import figures, rows
from fmnist_jax.report.figures import mistakes as mistakes_figures
from fmnist_jax.report.figures.mistakes import Predicted, best_predicted
from fmnist_jax.results import arrays

__all__ = ['bare_environment', 'small']  # fixtures

NAN = float('nan')


def test_confusion_and_classes():
    probabilities = np.zeros((2, 4, 10), np.float32)
    for seed, chosen in enumerate([[0, 1, 1, 3], [0, 0, 1, 3]]):
        probabilities[seed, np.arange(4), chosen] = [0.9, 0.5, 0.7, 0.8]
    labels = np.array([0, 0, 1, 2])
    predicted = Predicted('a', tuple('0123456789'), probabilities, labels)
    shares = predicted.confusion()
    np.testing.assert_allclose(shares[:3, :4], [[0.75, 0.25, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert np.isnan(shares[3]).all()
    np.testing.assert_allclose(predicted.by_class()[:, :3], [[0.5, 1, 0], [1, 1, 0]])
    mistakes = predicted.surest_mistakes(5)
    assert mistakes == [(3, 3, pytest.approx(0.8))]  # image 1's tie goes to the true class 0
    drawing, svg = draw(mistakes_figures.confusion, predicted)
    assert {'75.0', '25.0', '100.0'} <= set(texts(svg)) and 'nan' not in svg
    assert '2 taken for 3, 100.0 % of its images' in drawing.alt
    drawing, svg = draw(mistakes_figures.class_accuracy, predicted)
    assert {'75.0', '0.0', '100.0'} <= set(texts(svg)) and 'best 1 with' in drawing.alt


def test_the_most_accurate_row_with_predictions_is_drawn(tmp_path, small):
    labels = np.arange(20) % 10
    low = line('a', [0.5], reported=None) | add_predictions(tmp_path, 'a', labels)
    high = line('b', [0.85, 0.86]) | add_predictions(tmp_path, 'b', labels)
    best = line('c', [0.99, 0.98])  # without predictions
    fill(tmp_path, low, high, best)
    paths, left_out = figures.write(tmp_path, small.parent)
    assert [path.stem for path in paths] == ['accuracy', 'confusion', 'class_accuracy', 'mistakes']
    assert left_out == ['learning curves: no row has a history']
    sheet = (tmp_path / 'figures' / 'mistakes.svg').read_text()
    assert sheet.count('<image') == 3
    assert {'Trouser 90.0 %', 'true: T-shirt/top'} <= set(
        part for text in texts(sheet) for part in text.split('\n')
    )


def test_predictions_with_nan_of_other_images_or_without_labels(tmp_path, small, monkeypatch):
    labels = np.arange(20) % 10
    _, table = rows.read(fill(tmp_path, line('a') | add_predictions(tmp_path, 'a', labels)))
    find = best_predicted
    assert find(table, tmp_path)[1].startswith('the test labels of fashion_mnist are not at hand')
    assert len(find(table, tmp_path, small.parent)[0].probabilities) == 2
    probs = arrays.load(tmp_path / 'predictions' / 'a.npz')
    probs[0, 0, 0] = NAN
    arrays.save(tmp_path, 'a', probs)
    assert len(find(table, tmp_path, small.parent)[0].probabilities) == 1
    arrays.save(tmp_path, 'a', probs[:, :7])
    with pytest.raises(ValueError, match=r'shape \[2, 7, 10\], expected \[seeds, 20, 10\]'):
        find(table, tmp_path, small.parent)
    (tmp_path / 'predictions' / 'a.npz').unlink()
    assert "no row's test predictions" in find(table, tmp_path, small.parent)[1]


def test_without_images_the_sheet_alone_is_left_out(tmp_path, small, monkeypatch):
    predicted = add_predictions(tmp_path, 'a', np.arange(20) % 10)
    _, table = rows.read(fill(tmp_path, line('a') | predicted))
    monkeypatch.setattr(arrays, 'images_at_hand', lambda *_: None)
    drawings, left_out = figures.draw(table, tmp_path, small.parent)
    assert [d.name for d in drawings] == ['accuracy', 'confusion', 'class_accuracy']
    assert left_out[-1] == 'mistakes: the test images of fashion_mnist are not at hand'


def test_images_at_hand(small, tmp_path):
    assert arrays.images_at_hand('fashion_mnist') is None
    assert arrays.images_at_hand('fashion_mnist', small.parent).shape == (20, 28, 28)
    with pytest.raises(ValueError, match='t10k-images'):
        arrays.images_at_hand('mnist', small.parent)
