"""All figures of a workdir, for files and for the page."""

import itertools

from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import mistakes, style
from fmnist_jax.report.figures.accuracy import accuracy_by_row
from fmnist_jax.report.figures.curves import learning_curves
from fmnist_jax.report.figures.network import architecture, response_maps


def draw(rows, workdir, data_dir=None):
    """([Figure], [why another one is left out]) of the Rows of a workdir. Fetches nothing.

    Raises:
      ConfigError: a damaged result line.
      DataError: damaged predictions, labels or images, which `arrays.labels_at_hand` looks for.
    """
    no_counts = 'no row has its counts (older result lines)'
    with style.look():
        surest, why_not = mistakes.surest_mistakes(rows, workdir, data_dir)
        figures = {
            'accuracy by row: no row has an accuracy': accuracy_by_row(rows),
            'learning curves, accuracy: no row has a history': learning_curves(rows, 'accuracy'),
            'learning curves, loss: no row has a history': learning_curves(rows, 'loss'),
            f'confusion matrix: {no_counts}': mistakes.confusion(rows),
            f'accuracy by class: {no_counts}': mistakes.class_accuracy(rows),
            f'mistakes: {why_not}': surest,
        }
    drawn = [figure for figure in figures.values() if figure is not None]
    return drawn, [reason for reason, figure in figures.items() if figure is None]


def draw_network(rows, workdir, data_dir=None):
    """`draw` of the best row's network: its layers, and its response maps if it was kept."""
    ranked = mistakes.by_accuracy(rows)
    if not ranked:
        return [], ['architecture: no row is run']
    with style.look():
        figures = {
            'architecture': architecture(ranked[0]),
            'response maps': response_maps(rows, workdir, data_dir),
        }
    left_out = [f'{name}: {why}' for name, (figure, why) in figures.items() if figure is None]
    return [figure for figure, _ in figures.values() if figure is not None], left_out


def learning_curves_of(result, quantity='accuracy'):
    """Plots the training and validation curves of a fit.fit.FitResult: a matplotlib Figure.

    Args:
      result: from `fit_seeds`.
      quantity: 'accuracy' or 'loss'.
    """
    seeds = f'{len(result.test_accuracy)} seeds'
    accuracies = tuple(result.test_accuracy.tolist())
    row = table_rows.Row(seeds, None, accuracies=accuracies, result={'history': result.history})
    with style.look():
        return learning_curves([row], quantity).plot


def write(workdir, data_dir=None, endings=('.svg',)):
    """Writes a workdir's figures to its folder `figures`; (paths, why others are left out)."""
    rows = table_rows.read(workdir)[1]
    figures, left_out = draw(rows, workdir, data_dir)
    of_network, why_not = draw_network(rows, workdir, data_dir)
    figures, left_out = figures + of_network, left_out + why_not
    folder, paths = workdir / 'figures', []
    for figure, ending in itertools.product(figures, endings):
        folder.mkdir(exist_ok=True)
        paths.append(folder / f'{figure.name}{ending}')
        style.save(figure.plot, paths[-1])
    return paths, left_out
