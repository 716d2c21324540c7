"""Probabilities from Python."""

from fmnist_jax.results import networks
from fmnist_jax.train import calibration


def predict_images(settings, variables, images, temperature=None):
    """Probabilities of every seed: float32 [S, N, 10].

    Args:
      settings: of `make_settings`.
      variables: {'params', 'batch_stats'}, arrays [S, ...], such as FitResult.variables.
      images: uint8 [N, 28, 28], light items on black.
      temperature: what the logits are divided by; None for 1.
    """
    logits = networks.seed_logits(settings, variables, images)
    return calibration.calibrated(logits, temperature, settings.loss)
