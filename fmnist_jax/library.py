"""The package from Python: settings, training and probabilities in a line each.

The commands do the same with files around it; see `fmnist_jax.__init__` for all names.
"""

import contextlib
import functools
import pathlib

import jax

from fmnist_jax.config import machine
from fmnist_jax.config.checks import check, check_weights
from fmnist_jax.config.cli import load_config
from fmnist_jax.config.settings import resolve, select_rows
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, show
from fmnist_jax.fit.compile import make_layout
from fmnist_jax.fit.fit import fit
from fmnist_jax.models.pretrained import Pretrained

_DEFAULTS = pathlib.Path(__file__).parent.parent / 'configs' / 'base.py'


@functools.cache
def _use_all_cores():
    """Each core becomes a device, as for the commands, unless JAX has been set up or used before.

    And compiled programs are kept for the next start.
    """
    if jax.config.jax_num_cpu_devices < 1:
        with contextlib.suppress(RuntimeError):
            machine.set_up(cache_folder=datasets.cache_directory() / 'xla')


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
    _use_all_cores()
    table = load_config(config or _DEFAULTS)
    chosen = {} if row is None else select_rows(table, row)[0]['change']
    changes = {'name': 'changes', 'change': {**chosen, **(changes or {})}}
    settings = resolve(table, changes)
    check(settings)
    return settings


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
    _use_all_cores()
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
