"""A table's rows: runs what is missing, keeps what is done."""

import copy
import pathlib

import numpy as np

from fmnist_jax import calibration, data, parameters, predictions, results, train
from fmnist_jax.checkpoint import Checkpoints
from fmnist_jax.checks import check
from fmnist_jax.fit import fit
from fmnist_jax.losses import probabilities
from fmnist_jax.programs import lay_out
from fmnist_jax.progress import RowProgress
from fmnist_jax.settings import ConfigError, plain, resolve, settings_hash


def _rounded(values, digits=6):
    """JSON has no NaN: a number that is none becomes null."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


def run_row(row, settings, dataset, workdir, cache, pretrained=None, earlier=(), say=print):
    """Trains the seeds of one row and appends a result line to the workdir.

    Args:
      row, settings: the row and its settings.
      dataset: data.Dataset.
      workdir: folder of the results.
      cache: see fit.
      pretrained: pretrained.Pretrained that the seeds start from, or None.
      earlier: files of the predictions of this row's other seeds, within the workdir.
      say: prints one line for the user.
    """
    replicas = lay_out(settings)
    num_train = len(dataset.train_labels) - settings.dataset.num_validation
    steps = train.steps_per_epoch(settings, num_train)
    progress = RowProgress(row['name'], settings.epochs, steps)
    checkpoints = _checkpoints(row, settings, workdir, pretrained, say)
    try:
        variables = pretrained and pretrained.variables
        outcome = fit(settings, dataset, replicas, cache, progress, variables, checkpoints)
    finally:
        progress.close()
        checkpoints.close()
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
        **_calibrated(settings, outcome, dataset.test_labels),
        'parameters_file': parameters.save(workdir, row['name'], settings, outcome.variables),
        'config_hash': settings_hash(settings),
        'config': plain(settings),
        'pretrained': pretrained and pretrained.source,
        **results.provenance(outcome.replicas),
    }
    results.append(workdir, result)
    checkpoints.discard()


def _checkpoints(row, settings, workdir, pretrained, say):
    """Where these seeds of the row are kept while they train."""
    last = settings.seed + settings.num_seeds - 1
    folder = workdir / 'checkpoints' / predictions.file_name(row['name'])
    identity = {
        'config_hash': settings_hash(settings),
        'seeds': [settings.seed, last],
        'pretrained': pretrained and pretrained.source,
    }
    every, keep = settings.checkpoint_epochs, settings.checkpoints_kept
    folder = folder / f'seeds_{settings.seed}_to_{last}'
    return Checkpoints(folder, identity, results.code_commit(), every, keep, say)


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
        **({'resumed': outcome.resumed} if outcome.resumed else {}),
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


def _calibrated(settings, outcome, labels):
    """The seeds' common temperature, and calibration errors on the test images.

    Each seed's as trained and at the temperature, and their mean probabilities' at the temperature.
    Without validation images of its own (none, or the test images) a row has no temperature.
    """

    def error(chances):
        found = None if chances is None else calibration.calibration_error(chances, labels)
        return None if found is None else round(found, 6)

    temperature = None
    if outcome.validation is not None:
        temperature = calibration.fit_temperature(*outcome.validation, settings.loss)
    trained, tempered = (
        calibration.tempered(outcome.logits, t, settings.loss) for t in (None, temperature)
    )
    return {
        'temperature': temperature and round(temperature, 4),
        'calibration_error': [error(seed) for seed in trained],
        'calibration_error_tempered': temperature and [error(seed) for seed in tempered],
        'ensemble_calibration_error': error(predictions.ensemble(tempered)),
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
      ConfigError: the workdir holds another config's results, another process is writing there,
        or a row cannot be used.
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
    with results.lock(workdir):
        results.claim(workdir, config)
        done = {result['row']: result for result in results.read(workdir)}  # others may have run
        missing = {name: _missing_seeds(settings[name], done.get(name)) for name in todo}
        todo = {name: mine for name, mine in missing.items() if mine is not None}
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
            run_row(row, mine, dataset, workdir, cache, weights.get(row['name']), earlier, say)
    done = {result['row']: result for result in results.read(workdir)}
    return [done[row['name']] for row in rows]
