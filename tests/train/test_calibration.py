"""Temperature and calibration error against cases whose answers are known."""

import numpy as np
import pytest
from trained_for_tests import train

from fmnist_jax.results import lines
from fmnist_jax.train import calibration


def drawn(temperature, loss='softmax', count=20_000):
    """Logits [2, n, 10] that are right when divided by `temperature`, and labels drawn so."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(2, count, 10)) * 2
    if loss == 'sigmoid':
        # one class's answers are the others' with the sign turned: its log-odds against each
        true = np.where(np.arange(10) == 0, true[..., :1], -true[..., :1] - 3)
    gumbel = rng.gumbel(size=true.shape)
    return true * temperature, (true + gumbel).argmax(-1)


@pytest.mark.parametrize('expected', [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(expected):
    logits, labels = drawn(expected)
    assert calibration.fit_temperature(logits, labels, 'softmax') == pytest.approx(
        expected, rel=0.02
    )
    before = calibration.calibrated(logits[0], None, 'softmax')
    after = calibration.calibrated(logits[0], expected, 'softmax')
    np.testing.assert_array_equal(before.argmax(-1), after.argmax(-1))
    assert calibration.calibration_error(after, labels[0]) < 0.015
    if expected != 1:
        assert calibration.calibration_error(before, labels[0]) > 0.1


def test_sigmoids_are_tempered_by_their_own_loss():
    """Binary answers: log-odds of ±1 that are right 3 times in 4 want the log-odds of 3/4."""
    labels = np.zeros((1, 400), int)
    logits = np.full((1, 400, 10), -1.0)
    logits[..., 0] = 1.0
    logits[0, :100] *= -1  # every answer of these is wrong
    expected = 1 / np.log(3)
    found = calibration.fit_temperature(logits, labels, 'sigmoid')
    assert found == pytest.approx(expected, rel=0.01)
    probs = calibration.calibrated(logits, found, 'sigmoid')
    np.testing.assert_allclose(probs[0, -1, :2], [0.75, 0.25], atol=0.002)


def test_diverged_seeds_have_no_say():
    logits, labels = drawn(2.0, count=2000)
    alone = calibration.fit_temperature(logits[:1], labels[:1], 'softmax')
    logits[1, 5, 3] = np.nan
    assert calibration.fit_temperature(logits, labels, 'softmax') == alone
    assert calibration.fit_temperature(logits[1:], labels[1:], 'softmax') is None
    probs = calibration.calibrated(logits[1], alone, 'softmax')
    assert calibration.calibration_error(probs, labels[1]) is None


def test_calibration_error_by_hand():
    probs = np.zeros((4, 10))
    probs[:, 0] = [0.9, 0.9, 0.61, 0.61]  # bins 14 and 10 of 15
    labels = np.array([0, 1, 0, 0])
    expected = (2 * abs(0.5 - 0.9) + 2 * abs(1 - 0.61)) / 4
    assert calibration.calibration_error(probs, labels) == pytest.approx(expected)
    # Certainty on a bin's edge: 1.0 belongs to the last bin, 0.0 to the first.
    assert calibration.calibration_error(np.eye(10), np.arange(10)) == 0
    assert calibration.calibration_error(np.zeros((2, 10)), np.zeros(2, int)) == 1


def test_a_result_line_has_both_errors(tmp_path):
    rows = {'held_out': {}, 'none': {'dataset.num_validation': 0}}
    rows['diverging'] = {'optimizer.learning_rate': 1e30}
    train(tmp_path, 2, rows)
    held_out, none, diverging = lines.read(tmp_path)
    assert held_out['temperature'][0] > 0
    for name in ('calibration_error', 'calibration_error_tempered'):
        assert len(held_out[name]) == 2 and all(0 < error < 1 for error in held_out[name])
    assert 0 < held_out['ensemble_calibration_error'] < 1
    assert held_out['calibration_error'] != held_out['calibration_error_tempered']
    assert none['temperature'] == [None] and none['calibration_error_tempered'] == [None, None]
    assert None in diverging['calibration_error']
    for seed, matrix in enumerate(held_out['confusion']):
        right = sum(matrix[k][k] for k in range(10))
        assert round(right / held_out['test_images'], 6) == held_out['test_accuracy'][seed]
    assert diverging['confusion'] == [None, None]
