"""All figures of a workdir: drawn once, for files and for the page."""

from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.accuracy import accuracy_by_row
from fmnist_jax.report.figures.curves import learning_curves
from fmnist_jax.report.figures.mistakes import (
    best_predicted,
    class_accuracy,
    confusion,
    surest_mistakes,
)
from fmnist_jax.results import arrays


def draw(rows, workdir, data_dir=None):
    """([Drawing], [why another is left out]) of a workdir.

    Nothing is fetched: figures that need predictions, labels or images that are not at hand are
    left out.

    Args:
      rows: its rows.Row, in its order.
      workdir: its folder.
      data_dir: where the test images and labels are (`predictions.labels_at_hand`).

    Raises:
      ConfigError: a damaged result line.
      DataError: damaged predictions, labels or images.
    """
    with style.look():
        drawn = [accuracy_by_row(rows)]
        drawn += [learning_curves(rows, quantity) for quantity in ('accuracy', 'loss')]
        left_out = []
        if drawn[0] is None:
            left_out.append('accuracy by row: no row has an accuracy')
        if drawn[1] is None and drawn[2] is None:
            left_out.append('learning curves: no row has a history')
        predicted, why_not = best_predicted(rows, workdir, data_dir)
        if predicted is None:
            left_out.append(f'confusion matrix, accuracy by class, mistakes: {why_not}')
        else:
            drawn += [confusion(predicted), class_accuracy(predicted)]
            dataset = next(row.dataset for row in rows if row.name == predicted.name)
            images = arrays.images_at_hand(dataset, data_dir)
            if images is None:
                left_out.append(f'mistakes: the test images of {dataset} are not at hand')
            else:
                drawn.append(surest_mistakes(predicted, images))
    return [drawing for drawing in drawn if drawing is not None], left_out


def write(workdir, data_dir=None, endings=('.svg',)):
    """Writes a workdir's figures to its folder `figures`; (paths, why others are left out).

    Raises:
      ConfigError, DataError: as `draw` and `rows.read`.
      OSError: a file cannot be written.
    """
    _, rows = table_rows.read(workdir, data_dir)
    drawings, left_out = draw(rows, workdir, data_dir)
    folder = workdir / 'figures'
    folder.mkdir(exist_ok=True)
    paths = [folder / f'{d.name}{ending}' for d in drawings for ending in endings]
    for drawing in drawings:
        for ending in endings:
            style.save(drawing.figure, folder / f'{drawing.name}{ending}')
    return paths, left_out
