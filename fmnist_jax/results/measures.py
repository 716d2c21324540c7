"""The seeds' numbers in a joined result line (results.lines.read); accuracies are fractions."""

import numpy as np


def known(values):
    """The values without None; [] for None."""
    return [value for value in (() if values is None else values) if value is not None]


def at_tested_epoch(result, name):
    """The seeds' values of a history, such as 'train_loss', at the tested epoch, else the last.

    None for a seed without a number; [] without such a history.
    """
    epochs = result.get('history', {}).get(name)
    if not epochs:
        return []
    tested = result.get('tested_epoch') or [None] * len(epochs[0])
    return [epochs[(epoch or len(epochs)) - 1][k] for k, epoch in enumerate(tested)]


def test_accuracy(result):
    """Test accuracy of the tested epoch."""
    return known(result['test_accuracy'])


def validation_accuracy(result):
    """Validation accuracy of the tested epoch."""
    return known(at_tested_epoch(result, 'validation_accuracy'))


def early_validation_accuracy(result):
    """Validation accuracy after a tenth of the epochs, at least one: which row learns faster.

    The last one of a seed that stopped before.
    """
    early = max(1, result['config'].get('epochs', 1) // 10)
    history = result['history'].get('validation_accuracy') or [[]]
    return [seed[-1] for seed in map(known, zip(*history[:early], strict=True)) if seed]


MEASURES = {  # what a claim can compare; a seed without the number is left out
    'test_accuracy': test_accuracy,
    'validation_accuracy': validation_accuracy,
    'early_validation_accuracy': early_validation_accuracy,
}


def falling_loss(result):
    """Whether each seed's training loss falls in every epoch: [bool]; [] without a history."""
    losses = np.array(result['history'].get('train_loss', ()), float)  # [epochs, seeds], None: NaN
    steps = np.diff(losses, axis=0)
    return ((steps < 0) | np.isnan(losses[1:])).all(0).tolist() if len(losses) else []
