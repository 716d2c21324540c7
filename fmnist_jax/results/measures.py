"""What a claim compares: a number of each seed, from a joined result line (results.lines.read).

All are accuracies as fractions. A seed without the number is left out.
"""

import numpy as np


def test_accuracy(result):
    """Test accuracy of the tested epoch."""
    return [value for value in result['test_accuracy'] if value is not None]


def validation_accuracy(result):
    """Validation accuracy of the tested epoch."""
    last = len(result['history'].get('validation_accuracy', ()))
    return _after(result, [epoch or last for epoch in result['tested_epoch']])


def early_validation_accuracy(result):
    """Validation accuracy after a tenth of the epochs, at least one: which row learns faster."""
    early = max(1, result['config'].get('epochs', 1) // 10)
    return _after(result, [early] * len(result['seeds']))


def _after(result, epochs):
    """Validation accuracy of each seed after its epoch of `epochs`, counted from 1."""
    history = result['history'].get('validation_accuracy')
    values = [history[epoch - 1][k] for k, epoch in enumerate(epochs)] if history else []
    return [value for value in values if value is not None]


MEASURES = {
    'test_accuracy': test_accuracy,
    'validation_accuracy': validation_accuracy,
    'early_validation_accuracy': early_validation_accuracy,
}


def falling_loss(result):
    """Whether each seed's training loss falls in every epoch: [bool]; [] without a history."""
    losses = np.array(result['history'].get('train_loss', ()), float)  # [epochs, seeds], None: NaN
    steps = np.diff(losses, axis=0)
    return ((steps < 0) | np.isnan(losses[1:])).all(0).tolist() if len(losses) else []
