"""Every number of the tables as CSV: one line a row, fractions instead of per cent."""

import csv
import math

from fmnist_jax.report.rows import read


def _mean(values):
    return sum(values) / len(values) if values else None


def _numbers(workdir, title, row):
    """{column: value} of one row."""
    accuracy = row.accuracy
    return {
        'workdir': workdir,
        'title': title,
        'row': row.name,
        'dataset': row.dataset,
        'reported': row.reported,
        'seeds': accuracy.count,
        'diverged': row.diverged,
        'mean': accuracy.mean,
        'sd': accuracy.deviation,
        'interval_low': accuracy.interval[0],
        'interval_high': accuracy.interval[1],
        'prediction_low': accuracy.prediction[0],
        'prediction_high': accuracy.prediction[1],
        'test_images': row.test_images,
        'wilson_low': row.test_interval[0],
        'wilson_high': row.test_interval[1],
        'tested_epoch': row.tested_epoch,
        'epochs_trained': row.epochs_trained,
        'ensemble': row.ensemble,
        'temperature': _mean(row.temperatures),
        'calibration_error': row.calibration_error,
        'calibration_error_tempered': row.calibration_error_tempered,
        'ensemble_calibration_error': row.ensemble_calibration_error,
        'verdict': row.verdict,
        'train_seconds': row.train_seconds,
        'seconds_per_epoch': row.seconds_per_epoch,
    }


def _cell(value):
    """Eight significant digits; nothing for None and NaN."""
    if isinstance(value, float):
        return '' if math.isnan(value) else f'{value:.8g}'
    return value


def write(path, folders, data_dir=None):
    """Writes the rows of workdirs, those not run yet too.

    Columns beside those of the table: `reported_NAME` for each other number a report prints and
    `accuracy_seed_K` for each seed's test accuracy, empty where a row has none.

    Raises:
      ConfigError, DataError: as `rows.read`.
      OSError: the file cannot be written.
    """
    lines = []
    for workdir in folders:
        config, rows = read(workdir, data_dir)
        for row in rows:
            also = {f'reported_{name}': value for name, value in row.also_reported.items()}
            seeds = zip(row.seeds, row.accuracies, strict=True)
            numbers = _numbers(workdir.resolve().name, config['title'], row)
            lines.append((numbers, also, {f'accuracy_seed_{k}': value for k, value in seeds}))
    # The columns of all rows, each kind together and in the order met.
    columns = list(
        {name: None for kind in zip(*lines, strict=True) for part in kind for name in part}
    )
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for numbers, also, seeds in lines:
            merged = numbers | also | seeds
            writer.writerow({name: _cell(value) for name, value in merged.items()})
