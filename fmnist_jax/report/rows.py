"""Every number of a table's row, computed once. Tables, CSV, figures and the page show a `Row`."""

import collections
import contextlib
import pathlib
from collections.abc import Mapping
from math import nan
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fmnist_jax.data import catalog
from fmnist_jax.errors import ConfigError
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import workdirs
from fmnist_jax.results.statistics import Summary, summarize, verdict, wilson_interval

# {key: (sign, words, explanation)}. The last three are numbers without a verdict.
VERDICTS = {
    'consistent': ('●', 'consistent', 'could be one more of our seeds'),
    'higher': ('▲', 'report higher', 'than our seeds would give'),
    'lower': ('▼', 'report lower', 'than our seeds would give'),
    'changed': ('◇', 'changed settings', 'a flag changed what decides the result'),
    'one_seed': ('◐', 'one seed', 'no spread to judge by'),
    'not_run': ('○', 'not run yet', 'no number of ours'),
}
JUDGED = ('consistent', 'higher', 'lower')


class Row(NamedTuple):
    """A row of a table: the report's number and ours, accuracies as fractions. Defaults: not run.

    A diverged seed counts with its recorded accuracy. A seed whose accuracy is None counts only in
    `accuracies`.
    """

    name: str
    reported: float | None  # None for synthetic images, too
    also_reported: Mapping = MappingProxyType({})  # other numbers of the report, by name
    repeats: bool = False  # `reported` is another row's number and counts there
    dataset: str | None = None
    seeds: tuple = ()  # the seeds' numbers
    accuracies: tuple = ()  # test accuracy of every seed
    diverged: int = 0  # number of seeds whose test loss is not finite
    accuracy: Summary = summarize([])  # over the seeds
    changed: Mapping = MappingProxyType({})  # {field: (config's value, value of a flag)}
    verdict: str = ''  # consistent | higher | lower, or '' without one
    test_images: int | None = None
    test_interval: tuple[float, float] = (nan, nan)  # Wilson interval of the mean
    tested_epoch: float | None = None  # mean over seeds, if validation selects the epoch
    epochs_trained: float | None = None  # mean over seeds
    last_epoch: Summary = summarize([])  # test accuracy after the last epoch
    ensemble: float | None = None  # accuracy of the seeds' mean probabilities
    temperatures: tuple = ()  # one for each result line, if fitted on validation images
    calibration_error: float | None = None  # mean over seeds, as trained
    calibration_error_tempered: float | None = None  # with the temperature
    ensemble_calibration_error: float | None = None  # of the seeds' mean calibrated probabilities
    train_seconds: float | None = None  # of all seeds together
    seconds_per_epoch: float | None = None  # of one seed
    result: dict | None = None  # the whole result line

    @property
    def is_run(self):
        """Whether the row has a result line."""
        return self.dataset is not None


def standing(row):
    """The key in VERDICTS of a Row with a reported number."""
    if row.verdict or not row.accuracy.count:
        return row.verdict or 'not_run'
    return 'changed' if row.changed else 'one_seed'


def changed_text(row):
    """'changed: epochs 7 → 2'; '' for a row with its config's settings."""
    changes = [f'{field} {old} → {new}' for field, (old, new) in row.changed.items()]
    return f'changed: {", ".join(changes)}' if changes else ''


def verdict_text(row):
    """The verdict; of a row with changed settings the changes."""
    text = changed_text(row)
    return f'{text}; no verdict' if text and row.reported is not None else text or row.verdict


def verdict_counts(rows, repeats=False):
    """{key of VERDICTS: number of reported numbers}; empty for synthetic images.

    Rows that repeat another row's number count only with `repeats`.
    """
    if any(row.dataset == 'synthetic' for row in rows):
        return {}
    numbers = [r for r in rows if r.reported is not None and (repeats or not r.repeats)]
    counts = collections.Counter(map(standing, numbers))
    return {key: counts[key] for key in VERDICTS if counts[key]}


def mean(values):
    """The mean of the finite numbers among `values`, which may hold None; None without any."""
    numbers = [] if values is None else [v for v in values if v is not None and np.isfinite(v)]
    return float(np.mean(numbers)) if numbers else None


@contextlib.contextmanager
def refuse_damage(row_name, workdir=''):
    """Turns the error of a result line that lacks a field or holds a wrong one into ConfigError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        file = pathlib.Path(workdir) / 'results.jsonl'
        raise ConfigError(
            f'{file}, row {row_name!r}: a damaged line ({error!r}); repair or delete it'
        ) from error


def from_result(result, workdir=''):
    """The Row of a result line.

    Raises:
      ConfigError: the line lacks a field or holds a wrong one.
    """
    with refuse_damage(result['row'], workdir):
        return _from_result(result)


def _from_result(result):
    dataset, accuracies = result['dataset'], tuple(result['test_accuracy'])
    if dataset not in catalog.NAMES:
        raise ValueError(f'dataset {dataset!r}')
    accuracy = summarize(seed_accuracies(result))
    images = result.get('test_images', 10_000)
    reported = None if dataset == 'synthetic' else result['reported']
    changed = {field: (old, new) for field, (old, new) in (result.get('changed') or {}).items()}
    is_selected = result['config'].get('selection', 'last') != 'last'
    last = [value for value in result.get('last_test_accuracy', []) if value is not None]
    temperature = result.get('temperature')
    temperatures = temperature if isinstance(temperature, list) else [temperature]
    return Row(
        name=result['row'],
        reported=reported,
        also_reported=result.get('also_reported') or {},
        dataset=dataset,
        seeds=tuple(result.get('seeds') or range(len(accuracies))),
        accuracies=accuracies,
        diverged=sum(result.get('diverged', [])),
        accuracy=accuracy,
        changed=changed,
        verdict='' if changed else verdict(reported, accuracy),
        test_images=images,
        test_interval=wilson_interval(accuracy.mean, images),
        tested_epoch=mean(result['tested_epoch']) if is_selected else None,
        epochs_trained=_epochs_trained(result),
        last_epoch=summarize(last),
        ensemble=result.get('ensemble_accuracy'),
        temperatures=tuple(value for value in temperatures if value is not None),
        calibration_error=mean(result.get('calibration_error')),
        calibration_error_tempered=mean(result.get('calibration_error_tempered')),
        ensemble_calibration_error=result.get('ensemble_calibration_error'),
        train_seconds=result['train_seconds'],
        seconds_per_epoch=_seconds_per_epoch(result),
        result=result,
    )


def seed_accuracies(result):
    """The test accuracies of a result line's seeds, without None."""
    return [value for value in result['test_accuracy'] if value is not None]


def _epochs_trained(result):
    """Mean over seeds. A stopped seed has None in the history."""
    epochs = result.get('history', {}).get('train_accuracy')
    if not epochs:
        return result['config'].get('epochs')
    seeds = zip(*epochs, strict=True)
    return mean([sum(value is not None for value in seed) for seed in seeds])


def _seconds_per_epoch(result):
    """Training time of one seed's epoch. Under vmap a stopped seed still takes its time."""
    history = result.get('history', {}).get('train_accuracy', ())
    is_mapped = result.get('replicas', {}).get('mode') == 'map'
    epochs = _epochs_trained(result) if is_mapped or not history else len(history)
    return result['train_seconds'] / epochs / len(result['test_accuracy']) if epochs else None


def not_run(row):
    """The Row of a config's row without a result line."""
    also, repeats = row.get('also_reported', {}), row.get('repeats', False)
    return Row(row['name'], row['reported'], also, repeats)


def read(workdir):
    """(config of a workdir, its Rows in the config's order, run or not).

    Raises:
      ConfigError: no result lines, or a damaged file.
    """
    results = {r['row']: r for r in result_lines.read(workdir)}
    if not results:
        raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
    config = workdirs.read_config(workdir)
    rows = []
    for declared in config['rows']:
        row = not_run(declared)
        if row.name in results:
            run = from_result(results[row.name], workdir)
            # The config may be newer than the line.
            also = {**run.also_reported, **row.also_reported}
            row = run._replace(also_reported=also, repeats=row.repeats)
        rows.append(row)
    return config, rows
