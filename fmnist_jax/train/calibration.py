"""How far a network's probabilities can be believed, and the temperature that mends them.

A network that says 0.9 should be right nine times in ten; trained to the end, most are right less
often. Dividing the logits by one number, the temperature, changes no prediction, and its best
value is found on validation images. Source: Guo, Pleiss, Sun and Weinberger (2017),
arXiv:1706.04599.
"""

import functools
import math

import jax
import numpy as np

from fmnist_jax.train.losses import LOSSES, probabilities

BINS = 15  # as in the paper
_RANGE = (0.05, 20.0)  # temperatures tried; a network that is never wrong would go to zero


def fit_temperature(logits, labels, loss):
    """The temperature with the smallest loss on validation images: one for all seeds.

    Args:
      logits: [S, n, 10] of each seed's validation images.
      labels: [S, n] int.
      loss: name in losses.LOSSES; without label smoothing it is the negative log-likelihood.

    Returns:
      A float, or None if every seed has diverged. Seeds that have are left out.
    """
    from scipy.optimize import minimize_scalar

    finite = np.isfinite(logits).all((1, 2))
    if not finite.any():
        return None
    logits, labels = np.concatenate(logits[finite]), np.concatenate(labels[finite])
    found = minimize_scalar(
        lambda log_t: float(_mean_loss(logits, labels, math.exp(log_t), loss)),
        bounds=tuple(map(math.log, _RANGE)),
        method='bounded',
    )
    return math.exp(found.x)


@functools.partial(jax.jit, static_argnames='loss')
def _mean_loss(logits, labels, temperature, loss):
    return LOSSES[loss](logits / temperature, labels, 0.0).mean()


def calibrated(logits, temperature, loss):
    """Probabilities [..., 10] of logits [..., 10] at a temperature (None: 1, as trained)."""
    return np.asarray(probabilities(np.asarray(logits) / (temperature or 1.0), loss))


def calibration_error(probs, labels):
    """Expected calibration error: the mean gap between a network's certainty and its accuracy.

    Images go into 15 bins of equal width by the probability of the predicted class; a bin counts
    by its images.

    Args:
      chances: [N, 10] probabilities of one network or ensemble.
      labels: [N] int.

    Returns:
      A fraction, or None if a probability is no number.
    """
    if not np.isfinite(probs).all():
        return None
    certainty, hits = probs.max(-1).astype(float), probs.argmax(-1) == labels
    bins = np.clip(np.ceil(certainty * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=hits - certainty, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
