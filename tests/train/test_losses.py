"""Losses against their formulas, also where exponentials overflow."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from fmnist_jax.train.losses import LOSSES, evaluate, measure, probabilities

LABELS = np.array([3, 0, 9, 3, 7])


def draw_logits(scale=2.0):
    return np.random.default_rng(0).normal(0, scale, (5, 10)).astype(np.float32)


def target_rows(label_smoothing):
    return (1 - label_smoothing) * np.eye(10)[LABELS] + label_smoothing / 10


def numpy_softmax(logits, label_smoothing):
    x = logits.astype(np.float64)
    log_sum = np.log(np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True))
    log_p = x - x.max(1, keepdims=True) - log_sum
    return -(target_rows(label_smoothing) * log_p).sum(1)


def numpy_sigmoid(logits, label_smoothing):
    x, y = logits.astype(np.float64), target_rows(label_smoothing)
    return (np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))).mean(1)


def numpy_mse(logits, label_smoothing):
    exponentials = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probs = exponentials / exponentials.sum(1, keepdims=True)
    return ((probs - target_rows(label_smoothing)) ** 2).mean(1)


CROSS_ENTROPIES = ('softmax', 'sigmoid')


def numpy_softmax_of_sigmoid(logits, label_smoothing):
    with np.errstate(over='ignore'):
        return numpy_softmax(1 / (1 + np.exp(-logits.astype(np.float64))), label_smoothing)


REFERENCES = {
    'softmax': numpy_softmax,
    'sigmoid': numpy_sigmoid,
    'softmax_of_sigmoid': numpy_softmax_of_sigmoid,
    'mse': numpy_mse,
}


class LossesTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.product(name=list(LOSSES), label_smoothing=[0.0, 0.1])
    def test_equals_the_formula(self, name, label_smoothing):
        for logits in (draw_logits(), draw_logits(300.0)):
            loss = self.variant(functools.partial(LOSSES[name], label_smoothing=label_smoothing))
            got = loss(logits, LABELS)
            chex.assert_shape(got, (5,))
            assert got.dtype == jnp.float32
            np.testing.assert_allclose(got, REFERENCES[name](logits, label_smoothing), 2e-5, 1e-30)


def test_every_loss_has_a_reference():
    assert REFERENCES.keys() == LOSSES.keys()


@pytest.mark.parametrize('name', CROSS_ENTROPIES)
def test_extreme_logits_give_the_exact_loss_and_gradient(name):
    logits = np.where(np.arange(10) == LABELS[:, None], -1000.0, 1000.0).astype(np.float32)
    wrong = {'softmax': 2000 + np.log(9), 'sigmoid': 1000.0}[name]
    np.testing.assert_allclose(LOSSES[name](logits, LABELS, 0.0), wrong, rtol=1e-6)
    np.testing.assert_array_equal(LOSSES[name](-logits, LABELS, 0.0), 0.0)
    gradient = jax.grad(lambda x: LOSSES[name](x, LABELS, 0.0).sum())(logits)
    is_label = np.arange(10) == LABELS[:, None]
    expected = {
        'softmax': np.where(is_label, -1.0, 1 / 9),
        'sigmoid': np.where(is_label, -0.1, 0.1),
    }[name]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


@pytest.mark.parametrize('name', CROSS_ENTROPIES)
def test_gradient_is_probability_minus_target(name):
    logits = draw_logits()
    gradient = jax.grad(lambda x: LOSSES[name](x, LABELS, 0.1).sum())(logits)
    share = {'softmax': 1, 'sigmoid': 10}[name]
    expected = (probabilities(logits, name) - target_rows(0.1)) / share
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize('name', LOSSES)
def test_label_smoothing_may_be_traced_and_vmapped(name):
    logits, smoothings = draw_logits(), np.array([0.0, 0.05, 0.2], np.float32)
    got = jax.jit(jax.vmap(LOSSES[name], (None, None, 0)))(logits, LABELS, smoothings)
    for row, smoothing in zip(got, smoothings, strict=True):
        np.testing.assert_allclose(row, REFERENCES[name](logits, smoothing), rtol=2e-5)


def test_gradient_of_the_squared_error():
    logits = draw_logits()
    gradient = jax.grad(lambda x: LOSSES['mse'](x, LABELS, 0.0).sum())(logits)
    probs = np.asarray(probabilities(logits, 'mse'))
    np.testing.assert_array_equal(probs, probabilities(logits, 'softmax'))
    error = 0.2 * (probs - target_rows(0.0))
    expected = probs * (error - (error * probs).sum(1, keepdims=True))
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_probabilities():
    logits = np.array([[0.0, np.log(3.0)], [2000.0, -2000.0]], np.float32)
    np.testing.assert_allclose(probabilities(logits, 'softmax'), [[0.25, 0.75], [1, 0]], rtol=1e-6)
    np.testing.assert_allclose(probabilities(logits, 'sigmoid'), [[0.5, 0.75], [1, 0]], rtol=1e-6)


def test_a_sigmoid_layer_bounds_the_probabilities_of_the_softmax():
    probs = probabilities(np.array([[90.0] + [-90.0] * 9], np.float32), 'softmax_of_sigmoid')
    np.testing.assert_allclose(probs[0, 0], np.e / (np.e + 9), rtol=1e-6)
    loss = LOSSES['softmax_of_sigmoid'](np.log(probs), np.array([0]), 0.0)
    assert loss > 0.5


def test_an_image_is_exactly_right_if_the_labels_output_alone_is_on():
    label_alone, two_on, none_on, wrong_alone = np.full((4, 10), -1.0, np.float32)
    label_alone[3] = two_on[[3, 5]] = wrong_alone[5] = 2.0
    two_on[3], none_on[3] = 4.0, -0.5  # their largest output is the label's
    logits, labels = np.stack([label_alone, two_on, none_on, wrong_alone]), np.full(4, 3)
    assert evaluate(logits, labels, 'sigmoid').correct == 3
    assert evaluate(logits, labels, 'sigmoid', 'exact').correct == 1
    mask = np.array([False, True, True, True])
    assert measure(np.zeros(4), logits, labels, mask, 'exact').correct == 0


def test_unknown_loss_is_named_with_the_choices():
    with pytest.raises(ValueError, match=r"^loss='hinge': expected one of softmax, sigmoid, mse, "):
        probabilities(draw_logits(), 'hinge')


def test_torch_agrees():
    torch = pytest.importorskip('torch')
    logits, labels = torch.tensor(draw_logits()), torch.tensor(LABELS)
    softmax = torch.nn.functional.cross_entropy(
        logits, labels, reduction='none', label_smoothing=0.1
    )
    np.testing.assert_allclose(LOSSES['softmax'](logits.numpy(), LABELS, 0.1), softmax, rtol=1e-5)
    one_hot = torch.nn.functional.one_hot(labels, 10).float()
    sigmoid = torch.nn.functional.binary_cross_entropy_with_logits(logits, one_hot)
    got = LOSSES['sigmoid'](logits.numpy(), LABELS, 0.0).mean()
    np.testing.assert_allclose(got, sigmoid, rtol=1e-5)
