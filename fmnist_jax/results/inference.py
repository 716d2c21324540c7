"""What trained networks say about images: each seed's logits, and the seeds' mean probabilities."""

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.errors import DataError
from fmnist_jax.train import calibration, evaluate


def seed_logits(settings, variables, images):
    """Logits of every seed: numpy float32 [S, N, 10].

    The seeds go one after the other through one compiled program.

    Args:
      settings: a row's settings.
      variables: {'params', 'batch_stats'}, arrays [S, ...], such as fit's Outcome.variables.
      images: uint8 [N, 28, 28], light items on a black background.
    """
    images = jnp.asarray(images)

    @jax.jit
    def one_seed(params, batch_stats, images):
        everything = jnp.arange(images.shape[0])
        return evaluate.predict(settings, params, batch_stats, images, everything)

    count = len(jax.tree.leaves(variables)[0])
    seeds = (jax.tree.map(lambda a, k=k: a[k], variables) for k in range(count))
    found = [one_seed(one['params'], one.get('batch_stats', {}), images) for one in seeds]
    return np.stack([np.asarray(logits) for logits in found])


def ensemble(networks, images):
    """The mean over seeds of their probabilities, each at its temperature.

    Args:
      networks: parameters.Networks.
      images: uint8 [N, 28, 28].

    Returns:
      (probabilities [N, 10], numbers of the seeds that have a say: a diverged one has none).

    Raises:
      DataError: every seed has diverged.
    """
    logits = seed_logits(networks.settings, networks.variables, images)
    finite = np.isfinite(logits).all((1, 2))
    if not finite.any():
        raise DataError('every seed of the row has diverged: its networks give no numbers')
    loss = networks.settings.loss
    chances = [
        calibration.tempered(mine, temperature, loss)
        for mine, temperature, good in zip(logits, networks.temperatures, finite, strict=True)
        if good
    ]
    seeds = tuple(k for k, good in zip(networks.seeds, finite, strict=True) if good)
    return np.mean(chances, axis=0, dtype=np.float64), seeds
