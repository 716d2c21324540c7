"""A table's rows: runs what is missing, keeps what is done."""

import pathlib
import re

import numpy as np

from fmnist_jax import data, results, train
from fmnist_jax.checks import check
from fmnist_jax.fit import fit, lay_out
from fmnist_jax.losses import probabilities
from fmnist_jax.progress import RowProgress
from fmnist_jax.settings import ConfigError, plain, resolve, settings_hash


def _file_name(row_name):
    return re.sub(r'[^\w.+-]+', '_', row_name).strip('_')


def _rounded(values, digits=6):
    """JSON has no NaN: a number that is none becomes null."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


def _save_probabilities(workdir, row_name, outcome, loss):
    """Test predictions of every seed, float16 [S, test images, 10], for ensembles and errors."""
    path = pathlib.Path('predictions') / f'{_file_name(row_name)}.npz'
    (workdir / path).parent.mkdir(exist_ok=True)
    chances = np.asarray(probabilities(outcome.logits, loss))
    np.savez_compressed(workdir / path, probabilities=chances.astype(np.float16))
    return str(path)


def run_row(row, settings, dataset, workdir, cache):
    """Trains all seeds of one row and appends its result line to the workdir; returns it."""
    replicas = lay_out(settings)
    num_train = len(dataset.train_labels) - settings.dataset.num_validation
    steps = train.steps_per_epoch(settings, num_train)
    progress = RowProgress(row['name'], settings.epochs, steps)
    try:
        outcome = fit(settings, dataset, replicas, cache, progress)
    finally:
        progress.close()
    result = {
        'row': row['name'],
        'model': settings.model.name,
        'dataset': settings.dataset.name,
        'seeds': list(range(settings.seed, settings.seed + settings.num_seeds)),
        'test_accuracy': _rounded(outcome.test_accuracy),
        'test_loss': _rounded(outcome.test_loss),
        'diverged': [not np.isfinite(x) for x in outcome.test_loss.tolist()],
        'tested_epoch': outcome.tested_epoch.tolist(),
        'reported': row['reported'],
        'also_reported': row['also_reported'],
        'parameters': outcome.parameters,
        'train_images': num_train,
        'train_seconds': round(outcome.train_seconds, 2),
        'compile_seconds': round(outcome.compile_seconds, 2),
        'history': outcome.history,
        'predictions': _save_probabilities(workdir, row['name'], outcome, settings.loss),
        'config_hash': settings_hash(settings),
        'config': plain(settings),
        **results.provenance(replicas),
    }
    results.append(workdir, result)
    return result


def check_rows(config, rows):
    """Refuses settings that cannot train, before anything is loaded or trained.

    Raises:
      ConfigError: names the row and the field.
    """
    for row in rows:
        try:
            check(resolve(config, row))
        except ConfigError as error:
            raise ConfigError(f'row {row["name"]!r}: {error}') from error


def run(config, rows, workdir, load_dataset, say=print):
    """Runs the rows that `workdir` does not hold yet.

    Args:
      config: the table's config.
      rows: the selected rows.
      workdir: folder of the results; made if it is not there.
      load_dataset: name -> data.Dataset.
      say: prints one line for the user.

    Returns:
      The result lines of the selected rows, in their order.

    Raises:
      ConfigError: the workdir holds another config's results, or a row cannot be used.
      DataError: more validation images than there are.
    """
    workdir = pathlib.Path(workdir)
    results.code_commit()
    settings = {row['name']: resolve(config, row) for row in rows}
    # A layout or a split that cannot be had: told before anything is written.
    for mine in settings.values():
        lay_out(mine)
        total = len(load_dataset(mine.dataset.name).train_labels)
        data.split(total, mine.dataset.num_validation, mine.seed)
    results.claim(workdir, config)
    done = {r['row']: r for r in results.read(workdir)}
    todo = []
    for row in rows:
        if row['name'] in done:
            mine = settings[row['name']]
            results.check_row(workdir, done[row['name']], mine, settings_hash(mine))
        else:
            todo.append(row)
    if len(todo) < len(rows):
        say(f'{len(rows) - len(todo)} of {len(rows)} rows are in {workdir} already')
    cache = {}
    for row in todo:
        mine = settings[row['name']]
        dataset = load_dataset(mine.dataset.name)
        done[row['name']] = run_row(row, mine, dataset, workdir, cache)
    return [done[row['name']] for row in rows]
