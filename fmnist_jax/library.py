"""The package from Python: settings, training and probabilities in a line each.

The commands do the same with files around it; see `fmnist_jax.__init__` for all names.
"""

from fmnist_jax.config import machine
from fmnist_jax.config.checks import check_weights
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, show
from fmnist_jax.fit.compile import make_layout
from fmnist_jax.fit.fit import fit
from fmnist_jax.models.pretrained import Pretrained
from fmnist_jax.results import networks
from fmnist_jax.train import calibration


def fit_seeds(settings, dataset, progress=None, pretrained=None):
    """Trains all seeds of the settings together and tests each.

    Args:
      settings: of `make_settings`.
      dataset: data.Dataset, of `load_data` or of arrays like its.
      progress: see fit.fit.
      pretrained: weights to start from: what pretrained.load returns, or its `variables`.

    Returns:
      fit.Outcome: `test_accuracy` [S], `history`, `logits`, `variables` and more.

    Raises:
      ConfigError: a layout over the devices that cannot be had; pretrained weights that the
        settings ask for are not given, are none, or leave random what the settings freeze.
      DataError: fewer images than the validation set is to have.
    """
    machine.use_all_cores()
    datasets.split(len(dataset.train_labels), settings.dataset.num_validation, settings.seed)
    weights = _variables(settings, pretrained)
    return fit(settings, dataset, make_layout(settings), progress=progress, pretrained=weights)


def _variables(settings, pretrained):
    """The variables to start from, of what `fit_seeds` was given; None for none."""
    side = settings.dataset.image_size
    how = f'pretrained.load(train.model_of(settings), ({side}, {side}, 3))'
    if pretrained is None:
        if settings.pretrained:
            raise ConfigError(
                f'config.pretrained={settings.pretrained!r}: give the weights, too: '
                f'fit_seeds(settings, dataset, pretrained={how}), with pretrained and train from '
                'fmnist_jax'
            )
        return None
    variables = pretrained.variables if isinstance(pretrained, Pretrained) else pretrained
    if not isinstance(variables, dict) or 'params' not in variables:
        raise ConfigError(f'pretrained={show(pretrained)}: expected what {how} returns')
    check_weights(settings, variables)
    return variables


def predict_images(settings, variables, images, temperature=None):
    """Probabilities of every seed: float32 [S, N, 10].

    Args:
      settings: of `make_settings`.
      variables: {'params', 'batch_stats'}, arrays [S, ...], such as Outcome.variables.
      images: uint8 [N, 28, 28], light items on black.
      temperature: what the logits are divided by; None for 1.
    """
    logits = networks.seed_logits(settings, variables, images)
    return calibration.calibrated(logits, temperature, settings.loss)
