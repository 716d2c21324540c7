"""Every number of the tables as CSV (fractions, not per cent); the claims as a second file."""

import csv
import math
import pathlib

from fmnist_jax.report.claims import evaluate
from fmnist_jax.report.rows import changed_text, mean, read


def _numbers(workdir, title, row):
    """{column: value} of one row."""
    accuracy = row.accuracy
    numbers = {
        'workdir': workdir,
        'title': title,
        'row': row.name,
        'changed': changed_text(row).removeprefix('changed: '),
        'dataset': row.dataset,
        'reported': row.reported,
        'seeds': accuracy.count,
        'diverged': row.diverged,
        'mean': accuracy.mean,
        'sd': accuracy.std,
        'interval_low': accuracy.interval[0],
        'interval_high': accuracy.interval[1],
        'prediction_low': accuracy.prediction[0],
        'prediction_high': accuracy.prediction[1],
        'test_images': row.test_images,
        'wilson_low': row.test_interval[0],
        'wilson_high': row.test_interval[1],
        'tested_epoch': row.tested_epoch,
        'epochs_trained': row.epochs_trained,
        'last_epoch_mean': row.last_epoch.mean,
        'last_epoch_sd': row.last_epoch.std,
        'ensemble': row.ensemble,
        'temperature': mean(row.temperatures),
    }
    same_name = ('calibration_error', 'calibration_error_tempered', 'ensemble_calibration_error')
    same_name += ('verdict', 'repeats', 'train_seconds', 'seconds_per_epoch')
    return numbers | {name: getattr(row, name) for name in same_name}


_CLAIM_COLUMNS = 'workdir title claim claim_outcome comparison difference interval_low '
_CLAIM_COLUMNS += 'interval_high margin wins p outcome seeds_least seeds_most seeds_needed'


def _claims(workdir, config):
    """The values of _CLAIM_COLUMNS for each comparison of a workdir's claims."""
    for claim in evaluate(config.get('claims') or (), workdir):
        for comparison in claim.comparisons:
            contrast = comparison.contrast
            yield (
                workdir.resolve().name,
                config['title'],
                claim.text,
                claim.outcome,
                comparison.text,
                contrast.difference if contrast else None,
                *(contrast.interval if contrast else (None, None)),
                comparison.margin,
                comparison.wins,
                comparison.p,
                comparison.outcome,
                *comparison.seeds,
                comparison.needed,
            )


def write(path, folders):
    """Writes the rows of workdirs, run or not, to `path` and their claims to *_claims.csv.

    Further columns: `reported_NAME` for each other number of a report and `accuracy_seed_K` for
    each seed's test accuracy, empty where a row has none.
    """
    lines, claims = [], []
    for workdir in folders:
        config, rows = read(workdir)
        if not any(row.dataset == 'synthetic' for row in rows):
            claims += _claims(workdir, config)
        for row in rows:
            also = {f'reported_{name}': value for name, value in row.also_reported.items()}
            seeds = zip(row.seeds, row.accuracies, strict=True)
            numbers = _numbers(workdir.resolve().name, config['title'], row)
            lines.append((numbers, also, {f'accuracy_seed_{k}': value for k, value in seeds}))
    # Columns of one kind stand together, in the order of their first appearance.
    columns = dict.fromkeys(
        name for kind in zip(*lines, strict=True) for part in kind for name in part
    )
    cells = [numbers | also | seeds for numbers, also, seeds in lines]
    _write(path, columns, [[line.get(column) for column in columns] for line in cells])
    path = pathlib.Path(path)
    _write(path.with_name(f'{path.stem}_claims{path.suffix}'), _CLAIM_COLUMNS.split(), claims)


def _cell(value):
    """Eight significant digits; nothing for None and NaN."""
    if isinstance(value, float):
        return '' if math.isnan(value) else f'{value:.8g}'
    return value


def _write(path, columns, lines):
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in line] for line in lines)
