"""Trials a minute: one by one, with programs shared, and together; writes table.md beside it.

    python experiments/search/throughput.py

The same eight trials (learning rates) of one epoch on Fashion-MNIST, three ways in turn, three
times; keep the machine idle. `alone`: each trial compiles its program anew, as a search does that
writes its hyper-parameters into the program; `shared`: one after the other, but learning rates are
arguments of one compiled program; `together`: all in one call, as fmnist_jax.search does.
"""

import pathlib
import statistics
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from configs import base  # noqa: E402
from fmnist_jax.config import machine  # noqa: E402
from fmnist_jax.config.settings import resolve, split_static  # noqa: E402
from fmnist_jax.data import datasets  # noqa: E402
from fmnist_jax.fit.api import fit_trials  # noqa: E402
from fmnist_jax.markdown import markdown, significant  # noqa: E402

TRIALS, ROUNDS = 8, 3
MODELS = ('fcn', 'lenet5')


def _one_by_one(settings, numbers, dataset, cache_of):
    for one in numbers:
        fit_trials(settings, [one], dataset, cache=cache_of())


def ways(settings, numbers, dataset):
    """{name: what runs all trials}."""
    shared = {}
    return {
        'alone': lambda: _one_by_one(settings, numbers, dataset, dict),
        'shared': lambda: _one_by_one(settings, numbers, dataset, lambda: shared),
        'together': lambda: fit_trials(settings, numbers, dataset, cache={}),
    }


def measure(model, dataset):
    """Trials a minute of each way: {name: [one a round]}."""
    change = {'model.name': model, 'epochs': 1, 'num_seeds': 1, 'optimizer.name': 'adam'}
    settings = resolve(base.get_config(), base.row('trial', change))
    _, first = split_static(settings)
    rates = np.geomspace(1e-4, 1e-2, TRIALS)
    numbers = [first | {'optimizer.learning_rate': float(rate)} for rate in rates]
    found = {}
    for _ in range(ROUNDS):
        for name, run in ways(settings, numbers, dataset).items():
            began = time.perf_counter()
            run()
            found.setdefault(name, []).append(60 * TRIALS / (time.perf_counter() - began))
            print(f'{model} {name}: {found[name][-1]:.1f} trials a minute', file=sys.stderr)
    return found


def main():
    """Measures and writes the table."""
    machine.set_up()  # without the folder of compiled programs: every compilation counts
    dataset = datasets.load('fashion_mnist')
    rows = []
    for model in MODELS:
        found = {
            name: statistics.median(values) for name, values in measure(model, dataset).items()
        }
        rows.append(
            (
                model,
                *[significant(found[name]) for name in ('alone', 'shared', 'together')],
                f'{found["together"] / found["alone"]:.2f}',
                f'{found["together"] / found["shared"]:.2f}',
            )
        )
    heading = ('network', 'alone', 'shared', 'together', 'together / alone', 'together / shared')
    (HERE / 'table.md').write_text(
        f'# Trials a minute\n\n{TRIALS} trials of one epoch, {machine.cores()} CPU cores, '
        f'medians of {ROUNDS}\nrounds (`python experiments/search/throughput.py`, where the '
        f'words are explained).\n\n{markdown(heading, rows)}'
    )


if __name__ == '__main__':
    main()
