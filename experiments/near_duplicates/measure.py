"""How much of the accuracy is memory: trains with and without near-duplicates; writes table.md.

    python experiments/near_duplicates/measure.py --num_seeds=5

find.py lists the near-duplicates in pairs.csv. Report 002's best row trains twice: without the
training images that are near-duplicates of a test image, and without as many other training images
of the same classes. The second network has seen the near-duplicates, and as many images. So the
difference on the test images that have near-duplicates is what memory gains.
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from experiments.near_duplicates import find  # noqa: E402
from fmnist_jax.config.cli import Parser, exit_code, path, whole  # noqa: E402
from fmnist_jax.config.settings import resolve  # noqa: E402
from fmnist_jax.config.table import load_config  # noqa: E402
from fmnist_jax.data import datasets  # noqa: E402
from fmnist_jax.errors import ConfigError  # noqa: E402
from fmnist_jax.fit.api import fit_seeds  # noqa: E402
from fmnist_jax.markdown import interval, markdown, percent  # noqa: E402
from fmnist_jax.results.networks import predict_images  # noqa: E402
from fmnist_jax.results.statistics import contrast, summarize  # noqa: E402

CONFIG, ROW = 'fcn_optimizers', 'adam_0.001'
_STRICTER = (0.985, 0.99)  # other thresholds


def others(labels, indices, seed=0):
    """As many other indices as `indices`, of the same labels, drawn at random and sorted."""
    rng = np.random.default_rng(seed)
    rest = np.delete(np.arange(len(labels)), indices)
    return np.sort(
        np.concatenate([
            rng.choice(rest[labels[rest] == label], count, replace=False)
            for label, count in zip(*np.unique(labels[indices], return_counts=True), strict=True)
        ])
    )  # fmt: skip


def right_without(settings, dataset, indices):
    """Trains without these training images; bool [S, N]: which test images each seed gets right."""
    dataset = dataset._replace(
        train_images=np.delete(dataset.train_images, indices, 0),
        train_labels=np.delete(dataset.train_labels, indices),
    )
    result = fit_seeds(settings, dataset)
    probs = predict_images(settings, result.variables, dataset.test_images)
    return probs.argmax(-1) == dataset.test_labels


def _cell(values):
    summary = summarize(values)
    return f'{percent(summary.mean)} ± {percent(summary.std)}'


def page(with_pairs, without, pairs, command):
    """The page.

    Args:
      with_pairs, without: bool [S, N], right answers of networks that trained with and without the
        near-duplicates.
      pairs: the result of find.read.
      command: what made the page.
    """
    everything = np.arange(with_pairs.shape[1])
    similar = np.unique(pairs['test'])
    groups = {
        'all test images': everything,
        'with a near-duplicate': similar,
        'without': np.delete(everything, similar),
    }
    cells = []
    for name, group in groups.items():
        seen, unseen = with_pairs[:, group].mean(1), without[:, group].mean(1)
        gain = contrast((1, -1), (seen, unseen))
        gained = f'{100 * gain.difference:+.2f}'
        cells.append(
            [name, str(len(group)), _cell(seen), _cell(unseen), gained, interval(gain.interval)]
        )
    heading = ['test images', 'number', 'trained with', 'trained without', 'memory', 'interval']
    stricter = []
    for threshold in (find.THRESHOLD, *_STRICTER):
        group = np.unique(pairs['test'][pairs['correlation'] >= threshold])
        left = np.delete(everything, group)
        stricter.append(
            [f'{threshold:g}', str(len(group)), _cell(with_pairs[:, left].mean(1)),
             _cell(with_pairs[:, group].mean(1))]
        )  # fmt: skip
    cut = ['correlation at least', 'test images', 'accuracy without them', 'accuracy on them']
    trained = len(np.unique(pairs['train']))
    return f"""# Near-duplicates

{len(pairs['test'])} pairs of a test and a training image of Fashion-MNIST are nearly the same: the
correlation of their pixels is {find.THRESHOLD} or more, as they are or mirrored.
{len(similar)} test images and {trained} training images are in such pairs.
`find.py` lists them in [pairs.csv](pairs.csv).

Report 002's best row, {len(with_pairs)} seeds, by `{command}`:

{markdown(heading, cells)}
- Accuracy in %, mean ± sd over seeds.
- *trained without*: without the training images of all pairs.
- *trained with*: with them, but without as many other images of the same classes.
- *memory*: the difference in points, and its 95 % interval (Welch).

If the near-duplicates stay in training and leave the test set instead:

{markdown(cut, stricter)}"""


def _main(arguments):
    parser = Parser(description=__doc__)
    parser.add_argument('--num_seeds', type=whole(1), default=5, help='(5)')
    parser.add_argument('--epochs', type=whole(1), help="default: the row's")
    parser.add_argument('--data_dir', type=path, help='as for fmnist_jax.main')
    parser.add_argument('--pairs', type=path, default=HERE / 'pairs.csv')
    parser.add_argument('--to', type=path, default=HERE / 'table.md')
    options = parser.parse_args(arguments)
    config = load_config(str(HERE.parent.parent / 'configs' / f'{CONFIG}.py'))
    (row,) = [row for row in config.rows if row['name'] == ROW]
    settings = resolve(config, row)
    settings.num_seeds = options.num_seeds
    settings.epochs = options.epochs or settings.epochs
    dataset = datasets.load('fashion_mnist', options.data_dir)
    pairs = find.read(options.pairs)
    if len(pairs['test']) == 0:
        raise ConfigError(f'{options.pairs}: no pairs; run find.py')
    indices = np.unique(pairs['train'])
    with_pairs = right_without(settings, dataset, others(dataset.train_labels, indices))
    without = right_without(settings, dataset, indices)
    command = f'python experiments/near_duplicates/measure.py --num_seeds={options.num_seeds}'
    if options.epochs:
        command += f' --epochs={options.epochs}'
    text = page(with_pairs, without, pairs, command)
    options.to.write_text(text, encoding='utf-8')
    print(text)


def main(arguments=None):
    """The command; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    sys.exit(main())
