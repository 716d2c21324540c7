"""All seeds of a row, or all trials of a search: compiled once, trained together."""

import copy
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.config.settings import split_static
from fmnist_jax.fit import memory, mesh
from fmnist_jax.fit.compile import compile_programs, make_layout, place
from fmnist_jax.fit.epochs import Run, run_epochs
from fmnist_jax.train import evaluate


class FitResult(NamedTuple):
    """What training gave; every array's first axis is the seed."""

    logits: np.ndarray  # [S, test images, 10]
    test_loss: np.ndarray  # [S]
    test_accuracy: np.ndarray  # [S]
    tested_epoch: np.ndarray  # [S] the epoch whose parameters were tested
    last_accuracy: np.ndarray | None  # [S] on the test images after the last epoch, if not that one
    history: dict  # name -> one list of S numbers per epoch (None where a seed had stopped)
    parameters: int  # trainable, of one network
    variables: dict  # {'params', 'batch_stats'}: the chosen ones, numpy [S, ...]
    validation: tuple | None  # (logits [S, n, 10], labels [S, n]) of held-out training images
    train_seconds: float
    compile_seconds: float
    resumed: list  # see checkpoint.Checkpoint
    layout: mesh.Layout  # how the seeds were laid out


def fit(settings, dataset, layout, cache=None, progress=None, pretrained=None, checkpoints=None):
    """Trains all seeds of a row and tests each: an Outcome.

    Seeds that do not fit in the devices' memory at once are trained fewer at a time.

    Args:
      settings: a row's settings.
      dataset: data.Dataset.
      replicas: placement.Replicas for settings.num_seeds.
      cache: dict that keeps compiled programs for rows that differ in numbers alone.
      progress: has `steps(count, Metrics of numpy [S])`, `epoch(number, history)` and
        `resume(epochs, steps)`, `note(text)`; or None.
      pretrained: {'params', 'batch_stats'} that all seeds start from, any part of each; or None.
      checkpoints: checkpoint.Checkpoints to go on from and to write; or None.

    Raises:
      ConfigError: a single seed does not fit; what settings.debug_nans found.
    """
    hparams = {path: np.float32(value) for path, value in split_static(settings)[1].items()}
    seeds = np.arange(settings.seed, settings.seed + settings.num_seeds, dtype=np.int32)

    def train_and_test(layout, cache):
        run, compile_seconds = _prepare(
            *(settings, hparams, seeds, dataset, layout, cache, pretrained)
        )
        state, end = run_epochs(run, progress, checkpoints)
        return _outcome(run, state, end, dataset, compile_seconds)

    return _where_it_fits(train_and_test, settings, layout, cache, progress)


def fit_trials(settings, hparams, dataset, stop=None, cache=None, progress=None, pretrained=None):
    """Trains trials of a search together, each with settings.num_seeds seeds; tests nothing.

    Args:
      settings: of any of the trials: they differ in numbers alone (settings.split_numbers).
      numbers: each trial's numbers, {'section.field': float}.
      dataset: data.Dataset.
      stop: (epoch, history) -> bool [trials * seeds], those that are to stop; or None.
      cache, progress, pretrained: as for `fit`.

    Returns:
      Validation accuracy float [trials, seeds] at the epoch that would be tested; NaN where a seed
      diverged.
    """
    each = settings.num_seeds
    seeds = np.tile(np.arange(settings.seed, settings.seed + each, dtype=np.int32), len(hparams))
    columns = {
        path: np.repeat(np.array([trial[path] for trial in hparams], np.float32), each)
        for path in hparams[0]
    }

    def train_trials(layout, cache):
        spread = mesh.shard(layout, columns)
        run, _ = _prepare(settings, spread, seeds, dataset, layout, cache, pretrained)
        state, end = run_epochs(run, progress, None, stop)
        tested = _tested_epoch(layout, state, end)
        accuracy = np.array(end.history['validation_accuracy'], np.float64)  # [epochs, replicas]
        return accuracy[tested - 1, np.arange(layout.count)].reshape(-1, each)

    together = copy.deepcopy(settings)
    together.num_seeds = each * len(hparams)
    return _where_it_fits(train_trials, settings, make_layout(together), cache, progress)


def _where_it_fits(train, settings, layout, cache, progress):
    """train(replicas, cache), with fewer replicas at a time as long as memory does not suffice."""
    cache = {} if cache is None else cache
    program, _ = split_static(settings)
    while True:
        while (program, layout) in cache:  # it is known that this does not fit
            layout = cache[program, layout]
        try:
            return train(layout, cache)
        except (memory.TooLarge, MemoryError, jax.errors.JaxRuntimeError) as error:
            fewer, said = memory.fewer_at_once(layout, error)
        cache[program, layout] = fewer
        if progress:
            progress.note(said)


def _prepare(settings, hparams, seeds, dataset, layout, cache, pretrained):
    """What trains, compiled if need be: (Run, seconds it took to compile)."""
    arrays = place(settings, dataset, layout, pretrained, seeds)
    shapes = str(jax.tree.map(jnp.shape, (hparams, arrays)))
    key = (split_static(settings)[0], layout, shapes)
    seconds = 0.0
    if key not in cache:
        cache[key] = compile_programs(settings, hparams, layout, arrays)
        seconds = cache[key].seconds
    seeds = mesh.shard(layout, seeds)
    return Run(settings, hparams, seeds, cache[key], arrays, layout), seconds


def _outcome(run, state, end, dataset, compile_seconds):
    """Tests the chosen parameters of every seed."""
    best = evaluate.selected(state)
    variables = {'params': best.params, 'batch_stats': best.batch_stats}
    tested = run.programs.test(run.hparams, state, run.arrays.test)
    logits, measured = mesh.gather(run.layout, tested)
    return FitResult(
        logits,
        measured.loss / measured.count,
        measured.correct / measured.count,
        _tested_epoch(run.layout, state, end),
        _last_accuracy(run, state),
        end.history,
        sum(math.prod(leaf.shape[2:]) for leaf in jax.tree.leaves(state.params)),
        mesh.gather(run.layout, variables),
        _validated(run, state, dataset),
        end.seconds,
        compile_seconds,
        end.resumed,
        run.layout,
    )


def _tested_epoch(layout, state, end):
    """[S] the epoch whose parameters count, from 1."""
    if state.best is None:
        return np.asarray(end.epochs_run)
    return mesh.gather(layout, state.best.epoch)


def _last_accuracy(run, state):
    """[S] test accuracy after each seed's last epoch; None if that is the tested one."""
    if state.best is None:
        return None
    last = state.best._replace(params=state.params, batch_stats=state.batch_stats)
    tested = run.programs.test(run.hparams, state._replace(best=last), run.arrays.test)
    _, measured = mesh.gather(run.layout, tested)
    return measured.correct / measured.count


def _validated(run, state, dataset):
    """(logits, labels) of each seed's validation images, which must not be the test images."""
    if run.programs.validation_logits is None:
        return None
    images, _ = run.arrays.validation
    indices = run.arrays.validation_indices
    logits = run.programs.validation_logits(run.hparams, state, indices, images)
    logits, indices = mesh.gather(run.layout, (logits, indices))
    return logits, dataset.train_labels[indices]
