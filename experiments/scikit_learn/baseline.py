"""Trains scikit-learn's classifiers on the networks' splits, as report 002 (section 5) plans.

    pip install -e '.[sklearn]'
    python experiments/scikit_learn/baseline.py --num_seeds=3
    python -m fmnist_jax.report experiments/scikit_learn

Report 002 asks whether the classifier that is most successful on MNIST is so on Fashion-MNIST, and
how it compares with the network. `RANKED` classifiers train on both data sets. Each seed trains on
the same 54,000 images as a network with that seed, with pixels in [0, 1], and is tested on all test
images. The result lines have the same fields as those of networks, so the claims of other configs
can name the rows ('scikit_learn:random_forest').

The support vector classifier comes last and keeps each seed on its own, because a seed takes ten
minutes or more on two cores.
"""

import functools
import pathlib
import sys
import time

import numpy as np
from ml_collections import ConfigDict

from fmnist_jax import report
from fmnist_jax.config.cli import Parser, say
from fmnist_jax.config.settings import plain, settings_hash
from fmnist_jax.config.table import claim
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.results import arrays, lines, provenance, workdirs

TITLE = "scikit-learn's classifiers"
NUM_VALIDATION = 6000  # held out as for report 002's networks, but not used
RANKED = ('knn', 'lda', 'ridge', 'random_forest', 'gradient_boosting', 'svc')
# Declared before the rows were run: Xiao et al. (2017) also find it best on both data sets.
BEST_ON_MNIST = 'svc'
_OTHERS = [name for name in RANKED if name != BEST_ON_MNIST]
CLAIMS = (
    claim(
        'Ours: the support vector classifier is the most successful on MNIST',
        *[(f'mnist_{BEST_ON_MNIST}', f'mnist_{name}') for name in _OTHERS],
    ),
    claim(
        'Ours: the most successful classifier on MNIST is so on Fashion-MNIST, too',
        *[(BEST_ON_MNIST, name) for name in _OTHERS],
    ),
    claim(
        "Ours: report 002's best network is better than that classifier on Fashion-MNIST",
        ('fcn_optimizers:adam_0.001', BEST_ON_MNIST),
    ),
)


def classifiers():
    """{name: function that makes a classifier from a seed}; other arguments are the defaults."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import RidgeClassifier, SGDClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

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
        # The seed of these four decides only the split.
        'knn': lambda seed: KNeighborsClassifier(n_jobs=-1),
        'lda': lambda seed: LinearDiscriminantAnalysis(),
        'ridge': lambda seed: RidgeClassifier(),
        'svc': lambda seed: SVC(cache_size=1000),
    }  # fmt: skip


def table_rows(names):
    """{row: (data set, classifier)}: the classifiers on Fashion-MNIST, the ranked ones on MNIST."""
    rows = {name: ('fashion_mnist', name) for name in names}
    rows |= {f'mnist_{name}': ('mnist', name) for name in names if name in RANKED}
    return dict(sorted(rows.items(), key=lambda item: item[1][1] == 'svc'))  # the slow one last


def table_config(rows, num_seeds):
    """The config of the table, for fmnist_jax.results.workdirs.acquire."""
    config = ConfigDict({
        'title': TITLE,
        'seed': 0,
        'num_seeds': num_seeds,
        'dataset': {'name': 'fashion_mnist', 'num_validation': NUM_VALIDATION},
    })  # fmt: skip
    config.rows = tuple({'name': row, 'reported': None} for row in rows)
    config.claims = CLAIMS if set(table_rows(RANKED)) <= set(rows) else ()
    return config


def train(make, dataset, seed):
    """Trains one classifier.

    Returns:
      (test probabilities [N, 10], seconds of training). Of a classifier without probabilities
      (ridge, svc), 1 for the predicted class.
    """
    indices, _ = datasets.split(len(dataset.train_labels), NUM_VALIDATION, seed)
    pixels = dataset.train_images[indices].reshape(len(indices), -1) / np.float32(255)
    classifier = make(seed)
    began = time.perf_counter()
    classifier.fit(pixels, dataset.train_labels[indices])
    seconds = time.perf_counter() - began
    test = dataset.test_images.reshape(len(dataset.test_labels), -1) / np.float32(255)
    if hasattr(classifier, 'predict_proba'):
        return classifier.predict_proba(test), seconds
    return np.eye(10)[classifier.predict(test)], seconds


def result_line(row, config, dataset, seeds, trained, workdir):
    """Makes the result line of a row's seeds; saves their predictions if they are probabilities.

    `config` has the row's data set.
    """
    probs = np.stack([probs for probs, _ in trained])
    correct = probs.argmax(-1) == dataset.test_labels
    likelihood = probs[:, np.arange(len(dataset.test_labels)), dataset.test_labels]
    losses = (-np.log(np.maximum(likelihood, 1e-12)).mean(-1)).round(6).tolist()
    saved = None
    if np.isin(probs, (0, 1)).all():
        losses = [None] * len(losses)
    else:
        saved = arrays.save(workdir, f'{row} seeds {seeds[0]} to {seeds[-1]}', probs)
    fields = {name: v for name, v in plain(config).items() if name not in ('rows', 'claims')}
    return {
        'row': row,
        'model': row.removeprefix('mnist_'),
        'dataset': config.dataset.name,
        'seeds': list(seeds),
        'test_accuracy': correct.mean(-1).round(6).tolist(),
        'test_loss': losses,
        'test_images': len(dataset.test_labels),
        'diverged': [False] * len(seeds),
        'tested_epoch': [None] * len(seeds),
        'confusion': arrays.confusion(probs, dataset.test_labels),
        'reported': None,
        'train_images': len(dataset.train_labels) - NUM_VALIDATION,
        'train_seconds': round(sum(seconds for _, seconds in trained), 2),
        'compile_seconds': 0.0,
        'history': {},
        'predictions': saved,
        'ensemble_accuracy': arrays.ensemble_accuracy(probs, dataset.test_labels),
        'ensemble_seeds': len(seeds),
        'config_hash': settings_hash(config),
        'config': fields,
        'commit': provenance.code_commit(),
    }


def run(workdir, make, load, config, say):
    """Trains the rows and seeds that `workdir` does not have yet.

    Args:
      workdir: pathlib.Path.
      make: the result of `classifiers`, or a part of it.
      load: function from a data set's name to its data.datasets.Dataset.
      config: the result of `table_config`.
      say: prints one line.
    """
    done = {result['row']: result for result in lines.read(workdir)}
    workdirs.acquire(workdir, config)
    for row, (dataset_name, name) in table_rows(make).items():
        have = len(done[row]['seeds']) if row in done else 0
        seeds = range(have, config.num_seeds)
        if not seeds:
            say(f'{row}: already trained')
            continue
        dataset, of_row = load(dataset_name), config.copy_and_resolve_references()
        of_row.dataset.name = dataset_name
        for part in [[seed] for seed in seeds] if name == 'svc' else [seeds]:
            trained = []
            for seed in part:
                say(f'{row}: seed {seed} of {config.num_seeds}')
                trained.append(train(make[name], dataset, seed))
            lines.append(workdir, result_line(row, of_row, dataset, part, trained, workdir))


def _options(argv):
    parser = Parser(description=__doc__)
    parser.add_argument('--num_seeds', type=int, default=3, help='seeds of every classifier (3)')
    parser.add_argument('--data_dir', help='the same as for fmnist_jax.main')
    parser.add_argument('--workdir', type=pathlib.Path, default=pathlib.Path(__file__).parent)
    options = parser.parse_args(argv)
    if options.num_seeds < 1:
        parser.error(f'--num_seeds={options.num_seeds}: expected 1 or more')
    return options


def main(argv=None):
    """Runs the command; returns the exit code (0 done, 2 user error, 130 Ctrl-C)."""
    options = _options(argv)

    try:
        make = classifiers()
        config = table_config(table_rows(make), options.num_seeds)

        @functools.cache
        def load(name):
            return datasets.load(name, options.data_dir)

        run(options.workdir, make, load, config, say)
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
