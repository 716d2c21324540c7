"""Other ways to train than a table's rows: from Python, and the trials of a search."""

import contextlib
import copy

import numpy as np

from fmnist_jax.config import machine
from fmnist_jax.config.checks import check, check_weights
from fmnist_jax.data import catalog, datasets
from fmnist_jax.errors import ConfigError, show
from fmnist_jax.fit import memory, mesh
from fmnist_jax.fit.compile import prepare
from fmnist_jax.fit.fit import fit, run_epochs, tested_epochs
from fmnist_jax.fit.progress import RowProgress
from fmnist_jax.models.pretrained import Pretrained
from fmnist_jax.train.step import steps_per_epoch


def fit_seeds(settings, dataset, progress='bar', pretrained=None):
    """Trains all seeds of the settings together and tests each.

    Args:
      settings: from `make_settings`.
      dataset: from `load_data`, or a data.datasets.Dataset of your own arrays, as those of
        settings.dataset.name: images uint8 [N, 28, 28], labels integers [N] from 0 to 9. With
        'folder', `load_images(...).dataset`.
      progress: 'bar', None, or an object with the methods of fit.progress.RowProgress.
      pretrained: weights to start from: the result of pretrained.load, or its `variables`.

    Returns:
      FitResult: `test_accuracy` [S], `history`, `logits`, `variables` and more.

    Raises:
      ConfigError: settings that were changed and cannot train; an impossible layout over the
        devices; missing or wrong pretrained weights.
      DataError: arrays that are no such data set, or fewer images than the validation set needs.
    """
    machine.use_all_cores()
    check(settings)
    shape, classes = catalog.image_shape(settings.dataset), catalog.class_names(settings.dataset)
    dataset = datasets.check_dataset(dataset, shape, len(classes))
    train_indices, _ = datasets.split_of(settings, dataset.train_labels)
    weights, layout = _variables(settings, pretrained), mesh.make_layout(settings)
    if progress != 'bar':
        return fit(settings, dataset, layout, progress=progress, pretrained=weights)
    steps = steps_per_epoch(settings, len(train_indices) * (1 + settings.augment.copies))
    with contextlib.closing(RowProgress(settings.model.name, settings.epochs, steps)) as bar:
        return fit(settings, dataset, layout, progress=bar, pretrained=weights)


def _variables(settings, pretrained):
    shape = catalog.input_shape(settings.dataset)
    how = f'pretrained.load(train.model_of(settings), {shape})'
    if pretrained is None:
        if not settings.pretrained:
            return None
        call = f'fit_seeds(settings, dataset, pretrained={how})'
        raise ConfigError(
            f'config.pretrained={settings.pretrained!r}: give the weights, too: {call}, with '
            'pretrained and train from fmnist_jax'
        )
    variables = pretrained.variables if isinstance(pretrained, Pretrained) else pretrained
    if not isinstance(variables, dict) or 'params' not in variables:
        raise ConfigError(f'pretrained={show(pretrained)}: expected what {how} returns')
    check_weights(settings, variables)
    return variables


def fit_trials(settings, hparams, dataset, stop=None, cache=None, progress=None, pretrained=None):
    """Trains the trials of a search together, each with settings.num_seeds seeds; tests nothing.

    Args:
      settings: of any trial: they differ in hyper-parameters only (settings.split_static).
      hparams: each trial's hyper-parameters, {'section.field': float}.
      stop: (epoch, history) -> bool [trials * seeds], those that stop after the epoch.

    Returns:
      Validation accuracy [trials, seeds] at the epoch that would be tested; NaN if it diverged.
    """
    each = settings.num_seeds
    seeds = np.tile(np.arange(settings.seed, settings.seed + each, dtype=np.int32), len(hparams))
    columns = {path: np.float32([trial[path] for trial in hparams]) for path in hparams[0]}
    columns = {path: np.repeat(values, each) for path, values in columns.items()}

    def train(layout, cache):
        own = mesh.shard(layout, columns)
        run = prepare(settings, own, seeds, dataset, layout, cache, pretrained)
        state, end = run_epochs(run, progress, stop=stop)
        accuracy = np.array(end.history['validation_accuracy'], np.float64)  # [epochs, seeds]
        selected = accuracy[tested_epochs(run, state, end) - 1, np.arange(layout.count)]
        return selected.reshape(-1, each)

    together = copy.deepcopy(settings)
    together.num_seeds = each * len(hparams)
    layout = mesh.make_layout(together)
    return memory.fewer_until_they_fit(train, settings, layout, cache, progress)
