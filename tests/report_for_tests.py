"""Result lines and workdirs made by hand."""

import json

import numpy as np

from configs import base
from fmnist_jax.config.settings import plain, resolve, settings_hash
from fmnist_jax.results import arrays, workdirs
from fmnist_jax.results import lines as result_lines


def line(name='a', accuracies=(0.90, 0.91, 0.92), **more):
    settings = resolve(base.get_config(), base.row(name, {}))
    return {
        'row': name,
        'dataset': 'fashion_mnist',
        'seeds': list(range(len(accuracies))),
        'test_accuracy': list(accuracies),
        'test_images': 10_000,
        'diverged': [False] * len(accuracies),
        'history': {},
        'reported': 0.95,
        'train_seconds': 12.3,
        'config_hash': settings_hash(settings),
        'config': plain(settings),
    } | more


def fill(workdir, *lines, names='abc', claims=(), report='', calibrated_on=''):
    """A workdir whose config has rows of these names, with result lines for some of them."""
    config = base.get_config()
    config.report = report
    config.rows = tuple(base.row(name, {}, 0.95, calibrated_on=calibrated_on) for name in names)
    workdirs.acquire(workdir, config)
    if claims:
        path = workdir / 'config.json'
        path.write_text(json.dumps(json.loads(path.read_text()) | {'claims': claims}))
    for result in lines:
        result_lines.append(workdir, result)
    return workdir


def cells(text):
    """The rows of a Markdown table's cells, the rule below the heading left out."""
    rows = [row.split('|')[1:-1] for row in text.splitlines() if row.startswith('| ')]
    return [[cell.strip() for cell in row] for row in rows]


def history(epochs=3, seeds=3, start=0.5):
    """A history in which accuracies rise and losses fall by epoch and, a little, by seed."""
    rise = [[start + 0.1 * e + 0.01 * s for s in range(seeds)] for e in range(epochs)]
    fall = [[1 / (1 + value) for value in epoch] for epoch in rise]
    return {
        'train_loss': fall,
        'train_accuracy': rise,
        'validation_loss': fall,
        'validation_accuracy': rise,
    }


def add_predictions(workdir, row_name, labels, seeds=2, mistakes=3):
    """Saves predictions that are right but for the first few images; the result line's field."""
    probs = np.full((seeds, len(labels), 10), 0.01, np.float32)
    chosen = np.array(labels)
    chosen[:mistakes] = (chosen[:mistakes] + 1) % 10
    probs[:, np.arange(len(labels)), chosen] = 0.9 - 0.001 * np.arange(len(labels))
    workdir.mkdir(parents=True, exist_ok=True)
    return {'predictions': arrays.save(workdir, row_name, probs)}
