"""What a report prints beside test accuracies, and what our result lines have for it."""

import math

import numpy as np

from fmnist_jax.markdown import grid, number, percent

_BATCH = 256  # test images; report 002's ± fits the spread of accuracy over such batches
_SHOWN_ELSEWHERE = 'seconds_per_epoch'  # a column of the table


def _at_the_test(result, name):
    """Mean over seeds of a history's number at the epoch that was tested; None without one."""
    epochs = result.get('history', {}).get(name)
    if not epochs:
        return None
    tested = result.get('tested_epoch') or [None] * len(epochs[0])
    numbers = [epochs[(e or len(epochs)) - 1][seed] for seed, e in enumerate(tested)]
    numbers = [value for value in numbers if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _aim(value, row):
    """Whether our mean, and its interval, are above what the report hoped for."""
    mean, (low, high) = row.accuracy.mean, row.accuracy.interval
    if math.isnan(low) or low <= value <= high:
        return percent(mean)
    return f'{percent(mean)}, {"reached" if low > value else "not reached"}'


def _keras_loss(result):
    """Validation loss with the L2 penalty, as Keras prints it: mean over seeds; None without."""
    l2 = result.get('config', {}).get('optimizer', {}).get('l2', 0)
    penalties = result.get('l2_penalty', [None if l2 else 0.0])  # older lines do not have it
    known = [value for value in penalties if value is not None]
    loss = _at_the_test(result, 'validation_loss')
    return loss + float(np.mean(known)) if loss is not None and known else None


def _ours(name, value, row):
    """Our side of one number, as a text; '' where a result line does not have it."""
    result = row.result
    if name == 'aim':
        return _aim(value, row)
    if name == 'plus_minus':
        mean = row.accuracy.mean
        return percent(math.sqrt(mean * (1 - mean) / _BATCH))
    if name == 'parameters':
        return f'{result["parameters"]:,}' if 'parameters' in result else ''
    if name == 'train_seconds':
        return number(row.train_seconds / len(row.accuracies), 1)
    found = _keras_loss(result) if name == 'loss' else _at_the_test(result, name)
    return _shown(name, found) if found is not None else ''


def _shown(name, value):
    """A number as the report's readers know it: per cent, nats, seconds or a count."""
    if name.endswith('accuracy') or name in ('aim', 'plus_minus'):
        return percent(value)
    if name.endswith('loss'):
        return number(value, 4)
    return number(value, 1) if name.endswith('seconds') else f'{value:,.0f}'


_WHAT = {
    'parameters': 'parameters (ours: trained ones)',
    'aim': 'hoped-for test accuracy',
    'plus_minus': f'± of accuracy (ours: over batches of {_BATCH} test images)',
    'loss': 'validation loss with L2 penalty',
    'train_seconds': 'seconds to train (ours: a seed)',
    'operations': 'operations (ours: python -m fmnist_jax.cost)',
}


def also_grid(rows):
    """Cells of what else the report prints, the heading first; [] if that is nothing.

    Only of rows that have been run. Histories are taken at the tested epoch; means over seeds.

    Args:
      rows: rows.Row.
    """
    lines = [
        [row.name, _WHAT.get(name, name.replace('_', ' ')), _shown(name, value),
         _ours(name, value, row)]
        for row in rows
        if row.result and row.dataset != 'synthetic'
        for name, value in row.also_reported.items()
        if name != _SHOWN_ELSEWHERE
    ]  # fmt: skip
    return [['row', 'what', 'report', 'ours'], *lines] if lines else []


def also_text(rows):
    """The same as Markdown, with a heading; '' if there is nothing."""
    shown = also_grid(rows)
    return f'\nWhat else the report prints\n\n{grid(shown)}\n' if shown else ''
