"""The numbers that a report prints beside test accuracies, and ours."""

import math

from fmnist_jax.markdown import grid, number, percent
from fmnist_jax.report.rows import mean

_BATCH = 256  # test images; report 002's ± fits the spread of accuracy over such batches
_NAMES = {
    'parameters': 'parameters (ours: trained ones)',
    'aim': 'hoped-for test accuracy',
    'plus_minus': f'± of accuracy (ours: over batches of {_BATCH} test images)',
    'loss': 'validation loss with L2 penalty',
    'train_seconds': 'seconds to train (ours: a seed)',
    'operations': 'operations (ours: python -m fmnist_jax.cost)',
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


def _ours(name, row):
    """Our number; None if the result line does not have it."""
    result, accuracy = row.result, row.accuracy.mean
    if name == 'plus_minus':
        return math.sqrt(accuracy * (1 - accuracy) / _BATCH)
    if name == 'parameters':
        return result.get('parameters')
    if name == 'train_seconds':
        return row.train_seconds / len(row.accuracies)
    return _keras_loss(result) if name == 'loss' else _at_tested_epoch(result, name)


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
    for row in rows:
        if not row.result or row.dataset == 'synthetic':
            continue
        for name, value in row.also_reported.items():
            if name == 'seconds_per_epoch':
                continue  # a column of the table of rows
            ours = _aim(value, row) if name == 'aim' else _shown(name, _ours(name, row))
            shown_name = _NAMES.get(name, name.replace('_', ' '))
            lines.append([row.name, shown_name, _shown(name, value), ours])
    return [['row', 'what', 'report', 'ours'], *lines] if lines else []


def other_numbers_text(rows):
    """The same as Markdown, with a heading; '' without any."""
    cells = other_numbers_grid(rows)
    return f'\nWhat else the report prints\n\n{grid(cells)}\n' if cells else ''
