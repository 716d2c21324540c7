"""Measures trials per minute for three ways to run them; writes table.md.

    python experiments/search/throughput.py

The script runs the same eight trials (learning rates, one epoch on Fashion-MNIST) in three ways and
repeats all of it three times. Keep the machine idle.

alone: each trial compiles its own program, as if hyper-parameters were constants of the program.
shared: one trial after the other; the learning rate is an argument of one compiled program.
together: one call trains all trials, as fmnist_jax.search does.
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
from fmnist_jax.config.cli import Parser  # noqa: E402
from fmnist_jax.config.settings import resolve, split_static  # noqa: E402
from fmnist_jax.data import datasets  # noqa: E402
from fmnist_jax.fit.api import fit_trials  # noqa: E402
from fmnist_jax.markdown import markdown, significant  # noqa: E402

TRIALS, ROUNDS = 8, 3
MODELS = ('fcn', 'lenet5')


def _one_by_one(settings, trials, dataset, make_cache):
    for hparams in trials:
        fit_trials(settings, [hparams], dataset, cache=make_cache())


def ways(settings, trials, dataset):
    """{name: function that runs all trials}."""
    shared = {}
    return {
        'alone': lambda: _one_by_one(settings, trials, dataset, dict),
        'shared': lambda: _one_by_one(settings, trials, dataset, lambda: shared),
        'together': lambda: fit_trials(settings, trials, dataset, cache={}),
    }


def measure(model, dataset):
    """Trials per minute of each way: {name: [one number per round]}."""
    change = {'model.name': model, 'epochs': 1, 'num_seeds': 1, 'optimizer.name': 'adam'}
    settings = resolve(base.get_config(), base.row('trial', change))
    _, hparams = split_static(settings)
    rates = np.geomspace(1e-4, 1e-2, TRIALS)
    trials = [hparams | {'optimizer.learning_rate': float(rate)} for rate in rates]
    per_minute = {}
    for _ in range(ROUNDS):
        for name, run in ways(settings, trials, dataset).items():
            began = time.perf_counter()
            run()
            rate = 60 * TRIALS / (time.perf_counter() - began)
            per_minute.setdefault(name, []).append(rate)
            print(f'{model} {name}: {rate:.1f} trials per minute', file=sys.stderr)
    return per_minute


def main(argv=None):
    """Measures all ways and writes the table."""
    Parser(description=__doc__).parse_args(argv)  # no flags: refuses what it would ignore
    machine.set_up()  # no compilation cache on disk, so every compilation counts
    dataset = datasets.load('fashion_mnist')
    rows = []
    for model in MODELS:
        rates = measure(model, dataset)
        alone, shared, together = (
            statistics.median(rates[name]) for name in ('alone', 'shared', 'together')
        )
        rows.append([
            model,
            significant(alone),
            significant(shared),
            significant(together),
            f'{together / alone:.2f}',
            f'{together / shared:.2f}',
        ])  # fmt: skip
    heading = ('network', 'alone', 'shared', 'together', 'together / alone', 'together / shared')
    (HERE / 'table.md').write_text(
        f'# Trials per minute\n\n{TRIALS} trials of one epoch, {machine.cores()} CPU cores, '
        f'medians of {ROUNDS} rounds.\n`experiments/search/throughput.py` explains the columns '
        f'and makes this table.\n\n{markdown(heading, rows)}'
    )


if __name__ == '__main__':
    main()
