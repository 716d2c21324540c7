"""Every number of a table's row, computed once. Tables, CSV, figures and the page show a `Row`."""

import collections
import contextlib
import functools
import pathlib
from collections.abc import Mapping
from math import nan
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fmnist_jax.config.settings import experiment_key
from fmnist_jax.data import catalog
from fmnist_jax.errors import ConfigError
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import workdirs
from fmnist_jax.results.measures import known, test_accuracy
from fmnist_jax.results.statistics import (
    ENOUGH_SEEDS,
    Pooled,
    Summary,
    judge,
    pooled_std,
    prediction_interval,
    summarize,
    trained_share,
    wilson_interval,
)

# {key: (sign, words, explanation)} of a reported number. The last four are not judged.
VERDICTS = {
    'consistent': ('●', 'consistent', 'could be one more of our seeds'),
    'higher': ('▲', 'report higher', 'than our seeds would give'),
    'lower': ('▼', 'report lower', 'than our seeds would give'),
    'cannot_tell': ('◌', 'cannot tell', 'our seeds lie too far apart'),
    'calibrated': ('◈', 'calibrated', 'we chose a setting by this number'),
    'changed': ('◇', 'changed settings', 'a flag changed what decides the result'),
    'one_seed': ('◐', 'one seed', 'no spread to judge by'),
    'not_run': ('○', 'not run yet', 'no number of ours'),
}
JUDGED = ('consistent', 'higher', 'lower', 'cannot_tell')


class Pool(NamedTuple):
    """A standard deviation pooled over the rows of a network family and data set."""

    family: tuple[str, str]  # (file of the networks, data set)
    pooled: Pooled
    rows: Mapping  # {table: names of its rows}


class Row(NamedTuple):
    """A row of a table: the report's number and ours, accuracies as fractions. Defaults: not run.

    A diverged seed counts with its recorded accuracy. A seed whose accuracy is None counts only in
    `accuracies`.
    """

    name: str
    reported: float | None  # None for synthetic images, too
    also_reported: Mapping = MappingProxyType({})  # other numbers of the report, by name
    repeats: bool = False  # `reported` is another row's number and counts there
    calibrated_on: str = ''  # the setting, open in the report, that we chose by `reported`
    decimals: int = 2  # of `reported` in per cent, as printed
    dataset: str | None = None
    seeds: tuple = ()  # the seeds' numbers
    accuracies: tuple = ()  # test accuracy of every seed
    diverged: int = 0  # number of seeds whose test loss is not finite
    accuracy: Summary = summarize([])  # over the seeds
    prediction: tuple[float, float] = (nan, nan)  # for one more seed: decides the verdict
    pool: Pool | None = None  # whose standard deviation gives `prediction`, for few seeds
    changed: Mapping = MappingProxyType({})  # {field: (config's value, value of a flag)}
    verdict: str = ''  # a key of VERDICTS but calibrated; '' without a reported number
    test_images: int | None = None
    test_interval: tuple[float, float] = (nan, nan)  # Wilson interval of the mean
    tested_epoch: float | None = None  # mean over seeds, if validation selects the epoch
    epochs_trained: float | None = None  # mean over seeds
    last_epoch: Summary = summarize([])  # test accuracy after the last epoch
    ensemble: float | None = None  # accuracy of the seeds' mean probabilities
    ensemble_seeds: int | None = None
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

    @property
    def known_accuracies(self):
        """The seeds' test accuracies, without None."""
        return known(self.accuracies)

    @property
    def reported_text(self):
        """The reported number in per cent with its own decimals; '' without one."""
        return '' if self.reported is None else f'{100 * self.reported:.{self.decimals}f}'


def changed_text(row):
    """'changed: epochs 7 → 2'; '' for a row with its config's settings."""
    changes = [f'{field} {old} → {new}' for field, (old, new) in row.changed.items()]
    return f'changed: {", ".join(changes)}' if changes else ''


def verdict_text(row):
    """The verdict; of a row with changed settings the changes."""
    text = changed_text(row)
    if text:
        return f'{text}; no verdict' if row.verdict else text
    return '' if row.verdict == 'not_run' else row.verdict.replace('_', ' ')


def verdict_counts(rows, repeats=False):
    """{key of VERDICTS: number of reported numbers}; empty for synthetic images.

    Rows that repeat another row's number count only with `repeats`. Numbers by which we chose a
    setting count as calibrated, whatever their verdict.
    """
    if any(row.dataset == 'synthetic' for row in rows):
        return {}
    counts = collections.Counter(
        'calibrated' if row.calibrated_on and row.verdict in JUDGED else row.verdict
        for row in rows
        if row.verdict and (repeats or not row.repeats)
    )
    return {key: counts[key] for key in VERDICTS if counts[key]}


def mean(values):
    """The mean of the finite numbers among `values`, which may hold None; None without any."""
    numbers = [value for value in known(values) if np.isfinite(value)]
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


# Rows with few seeds: the standard deviation of rows like them.


def beside(workdir):
    """{name: (config, result lines)} of the workdirs beside a workdir and itself, if readable."""
    found = {}
    for path in sorted(pathlib.Path(workdir).resolve().parent.glob('*/results.jsonl')):
        folder = path.parent
        with contextlib.suppress(ConfigError):  # the table of that workdir says what is wrong
            found[folder.name] = workdirs.read_config(folder), result_lines.read(folder)
    return found


def committed_rows(folder):
    """{settings.experiment_key: (table, result line)} of a folder's workdirs.

    Of several lines with the same settings, the one with the most seeds.

    Raises:
      ConfigError: a damaged line.
    """
    rows = {}
    for path in sorted(pathlib.Path(folder).glob('*/results.jsonl')):
        for result in result_lines.read(path.parent):
            key = experiment_key(result['config'])
            if key not in rows or len(rows[key][1]['seeds']) < len(result['seeds']):
                rows[key] = path.parent.name, result
    return rows


def _same_settings(result, committed):
    """The Pool of the project's own seeds of the same settings; None without enough of them."""
    table, line = committed.get(experiment_key(result['config']), (None, None))
    values = test_accuracy(line) if line else []
    if len(values) < ENOUGH_SEEDS or line['dataset'] != result['dataset']:
        return None
    family = ('the same settings', result['dataset'])
    pool = Pool(family, pooled_std([values]), {table: [line['row']]})
    return pool if pool.pooled.dof else None  # of two clusters


def _family(result):
    """(file of its network, data set): networks of one file of `models` are a family."""
    from fmnist_jax.models import MODELS  # imports JAX

    name = result['config'].get('model', {}).get('name')
    make = MODELS.get(name)
    if make is None:  # scikit-learn's
        return str(result['model']), result['dataset']
    file = getattr(make, 'func', make).__module__.rpartition('.')[2]
    return f'models/{file}.py', result['dataset']


def _pool(family, tables):
    """The Pool of a family over tables, {name: result lines}. The same runs count once."""
    runs = {}
    for table, results in tables.items():
        for result in results:
            values = tuple(test_accuracy(result))
            usable = trained_share(values) == 1 and not result.get('changed')
            if len(values) > 1 and usable and _family(result) == family:
                longest = runs.get(values[:2])
                if not longest or len(values) > len(longest[0]):
                    runs[values[:2]] = values, table, result['row']
    rows = {}
    for _, table, row in runs.values():
        rows.setdefault(table, []).append(row)
    return Pool(family, pooled_std([values for values, _, _ in runs.values()]), rows)


def _pools(results, workdir, folder='experiments'):
    """A function from a result line to its Pool.

    A run outside of `folder`, the project's own results, takes their seeds of the same settings.
    Otherwise the rows of its own table are enough if they have as many degrees of freedom as a row
    that needs no pool; if not, the tables beside it count, too.
    """
    own = {pathlib.Path(workdir).resolve().name: results}

    @functools.cache
    def pool_of(family):
        pool = _pool(family, own)
        if pool.pooled.dof >= ENOUGH_SEEDS - 1:
            return pool
        return _pool(family, own | {name: lines for name, (_, lines) in beside(workdir).items()})

    committed = {}
    if pathlib.Path(workdir).resolve().parent != pathlib.Path(folder).resolve():
        with contextlib.suppress(ConfigError):  # a damaged file there does not concern this run
            committed = committed_rows(folder)
    return lambda result: _same_settings(result, committed) or pool_of(_family(result))


# Result lines -> rows.


def from_result(result, workdir='', pool_of=None, decimals=2):
    """The Row of a result line.

    Args:
      workdir: named in errors.
      pool_of: a function from a result line to its Pool, asked for rows with few seeds.
      decimals: of the reported number in per cent.

    Raises:
      ConfigError: the line lacks a field or holds a wrong one.
    """
    with refuse_damage(result['row'], workdir):
        return _judged(_from_result(result), pool_of, decimals)


def _judged(row, pool_of, decimals):
    """The Row with its prediction interval and its verdict."""
    summary, pool = row.accuracy, None
    if pool_of and not row.changed and 0 < summary.count < ENOUGH_SEEDS:
        pool = pool_of(row.result)
        pool = pool if pool.pooled.dof else None
    pooled = pool and pool.pooled
    prediction = (nan, nan) if summary.trained < 1 else prediction_interval(summary, pooled)
    row = row._replace(prediction=prediction, pool=pool, decimals=decimals)
    if row.reported is None:
        return row
    if not summary.count:
        return row._replace(verdict='not_run')
    if row.changed:
        return row._replace(verdict='changed')
    return row._replace(verdict=judge(row.reported, summary, pooled, decimals) or 'one_seed')


def _from_result(result):
    dataset, accuracies = result['dataset'], tuple(result['test_accuracy'])
    if dataset not in catalog.NAMES:
        raise ValueError(f'dataset {dataset!r}')
    images = result.get('test_images', 10_000)
    accuracy = summarize(test_accuracy(result), images or 10_000)
    is_selected = result['config'].get('selection', 'last') != 'last'
    temperature = result.get('temperature')
    temperatures = temperature if isinstance(temperature, list) else [temperature]
    return Row(
        name=result['row'],
        reported=None if dataset == 'synthetic' else result['reported'],
        also_reported=result.get('also_reported') or {},
        dataset=dataset,
        seeds=tuple(result.get('seeds') or range(len(accuracies))),
        accuracies=accuracies,
        diverged=sum(result.get('diverged', [])),
        accuracy=accuracy,
        changed={f: (old, new) for f, (old, new) in (result.get('changed') or {}).items()},
        test_images=images,
        test_interval=wilson_interval(accuracy.mean, images),
        tested_epoch=mean(result['tested_epoch']) if is_selected else None,
        epochs_trained=_epochs_trained(result),
        last_epoch=summarize(known(result.get('last_test_accuracy'))),
        ensemble=result.get('ensemble_accuracy'),
        ensemble_seeds=result.get('ensemble_seeds'),
        temperatures=tuple(known(temperatures)),
        calibration_error=mean(result.get('calibration_error')),
        calibration_error_tempered=mean(result.get('calibration_error_tempered')),
        ensemble_calibration_error=result.get('ensemble_calibration_error'),
        train_seconds=result['train_seconds'],
        seconds_per_epoch=_seconds_per_epoch(result),
        result=result,
    )


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


def not_run(row, decimals=2):
    """The Row of a config's row without a result line."""
    return Row(
        name=row['name'],
        reported=row['reported'],
        also_reported=row.get('also_reported', {}),
        repeats=row.get('repeats', False),
        calibrated_on=row.get('calibrated_on', ''),
        decimals=decimals,
        verdict='' if row['reported'] is None else 'not_run',
    )


def read(workdir):
    """(config of a workdir, its Rows in the config's order, run or not).

    Raises:
      ConfigError: no result lines, or a damaged file.
    """
    results = {r['row']: r for r in result_lines.read(workdir)}
    if not results:
        raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
    config = workdirs.read_config(workdir)
    decimals = config['decimals']
    pool_of = _pools(list(results.values()), workdir)
    rows = []
    for declared in config['rows']:
        row = not_run(declared, decimals)
        if row.name in results:
            run = from_result(results[row.name], workdir, pool_of, decimals)
            # The config may be newer than the line.
            also = {**run.also_reported, **row.also_reported}
            row = run._replace(
                also_reported=also, repeats=row.repeats, calibrated_on=row.calibrated_on
            )
        rows.append(row)
    return config, rows
