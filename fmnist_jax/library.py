"""The package from Python: settings and probabilities in a line each.

The commands do the same with files around it; see `fmnist_jax.__init__` for all names.
"""

import pathlib

from fmnist_jax.config import machine
from fmnist_jax.config.checks import check
from fmnist_jax.config.cli import load_config
from fmnist_jax.config.settings import resolve, select_rows
from fmnist_jax.results import networks
from fmnist_jax.train import calibration

_DEFAULTS = pathlib.Path(__file__).parent.parent / 'configs' / 'base.py'


def make_settings(changes=None, config=None, row=None):
    """Settings of a training.

    Args:
      changes: {'section.field': value}, such as {'model.name': 'lenet5', 'epochs': 3}: any field
        of configs/base.py.
      config: path of a table's config, such as 'configs/lenet.py'; the defaults if None.
      row: name of one of its rows, whose changes come first.

    Returns:
      ConfigDict.

    Raises:
      ConfigError: no such config, row or field, or settings that cannot train.
    """
    machine.use_all_cores()
    table = load_config(config or _DEFAULTS)
    chosen = {} if row is None else select_rows(table, row)[0]['change']
    changes = {'name': 'changes', 'change': {**chosen, **(changes or {})}}
    settings = resolve(table, changes)
    check(settings)
    return settings


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
