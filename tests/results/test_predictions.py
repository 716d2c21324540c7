"""Predictions of the seeds and their ensemble."""

import numpy as np
import pytest
from small_files import bare_environment, no_download, small

from fmnist_jax.errors import DataError
from fmnist_jax.results import arrays

__all__ = ['bare_environment', 'no_download', 'small']  # fixtures


def probs(*answers, sure=0.6):
    """Probabilities [seeds, images, 10] of seeds that give these answers."""
    answers = np.array(answers)
    rest = (1 - sure) / 9
    return rest + (sure - rest) * np.eye(10)[answers]


def test_what_is_saved_comes_back(tmp_path):
    written = probs([1, 2], [3, 4], [5, 6])
    path = arrays.save(tmp_path, 'a row/0.1', written)
    assert path == 'predictions/a_row_0.1.npz'
    np.testing.assert_allclose(arrays.load(tmp_path / path), written, rtol=1e-3)


@pytest.mark.parametrize('damage', ['cut', 'text', 'other'])
def test_damaged_predictions_are_named(tmp_path, damage):
    path = tmp_path / arrays.save(tmp_path, 'a', probs([1, 2]))
    if damage == 'cut':
        path.write_bytes(path.read_bytes()[:-30])
    elif damage == 'text':
        path.write_text('no predictions')
    else:
        np.savez(path, probabilities=np.zeros(3))
    with pytest.raises(DataError, match='a.npz: not the predictions of a row'):
        arrays.load(path)


def test_the_ensemble_outvotes_single_mistakes():
    labels = np.array([1, 2, 3, 4])
    seeds = probs([1, 2, 3, 0], [1, 2, 0, 0], [0, 2, 3, 4])
    assert arrays.ensemble_accuracy(seeds, labels) == 3 / 4
    # It is the probabilities that are averaged, not the votes: one that is sure beats two.
    seeds[2, 3] = probs([4], sure=1.0)[0]
    seeds[:2, 3] = probs([0], sure=0.3)[0]
    assert arrays.ensemble_accuracy(seeds, labels) == 1


def test_diverged_seeds_are_left_out():
    labels = np.array([1, 2])
    good, nan, infinite = probs([1, 2]), probs([1, 2]), probs([0, 0])
    nan[0, 1, 3], infinite[0, 0, 0] = np.nan, np.inf
    seeds = np.concatenate([good, nan, good, infinite])
    assert arrays.ensemble_accuracy(seeds, labels) == 1
    assert arrays.ensemble_accuracy(seeds[:2], labels) is None  # one is no ensemble
    assert arrays.ensemble_accuracy(seeds[1:2], labels) is None


def test_another_number_of_labels_is_refused():
    with pytest.raises(DataError, match='predictions for 2 images, but 3 test labels'):
        arrays.ensemble_accuracy(probs([1, 2], [1, 2]), np.zeros(3))


def test_accuracy_over_batches_counts_the_last_one_like_the_others(monkeypatch):
    monkeypatch.setattr(arrays, 'BATCH', 4)
    labels = np.zeros(10, int)
    right, diverged = probs([0] * 10), probs([0] * 10)
    some = probs([0, 0, 1, 1, 0, 0, 0, 1, 0, 0])  # 2 of 4, 3 of 4, 2 of 2
    diverged[0, 3, 2] = np.nan
    mean, std = arrays.batch_accuracy(np.concatenate([right, some, diverged]), labels)
    np.testing.assert_allclose(mean, [1, (0.5 + 0.75 + 1) / 3, np.nan])
    np.testing.assert_allclose(std, [0, np.std([0.5, 0.75, 1], ddof=1), np.nan])
    monkeypatch.setattr(arrays, 'BATCH', 256)
    np.testing.assert_allclose(arrays.batch_accuracy(some, labels), [[0.7], [0]])


def test_confusion_matrices_by_hand():
    labels = np.array([0, 0, 0, 9])
    right, wrong = probs([0, 0, 1, 9], [0, 0, 1, 1])
    counts = np.zeros((10, 10), int)
    counts[0, 0], counts[0, 1], counts[9, 9] = 2, 1, 1
    diverged = np.full_like(right, np.nan)
    first, second, third = arrays.confusion(np.stack([right, wrong, diverged]), labels)
    assert first == counts.tolist() and third is None
    assert second[9] == [0, 1] + [0] * 8 and [sum(row) for row in second] == counts.sum(1).tolist()


def test_labels_at_hand(small, tmp_path, monkeypatch, no_download):
    expected = np.arange(20) % 10
    assert arrays.labels_at_hand('fashion_mnist') is None
    np.testing.assert_array_equal(arrays.labels_at_hand('fashion_mnist', small.parent), expected)
    monkeypatch.setenv('FMNIST_CACHE_DIR', str(small.parent))
    np.testing.assert_array_equal(arrays.labels_at_hand('fashion_mnist'), expected)
    assert len(arrays.labels_at_hand('synthetic')) == 2000
    # A folder that was named is used or complained about.
    monkeypatch.setenv('FMNIST_DATA_DIR', str(tmp_path))
    with pytest.raises(DataError, match='t10k-labels'):
        arrays.labels_at_hand('fashion_mnist')
