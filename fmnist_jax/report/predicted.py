"""Whose mistakes the figures show, the best network's, and what is counted of them."""

import pathlib
from typing import NamedTuple

import numpy as np

from fmnist_jax.data.datasets import CLASS_NAMES
from fmnist_jax.errors import DataError
from fmnist_jax.results import arrays


class Predicted(NamedTuple):
    """A row's test predictions of the seeds that have finite ones."""

    name: str
    classes: tuple  # their names
    probabilities: np.ndarray  # float32 [S, N, 10]
    labels: np.ndarray  # int32 [N]

    def confusion(self):
        """How often each class (first axis) was taken for each: shares [10, 10] over all seeds.

        NaN for a class of which there is no test image.
        """
        size = len(self.classes)
        counts = np.zeros((size, size))
        for chosen in self.probabilities.argmax(-1):
            np.add.at(counts, (self.labels, chosen), 1)
        with np.errstate(invalid='ignore'):
            return counts / counts.sum(1, keepdims=True)

    def by_class(self):
        """Accuracy of every seed on every class: [S, 10], NaN for a class without images."""
        right = self.probabilities.argmax(-1) == self.labels
        columns = [right[:, self.labels == k] for k in range(len(self.classes))]
        missing = np.full(len(right), np.nan)
        return np.stack([c.mean(1) if c.size else missing for c in columns], 1)

    def surest_mistakes(self, number):
        """(image, predicted class, probability) of the mean prediction's mistakes, surest first."""
        mean = self.probabilities.mean(0, dtype=np.float64)
        chosen, chance = mean.argmax(-1), mean.max(-1)
        wrong = np.flatnonzero(chosen != self.labels)
        order = wrong[np.argsort(-chance[wrong], kind='stable')][:number]
        return [(int(i), int(chosen[i]), float(chance[i])) for i in order]


def best_predicted(rows, workdir, data_dir=None):
    """(Predicted of the most accurate row whose predictions are at hand, why there is none).

    Args:
      rows: rows.Row of a workdir.
      workdir: where their predictions lie.
      data_dir: where the test labels are, see `predictions.labels_at_hand`.

    Raises:
      DataError: damaged predictions or labels.
    """
    done = [row for row in rows if row.accuracy.count]
    if not done:
        return None, 'no row has been run'
    for row in sorted(done, key=lambda row: -row.accuracy.mean):
        paths = [pathlib.Path(workdir) / file for file in row.result.get('predictions') or ()]
        if not paths or not all(path.is_file() for path in paths):
            continue
        labels = arrays.labels_at_hand(row.dataset, data_dir)
        if labels is None:
            return None, f'the test labels of {row.dataset} are not at hand (see --data_dir)'
        chances = np.concatenate([arrays.load(path) for path in paths]).astype(np.float32)
        classes = CLASS_NAMES[row.dataset]
        if chances.shape[1:] != (len(labels), len(classes)):
            raise DataError(
                f'{paths[0]}: predictions of shape {list(chances.shape)}, expected '
                f'[seeds, {len(labels)}, {len(classes)}]; delete it, tables do without'
            )
        finite = np.isfinite(chances).all((1, 2))
        if finite.any():
            return Predicted(row.name, classes, chances[finite], labels), None
    return None, "no row's test predictions are at hand (predictions/ is left out of git)"
