"""Result lines as TensorBoard event files: curves of every seed and their mean."""

import datetime
import pathlib

import numpy as np

from fmnist_jax import files
from fmnist_jax.errors import ConfigError
from fmnist_jax.report.figures.curves import history, learning_rates
from fmnist_jax.report.rows import read

_TAGS = {
    'train_loss': 'loss/train',
    'train_accuracy': 'accuracy/train',
    'validation_loss': 'loss/validation',
    'validation_accuracy': 'accuracy/validation',
}
_TEST, _RATE = 'accuracy/test', 'learning_rate'


def _mean(values):
    """The mean of the finite ones; NaN without any."""
    finite = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(finite)) if finite else np.nan


def runs(row):
    """{run: [(tag, epoch, value)]} of a row: 'seed_K' for each seed, 'mean' for all of them.

    Epochs count from 1. NaN and None, as of a seed that had stopped, are left out. The test
    accuracy stands at the epoch that was tested, that of the mean at the last epoch; the learning
    rate is that of an epoch's first step, as long as the seed was trained.

    Raises:
      ConfigError: a damaged line.
    """
    curves, rates = history(row), learning_rates(row)
    tested = row.result.get('tested_epoch') or []
    if tested and len(tested) != len(row.seeds):
        raise ConfigError(
            f'row {row.name!r}: {len(tested)} tested epochs of {len(row.seeds)} seeds'
        )
    columns = {
        f'seed_{seed}': (
            {name: array[:, k] for name, array in curves.items()},
            row.accuracies[k],
            tested[k] if tested else None,
        )
        for k, seed in enumerate(row.seeds)
    }
    means = {name: np.array([_mean(epoch) for epoch in array]) for name, array in curves.items()}
    columns['mean'] = (means, _mean(row.accuracies), None)
    return {name: _scalars(*column, rates) for name, column in columns.items()}


def _scalars(curves, accuracy, tested, rates):
    """[(tag, epoch, value)] of one run."""
    scalars, trained = [], 0
    for name, values in curves.items():
        numbers = [(e, float(v)) for e, v in enumerate(values, 1) if np.isfinite(v)]
        scalars += [(_TAGS[name], epoch, value) for epoch, value in numbers]
        trained = max([trained, *(epoch for epoch, _ in numbers)])
    if rates is not None:
        trained = trained or len(rates)
        scalars += [(_RATE, e, float(v)) for e, v in enumerate(rates[:trained], 1)]
    if accuracy is not None and np.isfinite(accuracy):
        scalars.append((_TEST, tested or trained, float(accuracy)))
    return scalars


def _time(row):
    """When the row was finished, in seconds since 1970: what TensorBoard shows as its time."""
    try:
        return datetime.datetime.fromisoformat(row.result['finished']).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def write(directory, folders):
    """Writes `directory`/WORKDIR/ROW/seed_K and .../mean; how many runs those are.

    A run without any number gets no folder.

    Args:
      directory: folder, need not exist; TensorBoard's --logdir.
      folders: pathlib.Path of each workdir.

    Raises:
      ConfigError: damaged result lines, or event files are there already: TensorBoard would show
        both.
      OSError: a file cannot be written.
    """
    planned = {}
    for workdir in folders:
        _, rows = read(workdir)
        for row in (row for row in rows if row.result):
            place = pathlib.Path(directory) / workdir.resolve().name
            numbers = {name: scalars for name, scalars in runs(row).items() if scalars}
            for name, scalars in numbers.items():
                folder = place / files.file_name(row.name) / name
                if folder.exists() or folder in planned:
                    raise ConfigError(f'{folder} is there already; choose another --tensorboard')
                planned[folder] = (scalars, _time(row))
    from tensorboardX import SummaryWriter

    for folder, (scalars, time) in planned.items():
        with SummaryWriter(str(folder)) as writer:
            for tag, epoch, value in scalars:
                writer.add_scalar(tag, value, epoch, walltime=time)
    return len(planned)
