"""experiments/one_file.py trains the same networks as the package, seed by seed."""

import ast
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs_for_tests import ROOT
from settings_for_tests import small_dataset

import fmnist_jax
from experiments import one_file

pytestmark = pytest.mark.slow


DATASET = small_dataset(num_train=300, num_test=77)


@pytest.fixture(scope='module')
def results():
    """Three seeds of `one_file` after two epochs of 250 images: the last batch has 58."""
    train = one_file.make_train(DATASET, num_seeds=3, num_validation=50, epochs=2)
    return jax.vmap(train)(jnp.arange(3))


def test_its_seeds_equal_those_of_fit_seeds(results):
    changes = {'epochs': 2, 'num_seeds': 3, 'dataset.num_validation': 50}
    config = ROOT / 'configs' / 'lenet.py'
    settings = fmnist_jax.make_settings(changes, config, row='relu_max')
    expected = fmnist_jax.fit_seeds(settings, DATASET)
    np.testing.assert_allclose(results.test_accuracy, expected.test_accuracy, rtol=1e-6)
    np.testing.assert_allclose(results.test_loss, expected.test_loss, rtol=1e-5)
    histories = {
        'train_loss': results.train_loss,
        'validation_accuracy': results.validation_accuracy,
    }
    for name, values in histories.items():
        np.testing.assert_allclose(values.T, expected.history[name], rtol=1e-5)
    for ours, theirs in zip(
        jax.tree.leaves(results.params),
        jax.tree.leaves(expected.variables['params']),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_it_prints_every_seed_the_mean_and_the_spread(results, monkeypatch, capsys):
    monkeypatch.setattr(one_file, 'NUM_VALIDATION', 50)
    monkeypatch.setattr(one_file.datasets, 'load', {'synthetic': DATASET}.get)
    monkeypatch.setattr(
        sys, 'argv', ['one_file.py', '--epochs=1', '--seeds=3', '--dataset=synthetic']
    )
    one_file.main()
    *epochs, seeds, summary = capsys.readouterr().out.splitlines()
    assert len(epochs) == 3 and epochs[1].startswith('seed 1  epoch 1  train loss 2.')
    accuracies = [float(word) for word in seeds.split() if word[0].isdigit()]
    assert len(accuracies) == 3
    assert summary.startswith(f'{np.mean(accuracies):.2f} % ± {np.std(accuracies, ddof=1):.2f} ')


def test_it_imports_nothing_of_ours_but_data_and_models():
    text = (ROOT / 'experiments' / 'one_file.py').read_text()
    modules = [
        node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
    ]
    ours = {module for module in modules if module.startswith('fmnist_jax')}
    assert ours == {'fmnist_jax.data', 'fmnist_jax.models'}
