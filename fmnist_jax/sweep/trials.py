"""Trials of a search: which can train together, and how a group of them trains."""

from typing import Any, NamedTuple

import numpy as np

from fmnist_jax.config.settings import split_static
from fmnist_jax.fit.api import fit_trials


class Candidate(NamedTuple):
    """A trial and its settings."""

    trial: Any  # optuna.Trial
    settings: Any


def groups(candidates):
    """Lists of Candidates that one program can train: they differ in floats alone."""
    by_program = {}
    for candidate in candidates:
        by_program.setdefault(split_static(candidate.settings)[0], []).append(candidate)
    return list(by_program.values())


class Watch:
    """Reports the trials of a group to Optuna after every epoch, and stops hopeless ones.

    Args:
      group: Candidates.
      seeds: of each trial.
      epochs: of each trial; after the last epoch no trial is pruned.
    """

    def __init__(self, group, seeds, epochs):
        self._group, self._seeds, self._epochs = group, seeds, epochs
        self.pruned = np.zeros(len(group), bool)

    def stop(self, epoch, history):
        """bool [trials * seeds]: which seeds stop after this epoch."""
        accuracies, seeds = history['validation_accuracy'][-1], self._seeds
        for i, (trial, _) in enumerate(self._group):
            own = accuracies[i * seeds : (i + 1) * seeds]
            if self.pruned[i] or all(value is None for value in own):  # no seed trains any more
                continue
            trial.report(sum(value or 0.0 for value in own) / seeds, epoch)  # 0 if it diverged
            self.pruned[i] = epoch < self._epochs and trial.should_prune()
        return np.repeat(self.pruned, seeds)


def run_group(group, dataset, cache=None, progress=None, pretrained=None):
    """Trains the trials of a group together, without the test images; arguments as for fit.fit.

    Returns:
      A list with (mean validation accuracy, accuracy per seed, whether pruned) of each trial.
    """
    settings = group[0].settings
    watch = Watch(group, settings.num_seeds, settings.epochs)
    hparams = [split_static(candidate.settings)[1] for candidate in group]
    try:
        accuracy = fit_trials(settings, hparams, dataset, watch.stop, cache, progress, pretrained)
    finally:
        if progress:
            progress.close()
    means = [float(np.mean(np.nan_to_num(seeds))) for seeds in accuracy]
    return list(zip(means, accuracy.tolist(), watch.pruned.tolist(), strict=True))
