"""The numbers that a report prints beside test accuracies, and ours."""

import functools
import json
import math

import numpy as np

from fmnist_jax.config.settings import from_plain
from fmnist_jax.data import catalog
from fmnist_jax.markdown import interval, number, percent
from fmnist_jax.report.figures.curves import TENSORBOARD, history, smoothed
from fmnist_jax.report.provenance import devices
from fmnist_jax.report.rows import mean, refuse_damage
from fmnist_jax.results.arrays import BATCH
from fmnist_jax.results.measures import at_tested_epoch, falling_loss, known
from fmnist_jax.results.statistics import contrast

_NAMED_ROWS = 3  # rows of a network that are named; of more, their number
_NAMES = {
    'parameters': 'parameters',
    'aim': 'hoped-for test accuracy',
    'plus_minus': f'± of accuracy over test batches of {BATCH} images',
    'batch_mean': 'test accuracy as the mean over these batches',
    'loss': 'validation loss with L2 penalty',
    'monotonic': 'training loss falls in every epoch (ours: share of the seeds)',
    'train_seconds': 'seconds to train (ours: a seed)',
    'operations': 'operations (formulas of report 000)',
}


def _keras_losses(result):
    """The seeds' validation loss plus L2 penalty, as Keras prints it; [] if unknown."""
    has_l2 = result.get('config', {}).get('optimizer', {}).get('l2', 0)
    losses = at_tested_epoch(result, 'validation_loss')
    penalties = (result.get('l2_penalty') or []) if has_l2 else [0.0] * len(losses)
    if len(penalties) < len(losses):
        return []
    both = zip(losses, penalties, strict=True)
    return [None if None in pair else sum(pair) for pair in both]


def seed_values(name, row):
    """Our seeds' values of a number that the report prints beside the test accuracy of a Row.

    Args:
      name: a key of `also_reported`, other than a time or 'aim'.

    Returns:
      A list; of one number if the seeds share it (parameters, operations) or for their mean
      ('plus_minus'), [] if unknown.
    """
    result = row.result
    match name:
        case 'parameters':
            values = [_counts(result)[1] or result.get('parameters')]
        case 'operations':
            values = [_counts(result)[0]]
        case 'plus_minus':
            measured = mean(result.get('batch_accuracy_std'))
            values = [_binomial_std(row) if measured is None else measured]
        case 'loss':
            values = _keras_losses(result)
        case _ if name.startswith('smoothed_'):
            curve = history(row).get(name.removeprefix('smoothed_'))
            values = [] if curve is None else smoothed(curve, TENSORBOARD)[-1].tolist()
        case _:
            values = at_tested_epoch(result, name)
    return known(values)


def _aim(value, row):
    """Our mean, and whether its interval lies above the number that the report hoped for."""
    accuracy, (low, high) = row.accuracy.mean, row.accuracy.interval
    if math.isnan(low) or low <= value <= high:
        return percent(accuracy)
    return f'{percent(accuracy)}, {"reached" if low > value else "not reached"}'


def _test_batches(row):
    """(images of each test batch, binomial variance of its accuracy)."""
    sizes = np.diff([*range(0, row.test_images, BATCH), row.test_images])
    return sizes, row.accuracy.mean * (1 - row.accuracy.mean) / sizes


def _binomial_std(row):
    """The sd of the accuracy over test batches that chance gives."""
    return math.sqrt(_test_batches(row)[1].mean())


def _over_batches(name, row):
    """Mean or sd of the accuracy over test batches; binomial where the line does not have them."""
    field = 'batch_accuracy_mean' if name == 'batch_mean' else 'batch_accuracy_std'
    measured = mean(row.result.get(field))
    if measured is not None:
        return percent(measured)
    if name == 'plus_minus':
        return f'{percent(_binomial_std(row))} (binomial)'
    accuracy, images = row.accuracy.mean, row.test_images
    sizes, variances = _test_batches(row)
    # The last batch is small and counts like the others.
    weights = 1 / len(sizes) - sizes / images
    return f'{percent(accuracy)} ± {percent(math.sqrt((weights**2 * variances).sum()))} (binomial)'


_MINUS, _FEWER = 'minus_', 'fewer_parameters_than_'  # and the name of another row


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
    result = row.result
    match name:
        case 'aim':
            return _aim(value, row)
        case 'parameters':
            trained, (_, total) = result.get('parameters'), _counts(result)
            if trained is not None and total not in (None, trained):
                return f'{trained:,} trained, {total:,} in all'
            ours = trained
        case 'plus_minus' | 'batch_mean':
            return _over_batches(name, row)
        case 'train_seconds':
            ours = row.train_seconds / len(row.accuracies)
        case 'monotonic':
            ours = mean(falling_loss(result))
        case _:
            ours = mean(seed_values(name, row))
    return shown(name, ours)


def shown(name, value):
    """A number in the report's unit: per cent, nats, seconds or a count; '' for None."""
    if name.startswith(_MINUS):
        return f'{100 * value:+.2f}'
    if name.startswith(_FEWER):
        return f'{value:g}'
    if name.endswith('accuracy') or name in ('aim', 'plus_minus', 'batch_mean', 'monotonic'):
        return percent(value)
    if name.endswith(('loss', 'seconds')):
        return number(value, 4 if name.endswith('loss') else 1)
    return '' if value is None else f'{value:,.0f}'


def _compared(name, value, row, rows):
    """(what, report, ours) of a number that compares a Row with another of {name: Row}, or None."""
    if name.startswith(_MINUS):
        other, ours = name.removeprefix(_MINUS), ''
        theirs = rows[other].known_accuracies if other in rows else []
        if row.known_accuracies and theirs:
            tested = contrast([1.0, -1.0], [row.known_accuracies, theirs])
            bounds = interval(tested.interval)
            ours = f'{100 * tested.difference:+.2f}' + f' ({bounds})' * bool(bounds)
        return f'test accuracy minus that of {other} (95 % interval)', shown(name, value), ours
    if name.startswith(_FEWER):
        other, ours = name.removeprefix(_FEWER), ''
        if other in rows and rows[other].result:
            ours = f'{_counts(rows[other].result)[1] / _counts(row.result)[1]:.1f}'
        return f'factor to the parameters of {other}', shown(name, value), ours
    return None


def other_numbers_grid(rows):
    """Cells of the other numbers of rows that are run, the heading first; [] without any.

    Histories are read at the tested epoch; our numbers are means over seeds.
    """
    lines, by_name = [], {row.name: row for row in rows}
    for row in (row for row in rows if row.result and row.dataset != 'synthetic'):
        over_batches = 'plus_minus' in row.also_reported and row.reported is not None
        numbers = row.also_reported | ({'batch_mean': row.reported} if over_batches else {})
        for name, value in numbers.items():
            if compared := _compared(name, value, row, by_name):
                lines.append([row.name, *compared])
            elif name != 'seconds_per_epoch':  # a column of the table of rows
                shown_name = _NAMES.get(name, name.replace('_', ' '))
                ours = _ours(name, value, row)
                lines.append([row.name, shown_name, shown(name, value), ours])
    return [['row', 'what', 'report', 'ours'], *lines] if lines else []


def networks_grid(rows):
    """Cells of the networks of Rows that are run, the heading first; [] without any.

    One line for each network: its rows, trainable parameters, operations for an image (report
    000's formulas) and, over its rows, the seconds of a seed's epoch, with the hardware.
    """
    groups = {}
    for row in (row for row in rows if row.result and row.result.get('parameters')):
        with refuse_damage(row.name):
            operations, _ = _counts(row.result)
            key = (row.result.get('model'), row.result.get('parameters'), operations)
        if operations is not None:
            groups.setdefault(key, []).append(row)
    lines = []
    for (model, parameters, operations), of_network in groups.items():
        names = ', '.join(row.name for row in of_network)
        seconds = [row.seconds_per_epoch for row in of_network if row.seconds_per_epoch]
        ends = [number(end(seconds), 1) for end in (min, max)] if seconds else []
        lines.append([
            str(model),
            names if len(of_network) <= _NAMED_ROWS else f'{len(of_network)} rows',
            f'{parameters:,}',
            f'{operations:,}',
            ' to '.join(dict.fromkeys(ends)),
            devices(row.result for row in of_network),
        ])  # fmt: skip
    heading = ['network', 'rows', 'parameters', 'operations', 's / epoch', 'measured on']
    return [heading, *lines] if lines else []
