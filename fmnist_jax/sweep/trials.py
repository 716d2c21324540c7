"""Trials of a search: which can be trained together, and how a group of them is trained."""

from typing import Any, NamedTuple

import numpy as np

from fmnist_jax.config.settings import split_static


class Candidate(NamedTuple):
    """A trial and the settings it asks for."""

    trial: Any  # optuna.Trial
    settings: Any


def groups(candidates):
    """Candidates that one program can train: lists of those that differ in numbers alone."""
    found = {}
    for candidate in candidates:
        found.setdefault(split_static(candidate.settings)[0], []).append(candidate)
    return list(found.values())


class Watch:
    """Reports every trial of a group to Optuna after each epoch, and stops the hopeless.

    Args:
      group: Candidates; seeds: of each; epochs: after the last one a trial is complete, however
        bad: there is nothing left to save.
    """

    def __init__(self, group, seeds, epochs):
        self._group, self._seeds, self._epochs = group, seeds, epochs
        self.pruned = np.zeros(len(group), bool)

    def stop(self, epoch, history):
        """bool [trials * seeds]: which replicas are to stop after this epoch."""
        for i, value in enumerate(_by_trial(history['validation_accuracy'][-1], self._seeds)):
            trial = self._group[i].trial
            if self.pruned[i] or value is None:  # None: every seed has stopped on its own
                continue
            trial.report(value, epoch)
            self.pruned[i] = epoch < self._epochs and trial.should_prune()
        return np.repeat(self.pruned, self._seeds)


def _by_trial(accuracies, seeds):
    """Mean over each trial's seeds; a seed that diverged counts as 0, None if all have stopped."""
    parts = [accuracies[i : i + seeds] for i in range(0, len(accuracies), seeds)]
    return [
        None if all(v is None for v in part) else sum(v or 0.0 for v in part) / seeds
        for part in parts
    ]


def run_group(group, dataset, cache=None, progress=None, pretrained=None):
    """Trains the trials of a group together.

    Args:
      group: Candidates that one program can train.
      dataset: data.Dataset; its test images are not touched.
      cache, progress, pretrained: see fit.fit.

    Returns:
      For each trial (mean validation accuracy, per seed, whether it was pruned).
    """
    from fmnist_jax.fit.api import fit_trials

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
