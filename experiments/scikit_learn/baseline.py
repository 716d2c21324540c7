"""Trains scikit-learn's classifiers on the networks' splits, as report 002 (section 5) plans.

    pip install -e '.[sklearn]'
    python experiments/scikit_learn/baseline.py --num_seeds=3
    python -m fmnist_jax.report experiments/scikit_learn

Each seed trains on the same 54,000 images as a network with that seed, with pixels in [0, 1], and
is tested on all test images. The result lines have the same fields as those of networks, so the
claims of other configs can name the rows ('scikit_learn:random_forest').
"""

import pathlib
import sys
import time

import numpy as np
from ml_collections import ConfigDict

from fmnist_jax import report
from fmnist_jax.config.cli import Parser
from fmnist_jax.config.settings import plain, settings_hash
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.results import arrays, lines, provenance, workdirs

TITLE = "scikit-learn's classifiers"
NUM_VALIDATION = 6000  # held out as for report 002's networks, but not used


def classifiers():
    """{row: function that makes a classifier from a seed}; other arguments are the defaults."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import SGDClassifier
    from sklearn.neural_network import MLPClassifier

    return {
        # Logistic regression, trained by stochastic gradient descent.
        'logistic_regression': lambda seed: SGDClassifier(loss='log_loss', random_state=seed),
        'random_forest': lambda seed: RandomForestClassifier(n_jobs=-1, random_state=seed),
        'gradient_boosting': lambda seed: HistGradientBoostingClassifier(random_state=seed),
        # Report 002's network with its best optimizer: Adam 0.001, batches of 512, 40 epochs.
        'mlp': lambda seed: MLPClassifier(
            (400, 400), batch_size=512, alpha=0.0, max_iter=40, n_iter_no_change=40,
            random_state=seed,
        ),
    }  # fmt: skip


def table_config(rows, dataset_name, num_seeds):
    """The config of the table, for fmnist_jax.results.workdirs.acquire."""
    config = ConfigDict({
        'title': TITLE,
        'seed': 0,
        'num_seeds': num_seeds,
        'dataset': {'name': dataset_name, 'num_validation': NUM_VALIDATION},
    })  # fmt: skip
    config.rows = tuple({'name': row, 'reported': None} for row in rows)
    config.claims = ()
    return config


def train(make, dataset, seed):
    """Trains one classifier; returns (test probabilities [N, 10], seconds of training)."""
    indices, _ = datasets.split(len(dataset.train_labels), NUM_VALIDATION, seed)
    pixels = dataset.train_images[indices].reshape(len(indices), -1) / np.float32(255)
    classifier = make(seed)
    began = time.perf_counter()
    classifier.fit(pixels, dataset.train_labels[indices])
    seconds = time.perf_counter() - began
    test = dataset.test_images.reshape(len(dataset.test_labels), -1) / np.float32(255)
    return classifier.predict_proba(test), seconds


def result_line(row, config, dataset, seeds, trained, workdir):
    """Makes the result line of a row's seeds; saves their predictions."""
    probs = np.stack([probs for probs, _ in trained])
    correct = probs.argmax(-1) == dataset.test_labels
    likelihood = probs[:, np.arange(len(dataset.test_labels)), dataset.test_labels]
    losses = -np.log(np.maximum(likelihood, 1e-12)).mean(-1)
    return {
        'row': row,
        'model': row,
        'dataset': config.dataset.name,
        'seeds': list(seeds),
        'test_accuracy': correct.mean(-1).round(6).tolist(),
        'test_loss': losses.round(6).tolist(),
        'test_images': len(dataset.test_labels),
        'diverged': [False] * len(seeds),
        'tested_epoch': [None] * len(seeds),
        'confusion': arrays.confusion(probs, dataset.test_labels),
        'reported': None,
        'train_images': len(dataset.train_labels) - NUM_VALIDATION,
        'train_seconds': round(sum(seconds for _, seconds in trained), 2),
        'compile_seconds': 0.0,
        'history': {},
        'predictions': arrays.save(workdir, f'{row} seeds {seeds[0]} to {seeds[-1]}', probs),
        'ensemble_accuracy': arrays.ensemble_accuracy(probs, dataset.test_labels),
        'ensemble_seeds': len(seeds),
        'config_hash': settings_hash(config),
        'config': {name: v for name, v in plain(config).items() if name not in ('rows', 'claims')},
        'commit': provenance.code_commit(),
    }


def run(workdir, make, dataset, config, say):
    """Trains the rows and seeds that `workdir` does not have yet.

    Args:
      workdir: pathlib.Path.
      make: the result of `classifiers`, or a part of it.
      dataset: data.datasets.Dataset.
      config: the result of `table_config`.
      say: prints one line.
    """
    done = {result['row']: result for result in lines.read(workdir)}
    workdirs.acquire(workdir, config)
    for row, factory in make.items():
        have = len(done[row]['seeds']) if row in done else 0
        seeds = range(have, config.num_seeds)
        if not seeds:
            say(f'{row}: already trained')
            continue
        trained = []
        for seed in seeds:
            say(f'{row}: seed {seed} of {config.num_seeds}')
            trained.append(train(factory, dataset, seed))
        lines.append(workdir, result_line(row, config, dataset, seeds, trained, workdir))


def _options(argv):
    parser = Parser(description=__doc__)
    parser.add_argument('--num_seeds', type=int, default=3, help='seeds of every classifier (3)')
    parser.add_argument('--dataset', default='fashion_mnist', choices=('fashion_mnist', 'mnist'))
    parser.add_argument('--data_dir', help='the same as for fmnist_jax.main')
    parser.add_argument('--workdir', type=pathlib.Path, default=pathlib.Path(__file__).parent)
    options = parser.parse_args(argv)
    if options.num_seeds < 1:
        parser.error(f'--num_seeds={options.num_seeds}: expected 1 or more')
    return options


def main(argv=None):
    """Runs the command; returns the exit code (0 done, 2 user error, 130 Ctrl-C)."""
    options = _options(argv)

    def say(line):
        print(line, file=sys.stderr, flush=True)

    try:
        make = classifiers()
        config = table_config(make, options.dataset, options.num_seeds)
        run(options.workdir, make, datasets.load(options.dataset, options.data_dir), config, say)
        table = report.workdir_table(options.workdir)
        (options.workdir / 'table.md').write_text(table)
    except ImportError as error:
        say(f"error: {error}; install it: pip install -e '.[sklearn]'")
        return 2
    except (ConfigError, DataError, OSError) as error:
        say(f'error: {error}')
        return 2
    except KeyboardInterrupt:
        say('\nStopped. Finished rows are kept; run the same command again to resume.')
        return 130
    print(table)
    return 0


if __name__ == '__main__':
    sys.exit(main())
