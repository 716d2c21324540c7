"""What a row's result line says epoch by epoch, as arrays."""

import math
import types

import numpy as np

from fmnist_jax.errors import ConfigError

NAMES = ('train_loss', 'train_accuracy', 'validation_loss', 'validation_accuracy')


def _damaged(row, error):
    return ConfigError(
        f'row {row.name!r}: a damaged result line ({error!r}); mend or delete it in results.jsonl'
    )


def history(row):
    """{name: float [epochs, seeds]} for those of NAMES that a row has; {} if it was not run.

    NaN where a seed had stopped, or had no finite number.

    Raises:
      ConfigError: a damaged line.
    """
    recorded = (row.result or {}).get('history') or {}
    try:
        arrays = {name: np.array(recorded[name], float) for name in NAMES if recorded.get(name)}
        for name, array in arrays.items():
            if array.shape[1:] != (len(row.accuracies),):
                raise ValueError(f'{name} has shape {array.shape}')
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(row, error) from error
    return {name: np.where(np.isfinite(a), a, math.nan) for name, a in arrays.items()}


def learning_rates(row):
    """The learning rate of every epoch's first step, float [epochs].

    From the schedule in the row's config, which starts again after the epochs that train the
    dense layer alone (`train.restart_optimizer`).

    Returns:
      None where the row was not run, is no network's but a classifier's of scikit-learn, or its
      line is too old to hold the number of images.

    Raises:
      ConfigError: a damaged line.
    """
    from fmnist_jax.train.schedules import make_schedule  # imports JAX

    if not row.result or 'train_images' not in row.result:
        return None
    try:
        config = row.result['config']
        if not config.keys() & {'batch_size', 'optimizer', 'schedule'}:
            return None  # experiments/scikit_learn: nothing there has steps
        steps = -(-row.result['train_images'] // config['batch_size'])
        schedule = types.SimpleNamespace(**config['schedule'])
        peak = config['optimizer']['learning_rate']
        rates, head = [], config.get('head_epochs', 0)
        for epochs in filter(None, (head, config['epochs'] - head)):
            rate = make_schedule(schedule, peak, steps, epochs)
            rates += [float(rate(epoch * steps)) for epoch in range(epochs)]
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise _damaged(row, error) from error
    return np.array(rates)
