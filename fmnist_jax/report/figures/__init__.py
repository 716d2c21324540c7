"""All figures of a workdir, for files and for the page."""

from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.accuracy import accuracy_by_row
from fmnist_jax.report.figures.curves import learning_curves
from fmnist_jax.report.figures.mistakes import class_accuracy, confusion, surest_mistakes


def draw(rows, workdir, data_dir=None):
    """([Figure], [why another one is left out]) of a workdir. Fetches nothing.

    Args:
      rows: its [Row], in its order.
      workdir: its folder.
      data_dir: folder of the test images and labels (`arrays.labels_at_hand`).

    Raises:
      ConfigError: a damaged result line.
      DataError: damaged predictions, labels or images.
    """
    with style.look():
        mistakes, why_not = surest_mistakes(rows, workdir, data_dir)
        figures = {
            'accuracy by row: no row has an accuracy': accuracy_by_row(rows),
            'learning curves, accuracy: no row has a history': learning_curves(rows, 'accuracy'),
            'learning curves, loss: no row has a history': learning_curves(rows, 'loss'),
            'confusion matrix: no row has its counts (older result lines)': confusion(rows),
            'accuracy by class: no row has its counts (older result lines)': class_accuracy(rows),
            f'mistakes: {why_not}': mistakes,
        }
    drawn = [figure for figure in figures.values() if figure is not None]
    return drawn, [reason for reason, figure in figures.items() if figure is None]


def write(workdir, data_dir=None, endings=('.svg',)):
    """Writes a workdir's figures to its folder `figures`; (paths, why others are left out).

    Raises:
      ConfigError, DataError: as `draw` and `rows.read`.
      OSError: a file cannot be written.
    """
    _, rows = table_rows.read(workdir)
    figures, left_out = draw(rows, workdir, data_dir)
    folder = workdir / 'figures'
    folder.mkdir(exist_ok=True)
    paths = [folder / f'{figure.name}{ending}' for figure in figures for ending in endings]
    for figure in figures:
        for ending in endings:
            style.save(figure.plot, folder / f'{figure.name}{ending}')
    return paths, left_out
