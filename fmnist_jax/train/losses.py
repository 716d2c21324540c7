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


def softmax_of_sigmoid(logits, labels, label_smoothing):
    """Cross-entropy [N] of the softmax of sigmoid(logits): a network that ends in a sigmoid layer.

    torch.nn.CrossEntropyLoss on such outputs: none of its probabilities exceeds e/(e + 9).
    """
    return softmax_cross_entropy(jax.nn.sigmoid(logits), labels, label_smoothing)


def _targets(logits, labels, label_smoothing):
    """Target probabilities [N, K], smoothed as in Szegedy et al. (2016)."""
    one_hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return optax.smooth_labels(one_hot, label_smoothing)


LOSSES = {
    'softmax': softmax_cross_entropy,
    'sigmoid': sigmoid_binary_cross_entropy,
    'mse': mean_squared_error,
    'softmax_of_sigmoid': softmax_of_sigmoid,
}


def probabilities(logits, loss_name):
    """Logits [N, K] -> probabilities [N, K]; with 'sigmoid' each class is a decision of its own."""
    if loss_name not in LOSSES:
        raise ValueError(f'loss={loss_name!r}: expected one of {", ".join(LOSSES)}')
    if loss_name == 'softmax_of_sigmoid':
        logits = jax.nn.sigmoid(logits)
    return jax.nn.sigmoid(logits) if loss_name == 'sigmoid' else jax.nn.softmax(logits)


class Metrics(NamedTuple):
    """Sums over images, so that batches of any size add up to exact means."""

    loss: jnp.ndarray  # [] float32, sum of the images' losses
    correct: jnp.ndarray  # [] int32, images that are right, see `measure`
    count: jnp.ndarray  # [] int32, images


def zeros():
    """Metrics of no image."""
    return Metrics(jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def measure(losses, logits, labels, mask=None, accuracy='argmax'):
    """Metrics of a batch: losses [N], logits [N, K], labels [N]; mask [N] bool, None for all.

    accuracy: 'argmax': an image is right if its largest logit is the label's. 'exact': if that
      logit alone is positive, so that outputs rounded to 0 and 1 equal the one-hot label.
    """
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    if accuracy == 'exact':
        hits = ((logits > 0) == jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)).all(-1) & mask
    else:
        hits = (logits.argmax(-1) == labels) & mask
    return Metrics(
        jnp.where(mask, losses, 0).sum(), hits.sum(dtype=jnp.int32), mask.sum(dtype=jnp.int32)
    )


def evaluate(logits, labels, loss, accuracy='argmax', mask=None):
    """Metrics of logits [N, K] under the named loss, without label smoothing; see `measure`."""
    return measure(LOSSES[loss](logits, labels, 0.0), logits, labels, mask, accuracy)
