"""Test predictions of every seed of a row: their file, their ensemble, their confusion matrices.

Report 000 names bagging as too expensive; the mean of the seeds' probabilities costs nothing more.
"""

import contextlib
import io
import os
import pathlib

import numpy as np

from fmnist_jax import files
from fmnist_jax.data import catalog, datasets
from fmnist_jax.errors import DataError, one_line


def save(workdir, row_name, probabilities):
    """Writes probabilities [S, test images, K] as float16; returns the path within the workdir.

    Float16 may change the accuracy of an ensemble by an image or two.
    """
    path = pathlib.Path('predictions') / f'{files.file_name(row_name)}.npz'
    (workdir / path).parent.mkdir(exist_ok=True)
    packed = io.BytesIO()
    np.savez_compressed(packed, probabilities=probabilities.astype(np.float16))
    files.write(workdir / path, packed.getvalue())
    return str(path)


def load(path):
    """The probabilities that `save` wrote: float16 [S, test images, K]; DataError if damaged."""
    try:
        with np.load(path) as file:
            probabilities = file['probabilities']
        shape, kind = probabilities.shape, probabilities.dtype
        if len(shape) != 3 or 0 in shape or kind != np.float16:
            raise ValueError(f'{kind} of shape {shape}')
        return probabilities
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged files
        raise DataError(
            f'{path}: not the predictions of a row ({type(error).__name__}: {one_line(error)}); '
            'delete it, tables do without'
        ) from error


def ensemble(probabilities):
    """The mean over the finite seeds of [S, N, K]: float64 [N, K]; None for fewer than two."""
    finite = np.isfinite(probabilities).all((1, 2))
    return probabilities[finite].mean(0, dtype=np.float64) if finite.sum() > 1 else None


def ensemble_accuracy(probabilities, labels):
    """Accuracy of the `ensemble`, a fraction; None without one."""
    if probabilities.shape[1] != len(labels):
        raise DataError(
            f'predictions for {probabilities.shape[1]} images, but {len(labels)} test labels'
        )
    mean = ensemble(probabilities)
    return None if mean is None else float((mean.argmax(-1) == labels).mean())


def confusion(scores, labels):
    """The confusion matrix of each seed: lists, a row for a true class; None if it has diverged."""
    classes = scores.shape[-1]
    pairs = classes * np.asarray(labels) + scores.argmax(-1)
    return [
        np.bincount(pair, minlength=classes**2).reshape(classes, classes).tolist()
        if finite
        else None
        for pair, finite in zip(pairs, np.isfinite(scores).all((1, 2)), strict=True)
    ]


BATCH = 256  # test images; report 002's ± fits the spread of the accuracy over such batches


def batch_accuracy(scores, labels):
    """Each seed's mean and standard deviation of the accuracy over batches of `BATCH` images.

    The images keep their order; the last batch may be smaller and counts like the others. NaN for a
    seed that has diverged.

    Args:
      scores: [S, N, K].
      labels: [N].

    Returns:
      Two arrays [S].
    """
    scores = np.asarray(scores)
    right = (scores.argmax(-1) == np.asarray(labels)).astype(float)
    right[~np.isfinite(scores).all((1, 2))] = np.nan
    cuts = range(BATCH, right.shape[1], BATCH)
    batches = np.stack([batch.mean(1) for batch in np.split(right, cuts, axis=1)])
    return batches.mean(0), batches.std(0, ddof=min(1, len(batches) - 1))


def labels_at_hand(source, data_dir=None, fingerprint=0):
    """The test labels of a data set, int32 [N], without a download; None if not in the cache.

    Args:
      source: data.catalog.source of a row's settings.
      data_dir: folder of the data sets; default: FMNIST_DATA_DIR. Own images are there or nowhere.
      fingerprint: of own images, if known (dataset.fingerprint): others are not at hand.

    Raises:
      DataError: a named folder lacks the data set, or it is damaged.
    """
    labels = _at_hand('test_labels', source, data_dir, fingerprint)
    return None if labels is None else labels.astype(np.int32)


def images_at_hand(source, data_dir=None, fingerprint=0):
    """The test images of a data set, uint8 [N, H, W] or [N, H, W, 3]: see `labels_at_hand`."""
    return _at_hand('test_images', source, data_dir, fingerprint)


def _at_hand(field, source, data_dir, fingerprint):
    """A field of datasets.Dataset, or None if it is not in the cache and no folder is named."""
    if isinstance(source, catalog.Own):
        return getattr(_own(data_dir, source, fingerprint), field, None)
    if source == 'synthetic':
        return getattr(datasets.load('synthetic'), field)
    named = data_dir or os.environ.get('FMNIST_DATA_DIR')
    parent = files.local_path(named) if named else datasets.cache_directory()
    folder = datasets.folder_of(source, parent)
    if source not in datasets.MD5:
        published = datasets.files_of(source)
        is_there = all(datasets.find_file(folder, file).is_file() for file in published)
        return getattr(datasets.read(source, parent), field) if named or is_there else None
    file = datasets.FILES[datasets.Dataset._fields.index(field)]
    path = datasets.find_file(folder, file)
    if named or path.is_file():
        return datasets.read_idx(path, datasets.MD5[source][path.name])
    return None


def _own(data_dir, source, fingerprint):
    """The Dataset of own images; None if they are not in `data_dir`."""
    from fmnist_jax.data import own  # imports SciPy's image filters, which most commands never use

    with contextlib.suppress(DataError):
        images = own.read(data_dir, *source) if data_dir else None
        return images.dataset if images and fingerprint in (0, images.fingerprint) else None
    return None
