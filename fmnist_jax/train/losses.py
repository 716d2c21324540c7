"""The reports' losses per image, the probabilities that go with them, and sums over images."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


def softmax_cross_entropy(logits, labels, label_smoothing):
    """Cross-entropy of the softmax of the logits (torch.nn.CrossEntropyLoss).

    Args:
      logits: [N, K] float32.
      labels: [N] int, 0 to K - 1.
      label_smoothing: in [0, 1); part of the target that is spread evenly over all classes
        (Szegedy et al. 2016). May be traced.

    Returns:
      [N] float32, nats.
    """
    return optax.softmax_cross_entropy(logits, _targets(logits, labels, label_smoothing))


def sigmoid_binary_cross_entropy(logits, labels, label_smoothing):
    """Binary cross-entropy of each output against the one-hot label, mean over the outputs.

    The "sigmoid" loss of report 001 (torch.nn.BCEWithLogitsLoss, which averages over outputs and
    images). Arguments and result as for `softmax_cross_entropy`.
    """
    targets = _targets(logits, labels, label_smoothing)
    return optax.sigmoid_binary_cross_entropy(logits, targets).mean(-1)


def _targets(logits, labels, label_smoothing):
    """[N] labels -> [N, K] target probabilities."""
    one_hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return optax.smooth_labels(one_hot, label_smoothing)


LOSSES = {'softmax': softmax_cross_entropy, 'sigmoid': sigmoid_binary_cross_entropy}


def probabilities(logits, loss_name):
    """The network's probability of each class: [N, K] logits -> [N, K] in [0, 1].

    Rows sum to 1 with 'softmax'; with 'sigmoid' each class is a decision of its own, and a row
    sums to anything from 0 to K.

    Raises:
      ValueError: unknown loss.
    """
    if loss_name not in LOSSES:
        raise ValueError(f'loss={loss_name!r}: expected one of {", ".join(LOSSES)}')
    return jax.nn.softmax(logits) if loss_name == 'softmax' else jax.nn.sigmoid(logits)


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
