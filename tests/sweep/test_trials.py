"""Trials trained together: the same as alone, stopped when hopeless."""

import jax
import numpy as np
import pytest
from settings_for_tests import small_dataset, small_settings

from fmnist_jax.config.settings import split_static
from fmnist_jax.fit import mesh
from fmnist_jax.fit.api import fit_trials
from fmnist_jax.fit.fit import fit
from fmnist_jax.sweep import study

pytestmark = pytest.mark.slow


optuna = pytest.importorskip('optuna')

DATASET = small_dataset()
RATES = (0.01, 0.1, 0.3)


@pytest.mark.parametrize(('mode', 'devices'), [('map', 2), ('vmap', 1)])
def test_trials_together_are_the_rows_one_by_one(monkeypatch, mode, devices):
    """Each with its own learning rate and dropout, in one program."""
    change = {'num_seeds': 2, 'selection': 'val_accuracy', 'replicas': mode, 'model__dropout': 0.2}
    mine = [small_settings(**change, optimizer__learning_rate=rate) for rate in RATES]
    local = jax.local_devices()[:devices]
    monkeypatch.setattr(jax, 'devices', lambda: local)
    hparams = [split_static(settings)[1] for settings in mine]
    together = fit_trials(mine[0], hparams, DATASET)
    assert together.shape == (3, 2)
    for settings, accuracy in zip(mine, together, strict=True):
        alone = fit(settings, DATASET, mesh.arrange(2, mode, devices=local))
        best = np.max(np.array(alone.history['validation_accuracy'], float), axis=0)
        np.testing.assert_allclose(accuracy, best, atol=1e-6)


def test_a_stopped_trial_trains_no_more():
    mine = small_settings(epochs=4, num_seeds=1)
    hparams = [split_static(mine)[1]] * 2
    seen = []

    def stop(epoch, history):
        seen.append(history['validation_accuracy'][-1])
        return np.array([False, epoch >= 2])

    accuracy = fit_trials(mine, hparams, DATASET, stop)
    assert [row[1] is None for row in seen] == [False, False, True, True]
    assert all(row[0] is not None for row in seen)
    assert accuracy[1, 0] == pytest.approx(seen[1][1])  # of its last epoch


def test_trials_with_other_copies_of_the_images_are_no_group():
    turned = [small_settings(augment__copies=1, augment__rotation=angle) for angle in (0.001, 3.0)]
    assert len(study.groups(list(enumerate(turned)))) == 2
    fresh = [small_settings(augment__rotation=angle) for angle in (0.001, 3.0)]
    assert len(study.groups(list(enumerate(fresh)))) == 1


def test_groups_hold_what_one_program_can_train():
    rates = [small_settings(optimizer__learning_rate=rate) for rate in RATES]
    other = small_settings(batch_size=8)
    candidates = list(enumerate([rates[0], other, *rates[1:]]))
    assert [[trial for trial, _ in group] for group in study.groups(candidates)] == [[0, 2, 3], [1]]


def test_a_hopeless_trial_is_pruned(tmp_path):
    made = study.open_study(None, tmp_path, '', study.make_pruner('median'))
    for _ in range(6):
        trial = made.ask()
        for epoch in range(1, 4):
            trial.report(0.9, epoch)
        made.tell(trial, 0.9)
    good, bad, worst = made.ask(), made.ask(), made.ask()
    group = [(t, None) for t in (good, bad)]
    last = study.Watch([(worst, None)], seeds=1, epochs=2)
    assert last.stop(2, {'validation_accuracy': [[0.1]]}).tolist() == [False]  # it is complete
    watch = study.Watch(group, seeds=2, epochs=3)
    assert watch.stop(1, {'validation_accuracy': [[0.9, 0.9, 0.1, 0.1]]}).tolist() == [False] * 4
    stopped = watch.stop(2, {'validation_accuracy': [[0.9, 0.92, 0.2, None]]})
    assert stopped.tolist() == [False, False, True, True]
    stopped = watch.stop(3, {'validation_accuracy': [[None, None, None, None]]})
    assert stopped.tolist() == [False, False, True, True]
