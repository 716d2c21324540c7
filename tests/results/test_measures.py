"""Numbers of each seed that claims compare, from a result line made by hand."""

import pytest

from fmnist_jax.results.measures import MEASURES, falling_loss

RESULT = {
    'seeds': [0, 1, 2],
    'test_accuracy': [0.8, None, 0.7],
    'tested_epoch': [2, 1, None],
    'config': {'epochs': 20},
    'history': {
        'validation_accuracy': [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, None, 0.9]],
        'train_loss': [[3.0, 2.0, 1.0], [2.0, 2.5, 0.5], [1.0, 0.1, None]],
    },
}


@pytest.mark.parametrize(
    ('measure', 'values'),
    [
        ('test_accuracy', [0.8, 0.7]),
        ('validation_accuracy', [0.4, 0.2, 0.9]),  # without a tested epoch, the last
        ('early_validation_accuracy', [0.4, 0.5, 0.6]),  # epoch 2 of 20
    ],
)
def test_measures(measure, values):
    assert MEASURES[measure](RESULT) == values


def test_few_epochs_are_early_after_the_first():
    result = RESULT | {'config': {'epochs': 7}}
    assert MEASURES['early_validation_accuracy'](result) == [0.1, 0.2, 0.3]


def test_seeds_that_stopped_early_have_their_last_number():
    history = {'validation_accuracy': [[0.1, 0.2, None], [0.4, None, None]]}
    result = RESULT | {'config': {'epochs': 100}, 'history': history}
    assert MEASURES['early_validation_accuracy'](result) == [0.4, 0.2]


def test_a_line_without_a_history_has_no_such_numbers():
    result = RESULT | {'history': {}}
    assert MEASURES['validation_accuracy'](result) == falling_loss(result) == []
    assert MEASURES['early_validation_accuracy'](result) == []


def test_a_loss_falls_until_its_seed_stops():
    assert falling_loss(RESULT) == [True, False, True]  # NaN: the seed has stopped
