"""Every number of a table's row, in one place: computed here, shown elsewhere.

Tables, CSV files, figures and pages read a `Row`; none of them reads a result line by itself
(what they plot from it, such as `history`, is in `Row.result`).
"""

import collections
import pathlib
from collections.abc import Mapping
from math import nan
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.results import arrays, workdirs
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results.statistics import Summary, summarize, verdict, wilson_interval

# The verdicts on the reports' numbers: their words, and how many numbers have which.

# Each with a sign of its own, in the reader's words; the last two are numbers without a verdict.
VERDICTS = {
    'consistent': ('●', 'consistent', 'could be one more of our seeds'),
    'higher': ('▲', 'report higher', 'than our seeds would give'),
    'lower': ('▼', 'report lower', 'than our seeds would give'),
    'one_seed': ('◐', 'one seed', 'no spread to judge by'),
    'not_run': ('○', 'not run yet', 'no number of ours'),
}
JUDGED = ('consistent', 'higher', 'lower')


def standing(row):
    """The key in VERDICTS of a rows.Row with a number of the report."""
    return row.verdict or ('one_seed' if row.accuracy.count else 'not_run')


def verdict_counts(rows, repeats=False):
    """{key of VERDICTS: how many numbers of the report have it}; none on drawn images.

    Args:
      rows: rows.Row.
      repeats: count rows that try another row's number, too.
    """
    drawn = any(row.dataset == 'synthetic' for row in rows)
    numbers = [r for r in rows if r.reported is not None and (repeats or not r.repeats)]
    counts = collections.Counter(standing(row) for row in numbers if not drawn)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


# Of result lines that are older than their field `test_images`.
_TEST_IMAGES = {'fashion_mnist': 10_000, 'mnist': 10_000, 'synthetic': 2_000}


class Row(NamedTuple):
    """A row of a table: the report's number and ours, accuracies as fractions. Defaults: not run.

    A diverged seed's accuracy counts as recorded: it is what that setting gives. A seed whose
    accuracy is None counts nowhere but in `accuracies`.
    """

    name: str
    reported: float | None  # None for drawn images too: they say nothing about real ones
    also_reported: Mapping = MappingProxyType({})  # other numbers the report prints, by name
    repeats: bool = False  # `reported` is another row's number: it counts there
    dataset: str | None = None
    seeds: tuple = ()  # the seeds' numbers
    accuracies: tuple = ()  # test accuracy of every seed
    diverged: int = 0  # seeds whose test loss is no number
    accuracy: Summary = summarize([])  # over the seeds
    verdict: str = ''  # consistent | higher | lower, or '' without one
    test_images: int | None = None
    test_interval: tuple[float, float] = (nan, nan)  # Wilson's: the mean on so many images
    tested_epoch: float | None = None  # mean over seeds, where validation chose it
    epochs_trained: float | None = None  # mean over seeds
    last_epoch: Summary = summarize([])  # test accuracy after the last epoch, where another counts
    ensemble: float | None = None  # accuracy of the seeds' mean probabilities
    temperatures: tuple = ()  # one for each line of seeds, where validation gave one
    calibration_error: float | None = None  # mean over seeds, as trained
    calibration_error_tempered: float | None = None  # the same with the temperature
    ensemble_calibration_error: float | None = None  # of the mean probabilities, so tempered
    train_seconds: float | None = None  # of all seeds together
    seconds_per_epoch: float | None = None  # of one seed's share
    result: dict | None = None  # the whole result line

    @property
    def is_run(self):
        """Whether there is a result line of it."""
        return self.dataset is not None


def from_result(result, workdir=None, data_dir=None):
    """The Row of a result line.

    Args:
      result: the line as a dict.
      workdir: where its predictions lie, for lines older than `ensemble_accuracy`; or None.
      data_dir: where the test labels are, see `predictions.labels_at_hand`.

    Raises:
      ConfigError: the line lacks a number or holds something else in its place.
      DataError: damaged predictions or labels.
    """
    try:
        return _from_result(result, workdir, data_dir)
    except (ConfigError, DataError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        where = pathlib.Path(workdir or '') / 'results.jsonl'
        raise ConfigError(
            f'{where}, row {result["row"]!r}: a damaged line ({error!r}); mend or delete it'
        ) from error


def _from_result(result, workdir, data_dir):
    dataset, accuracies = result['dataset'], tuple(result['test_accuracy'])
    accuracy = summarize(seed_accuracies(result))
    images = result.get('test_images') or _TEST_IMAGES[dataset]
    reported = None if dataset == 'synthetic' else result['reported']
    chosen = result['config'].get('selection', 'last') != 'last'
    return Row(
        name=result['row'],
        reported=reported,
        also_reported=result.get('also_reported') or {},
        dataset=dataset,
        seeds=tuple(result.get('seeds') or range(len(accuracies))),
        accuracies=accuracies,
        diverged=sum(result.get('diverged', [])),
        accuracy=accuracy,
        verdict=verdict(reported, accuracy),
        test_images=images,
        test_interval=wilson_interval(accuracy.mean, images),
        tested_epoch=summarize(result['tested_epoch']).mean if chosen else None,
        epochs_trained=_epochs_trained(result),
        last_epoch=summarize([x for x in result.get('last_test_accuracy', []) if x is not None]),
        ensemble=_ensemble(result, workdir, data_dir),
        temperatures=_temperatures(result),
        calibration_error=_mean(result.get('calibration_error')),
        calibration_error_tempered=_mean(result.get('calibration_error_tempered')),
        ensemble_calibration_error=result.get('ensemble_calibration_error'),
        train_seconds=result['train_seconds'],
        seconds_per_epoch=_seconds_per_epoch(result),
        result=result,
    )


def seed_accuracies(result):
    """The test accuracies of a result line's seeds, without those that have none."""
    return [value for value in result['test_accuracy'] if value is not None]


def _mean(values):
    """The mean of those values that are numbers, None without any."""
    numbers = [value for value in values or () if value is not None]
    return summarize(numbers).mean if numbers else None


def _temperatures(result):
    """From a line as it is written, with one number, or from lines read as one, with a list."""
    found = result.get('temperature')
    found = found if isinstance(found, list) else [found]
    return tuple(value for value in found if value is not None)


def _epochs_trained(result):
    """Mean over seeds: where a seed had stopped early, the history has no accuracy of it."""
    epochs = result.get('history', {}).get('train_accuracy')
    if not epochs:
        return result['config'].get('epochs')
    seeds = zip(*epochs, strict=True)
    return summarize([sum(value is not None for value in seed) for seed in seeds]).mean


def _seconds_per_epoch(result):
    """Training time over the epochs of all seeds.

    Under `map` a stopped seed takes no time; vectorized, it costs what the others do.
    """
    history = result.get('history', {}).get('train_accuracy', ())
    mapped = result.get('replicas', {}).get('mode') == 'map'
    epochs = _epochs_trained(result) if mapped or not history else len(history)
    if not epochs:
        return None
    return result['train_seconds'] / epochs / len(result['test_accuracy'])


def _ensemble(result, workdir, data_dir):
    """The line's own number; for older lines from the predictions and labels, if at hand."""
    if 'ensemble_accuracy' in result or workdir is None:
        return result.get('ensemble_accuracy')
    paths = [pathlib.Path(workdir) / file for file in result.get('predictions', ())]
    if not paths or not all(path.is_file() for path in paths):
        return None
    labels = arrays.labels_at_hand(result['dataset'], data_dir)
    if labels is None:
        return None
    probs = np.concatenate([arrays.load(path) for path in paths])
    return arrays.ensemble_accuracy(probs, labels)


def read(workdir, data_dir=None):
    """(config of a workdir, its Rows in the config's order, those not run yet too).

    Raises:
      ConfigError: nothing has been run there, or something there is damaged.
      DataError: damaged predictions or labels.
    """
    results = {r['row']: r for r in result_lines.read(workdir)}
    if not results:
        raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
    config = workdirs.read_config(workdir)
    rows = []
    for told in config['rows']:
        row = not_run(told)
        if told['name'] in results:
            done = from_result(results[told['name']], workdir, data_dir)
            # What a config says of the report may be newer than the line.
            also = {**done.also_reported, **row.also_reported}
            row = done._replace(also_reported=also, repeats=row.repeats)
        rows.append(row)
    return config, rows


def not_run(row):
    """The Row of a config's row that has no result line yet."""
    return Row(
        row['name'], row['reported'], row.get('also_reported', {}), row.get('repeats', False)
    )
