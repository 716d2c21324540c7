"""Lists pairs of a test image and a training image that are nearly the same; writes pairs.csv.

    python experiments/near_duplicates/find.py

Two images are near-duplicates if the correlation of their pixels is at least 0.98, as they are or
with one of them mirrored. Other work looks for them in Fashion-MNIST, too: Geier (2019),
arXiv:1906.08255. The search compares all 600 million pairs, as matrix products: a minute or two on
two CPU cores.
"""

import csv
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from fmnist_jax.config.cli import Parser, exit_code, fraction, path, say  # noqa: E402
from fmnist_jax.data import datasets  # noqa: E402

THRESHOLD = 0.98
COLUMNS = ('test', 'train', 'correlation', 'mirrored')
_BLOCK = 500  # test images of a matrix product


def normalized(images):
    """Images [N, H, W] as rows of mean 0 and length 1, float32: products are correlations."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def find(train_images, test_images, threshold=THRESHOLD, say=lambda line: None):
    """Near-duplicates among images uint8 [N, H, W] and [M, H, W].

    Returns:
      [(test index, training index, correlation, 1 if one of them is mirrored else 0)], in the order
      of the test images, the most similar first.
    """
    train = normalized(train_images)
    pairs = []
    for start in range(0, len(test_images), _BLOCK):
        block = test_images[start : start + _BLOCK]
        upright = normalized(block) @ train.T
        mirrored = normalized(block[:, :, ::-1]) @ train.T
        best = np.maximum(upright, mirrored)
        for test, other in zip(*np.nonzero(best >= threshold), strict=True):
            is_mirrored = int(mirrored[test, other] > upright[test, other])
            correlation = round(float(best[test, other]), 4)
            pairs.append((start + int(test), int(other), correlation, is_mirrored))
        say(f'{min(start + _BLOCK, len(test_images))} of {len(test_images)} test images')
    return sorted(pairs, key=lambda pair: (pair[0], -pair[2], pair[1]))


def read(file=HERE / 'pairs.csv'):
    """The pairs of a file that this command wrote: {column: array}."""
    values = np.loadtxt(file, delimiter=',', skiprows=1, ndmin=2)
    columns = dict(zip(COLUMNS, values.T, strict=True))
    return columns | {name: columns[name].astype(int) for name in ('test', 'train', 'mirrored')}


def _main(arguments):
    parser = Parser(description=__doc__)
    parser.add_argument('--threshold', type=fraction, default=THRESHOLD, help='correlation (0.98)')
    parser.add_argument('--data_dir', type=path, help='as for fmnist_jax.main')
    parser.add_argument('--to', type=path, default=HERE / 'pairs.csv')
    options = parser.parse_args(arguments)
    dataset = datasets.load('fashion_mnist', options.data_dir)
    pairs = find(dataset.train_images, dataset.test_images, options.threshold, say)
    with open(options.to, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(COLUMNS)
        writer.writerows(pairs)
    tests, trains = ({pair[k] for pair in pairs} for k in (0, 1))
    print(f'{len(pairs)} pairs: {len(tests)} test images, {len(trains)} training images')


def main(arguments=None):
    """The command; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    sys.exit(main())
