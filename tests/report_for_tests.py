"""Result lines and workdirs made by hand."""

import json

from configs import base
from fmnist_jax import results
from fmnist_jax.settings import plain, resolve, settings_hash


def line(name='a', accuracies=(0.90, 0.91, 0.92), **more):
    settings = resolve(base.get_config(), base.row(name, {}))
    return {
        'row': name,
        'dataset': 'fashion_mnist',
        'test_accuracy': list(accuracies),
        'reported': 0.95,
        'train_seconds': 12.3,
        'config_hash': settings_hash(settings),
        'config': plain(settings),
    } | more


def fill(workdir, *lines, names='abc', claims=()):
    """A workdir whose config has rows of these names, with result lines for some of them."""
    config = base.get_config()
    config.rows = tuple(base.row(name, {}, 0.95) for name in names)
    results.claim(workdir, config)
    if claims:
        path = workdir / 'config.json'
        path.write_text(json.dumps(json.loads(path.read_text()) | {'claims': claims}))
    for result in lines:
        results.append(workdir, result)
    return workdir


def cells(text):
    """The rows of a Markdown table's cells, the rule below the heading left out."""
    rows = [row.split('|')[1:-1] for row in text.splitlines() if row.startswith('| ')]
    return [[cell.strip() for cell in row] for row in rows]
