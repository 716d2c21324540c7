"""The numbers that a report prints beside test accuracies, and ours."""

import functools
import json
import math

from fmnist_jax.config.settings import from_plain
from fmnist_jax.data import catalog
from fmnist_jax.markdown import number, percent
from fmnist_jax.report.rows import mean

_BATCH = 256  # test images; report 002's ± fits the spread of accuracy over such batches
_NAMES = {
    'parameters': 'parameters',
    'aim': 'hoped-for test accuracy',
    'plus_minus': f'± of accuracy (ours: over batches of {_BATCH} test images)',
    'loss': 'validation loss with L2 penalty',
    'train_seconds': 'seconds to train (ours: a seed)',
    'operations': 'operations (formulas of report 000)',
}


def _at_tested_epoch(result, name):
    """Mean over seeds of a history's value at the tested epoch; None without one."""
    epochs = result.get('history', {}).get(name)
    if not epochs:
        return None
    tested = result.get('tested_epoch') or [None] * len(epochs[0])
    return mean([epochs[(e or len(epochs)) - 1][seed] for seed, e in enumerate(tested)])


def _keras_loss(result):
    """Mean over seeds of validation loss plus L2 penalty, as Keras prints it; None if unknown."""
    has_l2 = result.get('config', {}).get('optimizer', {}).get('l2', 0)
    penalty = mean(result.get('l2_penalty')) if has_l2 else 0.0
    loss = _at_tested_epoch(result, 'validation_loss')
    return None if loss is None or penalty is None else loss + penalty


def _aim(value, row):
    """Our mean, and whether its interval lies above the number that the report hoped for."""
    accuracy, (low, high) = row.accuracy.mean, row.accuracy.interval
    if math.isnan(low) or low <= value <= high:
        return percent(accuracy)
    return f'{percent(accuracy)}, {"reached" if low > value else "not reached"}'


@functools.cache
def _count(config):
    """(operations, parameters with batch norm's averages) of a config's network, as JSON."""
    from fmnist_jax.models.operations import layers, size  # imports JAX
    from fmnist_jax.train.step import model_of

    config = from_plain(json.loads(config))
    counted, variables = layers(model_of(config), catalog.input_shape(config.dataset))
    return sum(layer.operations for layer in counted), size(variables)


def _counts(result):
    """`_count` of a result line; (None, None) without a network."""
    config = result['config']
    if 'model' not in config:
        return None, None
    return _count(json.dumps({name: config[name] for name in ('model', 'dataset')}))


def _ours(name, value, row):
    """Our number beside the report's `value`, as shown; '' if the result line does not have it."""
    result, accuracy = row.result, row.accuracy.mean
    match name:
        case 'aim':
            return _aim(value, row)
        case 'parameters':
            trained, (_, total) = result.get('parameters'), _counts(result)
            if trained is not None and total not in (None, trained):
                return f'{trained:,} trained, {total:,} in all'
            ours = trained
        case 'plus_minus':
            ours = math.sqrt(accuracy * (1 - accuracy) / _BATCH)
        case 'operations':
            ours = _counts(result)[0]
        case 'train_seconds':
            ours = row.train_seconds / len(row.accuracies)
        case 'loss':
            ours = _keras_loss(result)
        case _:
            ours = _at_tested_epoch(result, name)
    return _shown(name, ours)


def _shown(name, value):
    """A number in the report's unit: per cent, nats, seconds or a count; '' for None."""
    if name.endswith('accuracy') or name in ('aim', 'plus_minus'):
        return percent(value)
    if name.endswith(('loss', 'seconds')):
        return number(value, 4 if name.endswith('loss') else 1)
    return '' if value is None else f'{value:,.0f}'


def other_numbers_grid(rows):
    """Cells of the other numbers of rows that are run, the heading first; [] without any.

    Histories are read at the tested epoch; our numbers are means over seeds.
    """
    lines = []
    for row in (row for row in rows if row.result and row.dataset != 'synthetic'):
        for name, value in row.also_reported.items():
            if name != 'seconds_per_epoch':  # a column of the table of rows
                shown_name = _NAMES.get(name, name.replace('_', ' '))
                ours = _ours(name, value, row)
                lines.append([row.name, shown_name, _shown(name, value), ours])
    return [['row', 'what', 'report', 'ours'], *lines] if lines else []
