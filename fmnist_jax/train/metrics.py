"""Sums over images, so that batches of any size add up to exact means."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fmnist_jax.train.losses import LOSSES


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
