"""Temperature scaling and calibration error (Guo et al. 2017, arXiv:1706.04599).

Dividing logits by one number, the temperature, changes no prediction, only its probability.
"""

import functools
import math

import jax
import numpy as np

from fmnist_jax.train.losses import LOSSES, probabilities

BINS = 15  # of equal width, as in the paper
_RANGE = (0.05, 20.0)  # bounds of the search: without errors the best temperature would be 0


def fit_temperature(logits, labels, loss):
    """The temperature with the smallest loss on validation images, one for all seeds.

    Diverged seeds are left out; None if all have. logits: [S, n, K]; labels: [S, n].
    """
    from scipy.optimize import minimize_scalar

    finite = np.isfinite(logits).all((1, 2))
    if not finite.any():
        return None
    logits, labels = np.concatenate(logits[finite]), np.concatenate(labels[finite])
    result = minimize_scalar(
        lambda log_t: float(_mean_loss(logits, labels, math.exp(log_t), loss)),
        bounds=tuple(map(math.log, _RANGE)),
        method='bounded',
    )
    return math.exp(result.x)


@functools.partial(jax.jit, static_argnames='loss')
def _mean_loss(logits, labels, temperature, loss):
    return LOSSES[loss](logits / temperature, labels, 0.0).mean()


def calibrated(logits, temperature, loss):
    """Probabilities [..., K] of logits [..., K] at a temperature; None means 1."""
    return np.asarray(probabilities(np.asarray(logits) / (temperature or 1.0), loss))


def calibration_error(probs, labels):
    """Expected calibration error of probabilities [N, K]: a fraction; None if not finite."""
    if not np.isfinite(probs).all():
        return None
    confidence, hits = probs.max(-1).astype(float), probs.argmax(-1) == labels
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=hits - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
