"""Result lines as TensorBoard event files: curves of every seed and their mean."""

import contextlib
import datetime
import pathlib

import numpy as np

from fmnist_jax import files
from fmnist_jax.errors import ConfigError
from fmnist_jax.report.figures.curves import history, learning_rates
from fmnist_jax.report.rows import mean, read

_TAGS = {
    'train_loss': 'loss/train',
    'train_accuracy': 'accuracy/train',
    'validation_loss': 'loss/validation',
    'validation_accuracy': 'accuracy/validation',
}


def runs(row):
    """{run: [(tag, epoch, value)]} of a row: 'seed_K' for each seed and 'mean' over them.

    Epochs count from 1. NaN and None, as after a seed stopped, are left out. The test accuracy has
    the tested epoch, in 'mean' the last one; the learning rate is that of an epoch's first step.
    """
    curves, rates = history(row), learning_rates(row)
    tested = row.result.get('tested_epoch') or [None] * len(row.seeds)
    if len(tested) != len(row.seeds):
        raise ConfigError(
            f'row {row.name!r}: {len(tested)} tested epochs of {len(row.seeds)} seeds'
        )
    runs = {}
    for k, seed in enumerate(row.seeds):
        of_seed = {name: array[:, k] for name, array in curves.items()}
        runs[f'seed_{seed}'] = _scalars(of_seed, row.accuracies[k], tested[k], rates)
    means = {name: [mean(epoch) for epoch in array] for name, array in curves.items()}
    runs['mean'] = _scalars(means, mean(row.accuracies), None, rates)
    return runs


def _scalars(curves, accuracy, tested, rates):
    """[(tag, epoch, value)] of one run."""
    scalars, trained = [], 0
    for name, values in curves.items():
        for epoch, value in enumerate(values, 1):
            if value is not None and np.isfinite(value):
                scalars.append((_TAGS[name], epoch, float(value)))
                trained = max(trained, epoch)
    if rates is not None:
        trained = trained or len(rates)
        scalars += [('learning_rate', e, float(v)) for e, v in enumerate(rates[:trained], 1)]
    if accuracy is not None and np.isfinite(accuracy):
        scalars.append(('accuracy/test', tested or trained, float(accuracy)))
    return scalars


def write(directory, folders):
    """Writes `directory`/WORKDIR/ROW/seed_K and .../mean; returns the number of runs.

    A run without any number gets no folder. If a run's folder exists, TensorBoard would show both.
    """
    planned = {}
    for workdir in folders:
        for row in (row for row in read(workdir)[1] if row.result):
            time = 0.0  # unknown
            with contextlib.suppress(KeyError, TypeError, ValueError):
                time = datetime.datetime.fromisoformat(row.result['finished']).timestamp()
            of_row = pathlib.Path(directory) / workdir.resolve().name / files.file_name(row.name)
            for name, scalars in runs(row).items():
                folder = of_row / name
                if folder.exists() or folder in planned:
                    raise ConfigError(f'{folder} is there already; choose another --tensorboard')
                if scalars:
                    planned[folder] = (scalars, time)
    from tensorboardX import SummaryWriter

    for folder, (scalars, time) in planned.items():
        with SummaryWriter(str(folder)) as writer:
            for tag, epoch, value in scalars:
                writer.add_scalar(tag, value, epoch, walltime=time)
    return len(planned)
