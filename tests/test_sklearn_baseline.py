"""scikit-learn's rows: the networks' splits, result lines that tables and claims can read."""

import numpy as np
import pytest
from settings_for_tests import small_dataset

from experiments.scikit_learn import baseline
from fmnist_jax import data, report, results

DATASET = small_dataset(num_train=6060, num_test=40)


class NearestMean:
    """A classifier of scikit-learn's form, without scikit-learn: the nearest class mean."""

    def __init__(self, seed, seen):
        self.seed, self.seen = seed, seen

    def fit(self, pixels, labels):
        self.seen.append((self.seed, pixels, labels))
        self.means = np.stack([pixels[labels == c].mean(0) for c in range(10)])

    def predict_proba(self, pixels):
        near = -((pixels[:, None] - self.means) ** 2).sum(-1)
        scores = np.exp(near - near.max(-1, keepdims=True))
        return scores / scores.sum(-1, keepdims=True)


def run(folder, num_seeds, seen, said):
    make = {'nearest_mean': lambda seed: NearestMean(seed, seen)}
    config = baseline.table_config(make, 'fashion_mnist', num_seeds)
    baseline.run(folder, make, DATASET, config, said.append)


def test_rows_are_the_networks_rows(tmp_path):
    seen, said = [], []
    run(tmp_path, 2, seen, said)
    (line,) = results.read(tmp_path)
    assert line['seeds'] == [0, 1] and line['train_images'] == 60
    for seed, pixels, labels in seen:
        indices, _ = data.split(6060, 6000, seed)
        np.testing.assert_array_equal(labels, DATASET.train_labels[indices])
        np.testing.assert_allclose(
            pixels, DATASET.train_images[indices].reshape(60, 784) / 255, rtol=1e-6
        )
    assert 0.2 < line['test_accuracy'][0] <= 1  # drawn garments are easy
    assert np.isfinite(line['test_loss']).all() and line['ensemble_seeds'] == 2
    table = report.workdir_table(tmp_path)
    assert '| nearest_mean | 2' in table.replace('  ', ' ')

    # More seeds join; what is there stays.
    run(tmp_path, 3, seen, said)
    (line,) = results.read(tmp_path)
    assert line['seeds'] == [0, 1, 2] and [seed for seed, *_ in seen] == [0, 1, 2]
    run(tmp_path, 3, seen, said)
    assert said[-1] == 'nearest_mean: there already' and len(seen) == 3


def test_scikit_learns_classifiers_learn():
    pytest.importorskip('sklearn')
    make = baseline.classifiers()
    dataset = small_dataset(num_train=6400, num_test=100)
    chances, seconds = baseline.train(make['random_forest'], dataset, 0)
    assert chances.shape == (100, 10) and seconds > 0
    assert (chances.argmax(-1) == dataset.test_labels).mean() > 0.5


def test_without_scikit_learn_the_command_says_what_to_install(monkeypatch, capsys, tmp_path):
    def missing():
        raise ImportError("No module named 'sklearn'")

    monkeypatch.setattr(baseline, 'classifiers', missing)
    assert baseline.main([f'--workdir={tmp_path}']) == 2
    assert "pip install -e '.[sklearn]'" in capsys.readouterr().err
