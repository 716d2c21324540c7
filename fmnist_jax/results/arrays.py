"""Test predictions of every seed of a row: their file, their ensemble, their confusion matrices.

Report 000 names bagging as too expensive. The seeds of a row are such an ensemble: each has its own
training images and initialization, and their mean probabilities cost nothing more.
"""

import io
import os
import pathlib

import numpy as np

from fmnist_jax import files
from fmnist_jax.data import datasets
from fmnist_jax.errors import DataError, one_line


def save(workdir, row_name, probabilities):
    """Writes probabilities [S, test images, 10] as float16; returns the path within the workdir.

    Float16 may change the accuracy of an ensemble by an image or two.
    """
    path = pathlib.Path('predictions') / f'{files.file_name(row_name)}.npz'
    (workdir / path).parent.mkdir(exist_ok=True)
    packed = io.BytesIO()
    np.savez_compressed(packed, probabilities=probabilities.astype(np.float16))
    files.write(workdir / path, packed.getvalue())
    return str(path)


def load(path):
    """The probabilities that `save` wrote: float16 [S, test images, 10].

    Raises:
      DataError: the file is damaged.
    """
    try:
        with np.load(path) as file:
            probabilities = file['probabilities']
        if probabilities.ndim != 3 or probabilities.shape[2] != 10 or not probabilities.size:
            raise ValueError(f'shape {probabilities.shape}')
        if probabilities.dtype != np.float16:
            raise ValueError(f'numbers of type {probabilities.dtype}')
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged files
        raise DataError(
            f'{path}: not the predictions of a row ({type(error).__name__}: {one_line(error)}); '
            'delete it, tables do without'
        ) from error
    return probabilities


def ensemble(probabilities):
    """The mean probabilities of the seeds, without seeds that have a NaN or an infinity.

    Args:
      probabilities: [S, N, 10].

    Returns:
      float64 [N, 10]; None for fewer than two finite seeds.
    """
    finite = np.isfinite(probabilities).all((1, 2))
    return probabilities[finite].mean(0, dtype=np.float64) if finite.sum() > 1 else None


def ensemble_accuracy(probabilities, labels):
    """Accuracy of the `ensemble`. Probabilities of the sigmoid loss do not sum to 1.

    Args:
      probabilities: [S, N, 10].
      labels: [N] int.

    Returns:
      A fraction; None without an ensemble.

    Raises:
      DataError: the numbers of images and labels differ.
    """
    if probabilities.shape[1] != len(labels):
        raise DataError(
            f'predictions for {probabilities.shape[1]} images, but {len(labels)} test labels'
        )
    mean = ensemble(probabilities)
    return None if mean is None else float((mean.argmax(-1) == labels).mean())


def confusion(scores, labels):
    """The confusion matrix of each seed.

    Args:
      scores: logits or probabilities [S, N, 10].
      labels: [N] int.

    Returns:
      A list of 10 lists of 10 ints for each seed: rows are true classes, columns predicted ones.
      None for a seed with a NaN or an infinity.
    """

    def one_seed(scores):
        if not np.isfinite(scores).all():
            return None
        pairs = 10 * np.asarray(labels) + scores.argmax(-1)
        return np.bincount(pairs, minlength=100).reshape(10, 10).tolist()

    return [one_seed(seed) for seed in scores]


def labels_at_hand(dataset_name, data_dir=None):
    """The test labels of a data set, int32 [N], without a download; None if not on this disk.

    Looks in `data_dir`, else in FMNIST_DATA_DIR, else in the cache.

    Raises:
      DataError: a folder that was named lacks them, or they are damaged.
    """
    if dataset_name == 'synthetic':
        return datasets.load('synthetic').test_labels
    labels = _test_file_at_hand(dataset_name, 3, data_dir)
    return None if labels is None else labels.astype(np.int32)


def images_at_hand(dataset_name, data_dir=None):
    """The test images of a data set, uint8 [N, 28, 28]: see `labels_at_hand`."""
    if dataset_name == 'synthetic':
        return datasets.load('synthetic').test_images
    return _test_file_at_hand(dataset_name, 2, data_dir)


def _test_file_at_hand(dataset_name, number, data_dir):
    """The array of data.FILES[number], or None if it is not in the cache and no folder is named."""
    named = data_dir or os.environ.get('FMNIST_DATA_DIR')
    folder = files.local_path(named) if named else datasets.cache_directory()
    path = datasets.find_file(folder / dataset_name, datasets.FILES[number])
    if not named and not path.is_file():
        return None
    return datasets.read_idx(path, datasets.MD5[dataset_name][path.name])
