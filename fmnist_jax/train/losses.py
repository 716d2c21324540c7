"""The reports' losses per image, the probabilities that go with them, and sums over images."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


def softmax_cross_entropy(logits, labels, label_smoothing):
    """Cross-entropy [N] in nats of the softmax of logits [N, K] (torch.nn.CrossEntropyLoss)."""
    return optax.softmax_cross_entropy(logits, _targets(logits, labels, label_smoothing))


def sigmoid_binary_cross_entropy(logits, labels, label_smoothing):
    """Binary cross-entropy [N], mean over the outputs; report 001 (torch.nn.BCEWithLogitsLoss)."""
    targets = _targets(logits, labels, label_smoothing)
    return optax.sigmoid_binary_cross_entropy(logits, targets).mean(-1)


def mean_squared_error(logits, labels, label_smoothing):
    """Squared error [N] of the softmax, mean over the outputs; report 004, section 4.3 (Keras)."""
    targets = _targets(logits, labels, label_smoothing)
    return jnp.square(jax.nn.softmax(logits) - targets).mean(-1)


def _targets(logits, labels, label_smoothing):
    """Target probabilities [N, K], smoothed as in Szegedy et al. (2016)."""
    one_hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return optax.smooth_labels(one_hot, label_smoothing)


LOSSES = {
    'softmax': softmax_cross_entropy,
    'sigmoid': sigmoid_binary_cross_entropy,
    'mse': mean_squared_error,
}


def probabilities(logits, loss_name):
    """Logits [N, K] -> probabilities [N, K]; with 'sigmoid' each class is a decision of its own."""
    if loss_name not in LOSSES:
        raise ValueError(f'loss={loss_name!r}: expected one of {", ".join(LOSSES)}')
    return jax.nn.sigmoid(logits) if loss_name == 'sigmoid' else jax.nn.softmax(logits)


class Metrics(NamedTuple):
    """Sums over images, so that batches of any size add up to exact means."""

    loss: jnp.ndarray  # [] float32, sum of the images' losses
    correct: jnp.ndarray  # [] int32, images whose largest logit is the label's
    count: jnp.ndarray  # [] int32, images


def zeros():
    """Metrics of no image."""
    return Metrics(jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def measure(losses, logits, labels, mask=None):
    """Metrics of a batch: losses [N], logits [N, 10], labels [N]; mask [N] bool, None for all."""
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    hits = (logits.argmax(-1) == labels) & mask
    return Metrics(
        jnp.where(mask, losses, 0).sum(), hits.sum(dtype=jnp.int32), mask.sum(dtype=jnp.int32)
    )


def evaluate(logits, labels, loss):
    """Metrics of logits [N, 10] under the named loss, without label smoothing."""
    return measure(LOSSES[loss](logits, labels, 0.0), logits, labels)
