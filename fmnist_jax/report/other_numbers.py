"""The numbers that a report prints beside test accuracies, and ours."""

import functools
import json
import math

from fmnist_jax.config.settings import from_plain
from fmnist_jax.markdown import interval, number, percent
from fmnist_jax.report.figures.curves import TENSORBOARD, history, smoothed
from fmnist_jax.report.provenance import devices
from fmnist_jax.report.rows import mean, refuse_damage
from fmnist_jax.results.statistics import contrast

_BATCH = 256  # test images; report 002's ± fits the spread of accuracy over such batches
_NAMED_ROWS = 3  # rows of a network that are named; of more, their number
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


_MINUS, _FEWER = 'minus_', 'fewer_parameters_than_'  # and the name of another row


@functools.cache
def _count(config):
    """(operations, parameters with batch norm's averages) of a config's network, as JSON."""
    from fmnist_jax.models.operations import layers, size  # imports JAX
    from fmnist_jax.train.step import model_of

    config = from_plain(json.loads(config))
    side = config.dataset.image_size
    counted, variables = layers(model_of(config), (side, side, config.dataset.channels))
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
        case _ if name.startswith('smoothed_'):
            curve = history(row).get(name.removeprefix('smoothed_'))
            ours = None if curve is None else mean(smoothed(curve, TENSORBOARD)[-1].tolist())
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


def _compared(name, value, row, known):
    """(what, report, ours) of a number `name` that compares a Row with another; None for others.

    known: {name: Row} of the table.
    """
    if name.startswith(_MINUS):
        other = name.removeprefix(_MINUS)
        ours_and_theirs = (row.accuracies, known[other].accuracies if other in known else ())
        samples = [[value for value in part if value is not None] for part in ours_and_theirs]
        ours = ''
        if all(samples):
            tested = contrast([1.0, -1.0], samples)
            bounds = interval(tested.interval)
            ours = f'{100 * tested.difference:+.2f}' + f' ({bounds})' * bool(bounds)
        return f'test accuracy minus that of {other} (95 % interval)', f'{100 * value:+.2f}', ours
    if name.startswith(_FEWER):
        other, ours = name.removeprefix(_FEWER), ''
        if other in known and known[other].result:
            ours = f'{_counts(known[other].result)[1] / _counts(row.result)[1]:.1f}'
        return f'factor to the parameters of {other}', f'{value:g}', ours
    return None


def other_numbers_grid(rows):
    """Cells of the other numbers of rows that are run, the heading first; [] without any.

    Histories are read at the tested epoch; our numbers are means over seeds.
    """
    lines, known = [], {row.name: row for row in rows}
    for row in (row for row in rows if row.result and row.dataset != 'synthetic'):
        for name, value in row.also_reported.items():
            if compared := _compared(name, value, row, known):
                lines.append([row.name, *compared])
            elif name != 'seconds_per_epoch':  # a column of the table of rows
                shown_name = _NAMES.get(name, name.replace('_', ' '))
                ours = _ours(name, value, row)
                lines.append([row.name, shown_name, _shown(name, value), ours])
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
