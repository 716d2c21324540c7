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
        'trained': accuracy.trained,
        'diverged': row.diverged,
        'mean': accuracy.mean,
        'sd': accuracy.std,
        'median': accuracy.median,
        'least': accuracy.range[0],
        'most': accuracy.range[1],
        'interval_low': accuracy.interval[0],
        'interval_high': accuracy.interval[1],
        'prediction_low': row.prediction[0],
        'prediction_high': row.prediction[1],
        'pooled_sd': row.pool.pooled.std if row.pool else None,
        'pooled_dof': row.pool.pooled.dof if row.pool else None,
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
    same_name += ('verdict', 'repeats', 'calibrated_on', 'ensemble_seeds')
    same_name += ('train_seconds', 'seconds_per_epoch')
    return numbers | {name: getattr(row, name) for name in same_name}


def _claims(workdir, config):
    """A dict for each comparison of a workdir's claims; differences are of fractions."""
    for claim in evaluate(config['claims'], workdir):
        for comparison in claim.comparisons:
            contrast = comparison.contrast
            low, high = contrast.interval if contrast else (None, None)
            yield {
                'workdir': workdir.resolve().name,
                'title': config['title'],
                'claim': claim.text,
                'claim_outcome': claim.outcome,
                'claim_p': claim.p,
                'comparison': comparison.text,
                'difference': contrast.difference if contrast else None,
                'interval_low': low,
                'interval_high': high,
                'margin': comparison.margin,
                'wins': comparison.wins,
                'wins_low': comparison.wins_interval[0],
                'wins_high': comparison.wins_interval[1],
                'p': comparison.p,
                'outcome': comparison.outcome,
                'seeds_least': comparison.seeds[0],
                'seeds_most': comparison.seeds[1],
                'seeds_needed': comparison.needed,
            }


def write(path, folders):
    """Writes the rows of workdirs, run or not, to `path` and their claims, if any, to *_claims.csv.

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
    _write(path, columns, [numbers | also | seeds for numbers, also, seeds in lines])
    path = pathlib.Path(path)
    if claims:
        _write(path.with_name(f'{path.stem}_claims{path.suffix}'), claims[0], claims)


def _cell(value):
    """Eight significant digits; nothing for None and NaN."""
    if isinstance(value, float):
        return '' if math.isnan(value) else f'{value:.8g}'
    return value


def _write(path, columns, lines):
    with open(path, 'w', newline='', encoding='utf-8', errors='replace') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for line in lines:
            writer.writerow({name: _cell(value) for name, value in line.items()})
