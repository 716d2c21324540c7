"""A table's rows: runs what is missing, keeps what is done."""

import copy
import pathlib

import numpy as np

from fmnist_jax import data, predictions, results, train
from fmnist_jax.checks import check
from fmnist_jax.fit import fit
from fmnist_jax.losses import probabilities
from fmnist_jax.programs import lay_out
from fmnist_jax.progress import RowProgress
from fmnist_jax.settings import ConfigError, plain, resolve, settings_hash


def _rounded(values, digits=6):
    """JSON has no NaN: a number that is none becomes null."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


def run_row(row, settings, dataset, workdir, cache, pretrained=None, earlier=()):
    """Trains the seeds of one row and appends a result line to the workdir.

    Args:
      row, settings: the row and its settings.
      dataset: data.Dataset.
      workdir: folder of the results.
      cache: see fit.
      pretrained: pretrained.Pretrained that the seeds start from, or None.
      earlier: files of the predictions of this row's other seeds, within the workdir.
    """
    replicas = lay_out(settings)
    num_train = len(dataset.train_labels) - settings.dataset.num_validation
    steps = train.steps_per_epoch(settings, num_train)
    progress = RowProgress(row['name'], settings.epochs, steps)
    try:
        variables = pretrained and pretrained.variables
        outcome = fit(settings, dataset, replicas, cache, progress, variables)
    except ConfigError as error:
        raise ConfigError(f'row {row["name"]!r}: {error}') from error
    finally:
        progress.close()
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    result = {
        'row': row['name'],
        'model': settings.model.name,
        'dataset': settings.dataset.name,
        'seeds': list(seeds),
        **_measured(outcome, dataset.test_labels),
        'reported': row['reported'],
        'also_reported': row['also_reported'],
        'train_images': num_train,
        **_predicted(workdir, row['name'], settings, outcome, dataset.test_labels, earlier),
        'config_hash': settings_hash(settings),
        'config': plain(settings),
        'pretrained': pretrained and pretrained.source,
        **results.provenance(outcome.replicas),
    }
    results.append(workdir, result)


def _measured(outcome, labels):
    """What a result line says of each seed's training and test."""
    return {
        'test_accuracy': _rounded(outcome.test_accuracy),
        'test_loss': _rounded(outcome.test_loss),
        'test_images': len(labels),
        'diverged': [not np.isfinite(x) for x in outcome.test_loss.tolist()],
        'tested_epoch': outcome.tested_epoch.tolist(),
        'parameters': outcome.parameters,
        'train_seconds': round(outcome.train_seconds, 2),
        'compile_seconds': round(outcome.compile_seconds, 2),
        'history': outcome.history,
    }


def _predicted(workdir, name, settings, outcome, labels, earlier):
    """Keeps the seeds' predictions; their ensemble, with the row's earlier seeds if at hand."""
    chances = np.asarray(probabilities(outcome.logits, settings.loss))
    last = settings.seed + settings.num_seeds - 1
    file = predictions.save(workdir, f'{name} seeds {settings.seed} to {last}', chances)
    if all((workdir / path).is_file() for path in earlier):
        chances = np.concatenate([*[predictions.load(workdir / p) for p in earlier], chances])
    return {
        'predictions': file,
        'ensemble_accuracy': predictions.ensemble_accuracy(chances, labels),
        'ensemble_seeds': len(chances),
    }


def check_rows(config, rows):
    """Refuses settings that cannot train, before anything is loaded or trained.

    Raises:
      ConfigError: names the row and the field.
    """
    for row in rows:
        settings = resolve(config, row)
        try:
            check(settings)
        except ConfigError as error:
            raise ConfigError(f'row {row["name"]!r}: {error}') from error


def _missing_seeds(settings, done):
    """Settings of the seeds that a row lacks, None if it has them all.

    Args:
      settings: the row's settings.
      done: its result, or None.
    """
    have = len(done['seeds']) if done else 0
    if have >= settings.num_seeds:
        return None
    missing = copy.deepcopy(settings)
    missing.seed, missing.num_seeds = settings.seed + have, settings.num_seeds - have
    return missing


def run(config, rows, workdir, load_dataset, load_pretrained=None, say=print):
    """Runs the rows, and the seeds of a row, that `workdir` does not hold yet.

    Args:
      config: the table's config.
      rows: the selected rows.
      workdir: folder of the results; made if it is not there.
      load_dataset: name -> data.Dataset.
      load_pretrained: settings with `pretrained` -> pretrained.Pretrained.
      say: prints one line for the user.

    Returns:
      The results of the selected rows, in their order.

    Raises:
      ConfigError: the workdir holds another config's results, or a row cannot be used.
      DataError: more validation images than there are, weights that cannot be used.
    """
    workdir = pathlib.Path(workdir)
    results.code_commit()
    settings = {row['name']: resolve(config, row) for row in rows}
    # A layout, a split or weights that cannot be had: told before anything is written.
    for mine in settings.values():
        lay_out(mine)
        total = len(load_dataset(mine.dataset.name).train_labels)
        data.split(total, mine.dataset.num_validation, mine.seed)
    done = {result['row']: result for result in results.read(workdir)}
    missing = {name: _missing_seeds(mine, done.get(name)) for name, mine in settings.items()}
    todo = {name: mine for name, mine in missing.items() if mine is not None}
    weights = {name: load_pretrained(mine) for name, mine in todo.items() if mine.pretrained}
    for name in weights.keys() & done.keys():
        results.check_pretrained(workdir, done[name], weights[name].source)
    results.claim(workdir, config)
    for name in settings.keys() & done.keys():
        results.check_row(workdir, done[name], settings[name], settings_hash(settings[name]))
    if len(todo) < len(rows):
        say(f'{len(rows) - len(todo)} of {len(rows)} rows are in {workdir} already')
    cache = {}
    for row in (row for row in rows if row['name'] in todo):
        mine = todo[row['name']]
        earlier = done.get(row['name'], {}).get('predictions', ())
        if row['name'] in done:
            say(f'{row["name"]}: goes on with seed {mine.seed}')
        dataset = load_dataset(mine.dataset.name)
        run_row(row, mine, dataset, workdir, cache, weights.get(row['name']), earlier)
    done = {result['row']: result for result in results.read(workdir)}
    return [done[row['name']] for row in rows]
