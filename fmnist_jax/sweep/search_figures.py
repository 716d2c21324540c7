"""Figures of a search, drawn by Optuna: history, importance of the fields, parallel coordinates."""

import contextlib
import pathlib
import warnings

from fmnist_jax.sweep import study as studies


def draw(study, folder):
    """Writes history.svg, importance.svg and parallel.svg; those that can be drawn.

    Args:
      study: Optuna's; importance and parallel coordinates need two complete trials that differ.
      folder: made if it is not there.

    Returns:
      The files' paths.
    """
    library = studies.optuna()
    import matplotlib

    matplotlib.use('agg')
    import matplotlib.pyplot as plt

    plots = {
        'history': library.visualization.matplotlib.plot_optimization_history,
        'importance': _importance,
        'parallel': library.visualization.matplotlib.plot_parallel_coordinate,
    }
    folder, files = pathlib.Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), matplotlib.rc_context({'svg.hashsalt': 'fmnist_jax'}):
        warnings.simplefilter('ignore', library.exceptions.ExperimentalWarning)
        warnings.simplefilter('ignore', UserWarning)  # a log axis without room
        for name, plot in plots.items():
            with contextlib.suppress(ValueError, RuntimeError):  # too few trials to compare
                axes = plot(study, target_name='validation accuracy')
                axes.figure.set_size_inches(9, 4.8)  # else labels lie on the colour bar
                path = folder / f'{name}.svg'
                axes.figure.savefig(path, bbox_inches='tight', metadata={'Date': None})
                files.append(path)
            plt.close('all')
    return files


def _importance(study, target_name):
    """By PED-ANOVA: how much more often good trials have some values than all trials do."""
    library = studies.optuna()
    evaluator = library.importance.PedAnovaImportanceEvaluator()
    plot = library.visualization.matplotlib.plot_param_importances
    return plot(study, evaluator=evaluator, target_name=target_name)
