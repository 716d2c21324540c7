"""The losses of the reports, per image, and the probabilities that go with them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax


def softmax_cross_entropy(logits, labels, label_smoothing):
    """Cross-entropy of the softmax of the logits (torch.nn.CrossEntropyLoss).

    Args:
      logits: [N, K] float32.
      labels: [N] int, 0 to K - 1.
      label_smoothing: in [0, 1); the share of the target that is spread evenly over all
        classes (Szegedy et al. 2016). May be traced.

    Returns:
      [N] float32, nats.
    """
    return optax.softmax_cross_entropy(logits, _targets(logits, labels, label_smoothing))


def sigmoid_binary_cross_entropy(logits, labels, label_smoothing):
    """Binary cross-entropy of each output against the one-hot label, mean over the outputs.

    The "sigmoid" loss of report 001: torch.nn.BCEWithLogitsLoss averages over outputs as well
    as images, so its gradient is a tenth of a sum's. Arguments and result as
    `softmax_cross_entropy`.
    """
    targets = _targets(logits, labels, label_smoothing)
    return optax.sigmoid_binary_cross_entropy(logits, targets).mean(-1)


def _targets(logits, labels, label_smoothing):
    """[N] labels -> [N, K] target probabilities."""
    one_hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return optax.smooth_labels(one_hot, label_smoothing)


LOSSES = {'softmax': softmax_cross_entropy, 'sigmoid': sigmoid_binary_cross_entropy}


def probabilities(logits, loss_name):
    """What the network says about each class: [N, K] logits -> [N, K] in [0, 1].

    'softmax' gives rows that sum to 1. 'sigmoid' gives each class's own answer to "is it this
    one?", which is not normalized: a row may sum to anything from 0 to K.

    Raises:
      ValueError: no loss of that name.
    """
    if loss_name not in LOSSES:
        raise ValueError(f'loss={loss_name!r}: expected one of {", ".join(LOSSES)}')
    return jax.nn.softmax(logits) if loss_name == 'softmax' else jax.nn.sigmoid(logits)


# Sums over images, so that batches of any size add up to exact means.


class Metrics(NamedTuple):
    """Sums over the images seen."""

    loss: jnp.ndarray  # [] float32, sum of the images' losses
    correct: jnp.ndarray  # [] int32, images whose largest logit is the label's
    count: jnp.ndarray  # [] int32, images


def zeros():
    """The metrics of no image."""
    return Metrics(jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def to_lists(sums):
    """Metrics of numpy [S] as JSON can hold them, to the bit."""
    return [np.asarray(values).tolist() for values in sums]


def from_lists(lists):
    """Metrics of numpy [S] from what to_lists gave."""
    loss, correct, count = lists
    return Metrics(np.float32(loss), np.int32(correct), np.int32(count))


def add(a, b):
    """The metrics of two sets of images together."""
    return Metrics(a.loss + b.loss, a.correct + b.correct, a.count + b.count)


def measure(losses, logits, labels, mask=None):
    """Metrics of a batch: losses [N], logits [N, 10], labels [N]; mask [N] bool, or all count."""
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    hits = (logits.argmax(-1) == labels) & mask
    return Metrics(
        jnp.where(mask, losses, 0).sum(), hits.sum(dtype=jnp.int32), mask.sum(dtype=jnp.int32)
    )


def evaluate(logits, labels, loss):
    """Metrics of logits [N, 10] by the loss of that name, without label smoothing."""
    return measure(LOSSES[loss](logits, labels, 0.0), logits, labels)
