"""Markdown: the table of a workdir with the text below it, and the overview of all tables."""

import math
import pathlib
from typing import NamedTuple

from fmnist_jax.config.settings import plain
from fmnist_jax.config.table import load_config
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import grid, interval, notes, number, percent, without_empty_columns
from fmnist_jax.report.claims import claims_text
from fmnist_jax.report.other_numbers import networks_grid, other_numbers_grid
from fmnist_jax.report.provenance import command
from fmnist_jax.report.readings import readings_text
from fmnist_jax.report.rows import VERDICTS, not_run, read, verdict_counts, verdict_text
from fmnist_jax.results.statistics import ENOUGH_SEEDS, LEVEL, WIDEST, rank_correlation, summarize


def shown_name(row):
    """The row's name, with the numbers of diverged seeds and of seeds without an accuracy."""
    seeds, missing = len(row.accuracies), row.accuracies.count(None)
    remarks = [f'{row.diverged} of {seeds} diverged'] if row.diverged else []
    remarks += [f'{missing} of {seeds} without a number'] if missing else []
    return row.name + (f' ({", ".join(remarks)})' if remarks else '')


def mean_and_std(summary):
    """'91.00 ± 0.12'; without ± for one seed."""
    std = percent(summary.std)
    return percent(summary.mean) + (f' ± {std}' if std else '')


def shown_mean(row):
    """The mean over seeds ± their standard deviation, or 'not run yet'."""
    return mean_and_std(row.accuracy) if row.is_run else 'not run yet'


def _clusters(row):
    """'4 of 5; 66.55, 16.45 to 70.35' for seeds of which some are stuck, else ''."""
    summary = row.accuracy
    if not summary.trained < 1:
        return ''
    trained = round(summary.trained * summary.count)
    return f'{trained} of {summary.count}; {percent(summary.median)}, {interval(summary.range)}'


def _cells(row):
    """{heading: cell} of one row."""
    low, high = row.test_interval
    calibration = [percent(row.calibration_error), percent(row.calibration_error_tempered)]
    tested = f'{number(row.tested_epoch, 1)} of {number(row.epochs_trained, 1)}'
    has_ensemble = row.ensemble is not None
    return {
        'row': shown_name(row),
        'report': row.reported_text,
        'calibrated on it': row.calibrated_on,
        'verdict': verdict_text(row),
        'seeds': str(row.accuracy.count),
        'ours: mean ± sd': shown_mean(row),
        'one more seed': interval(row.prediction) + ' *' * (row.pool is not None),
        'seeds that trained': _clusters(row),
        '95 % interval': interval(row.accuracy.interval),
        'test set ±': percent((high - low) / 2),
        'tested epoch': '' if row.tested_epoch is None else tested,
        'last epoch': mean_and_std(row.last_epoch),
        'ensemble (seeds)': percent(row.ensemble) + f' ({row.ensemble_seeds})' * has_ensemble,
        'calibration error': ' → '.join(filter(None, calibration)),
        'train s': number(row.train_seconds, 0),
        's / epoch': number(row.seconds_per_epoch, 2),
        "report's s / epoch": number(row.also_reported.get('seconds_per_epoch'), 1),
    }


_NOTES = {  # heading -> what it means
    'row': 'Test accuracy in %; sd and 95 % interval (t) are over seeds.',
    'calibrated on it': (
        'calibrated on it: the report leaves this setting open, and we chose it by this number. '
        'Such numbers are counted apart.'
    ),
    'verdict': (
        "verdict: consistent if the report's single run, give or take half of its last digit, "
        'lies where one more of our seeds would, else higher or lower than ours. It counts the '
        f"seeds' spread alone. Cannot tell: that interval is wider than ± {100 * WIDEST:g} points, "
        'or some seeds trained and others did not.'
    ),
    'one more seed': 'one more seed: 95 % prediction interval of its test accuracy.',
    'seeds that trained': (
        'seeds that trained: share above a gap that divides the seeds; median and range of all.'
    ),
    'test set ±': (
        "test set ±: half of the 95 % Wilson interval of one network's accuracy: how far another "
        'draw of as many test images would move it. All rows share the same images, so their '
        'differences are surer than that.'
    ),
    'tested epoch': (
        'tested epoch: the one that validation chose, of those trained; means over seeds.'
    ),
    'last epoch': (
        'last epoch: mean ± sd of the test accuracy after it, to compare with the tested one.'
    ),
    'ensemble (seeds)': (
        'ensemble: accuracy of the mean of so many seeds\' probabilities ("bagging").'
    ),
    'calibration error': (
        "calibration error: the mean gap between a network's certainty and its accuracy (15 bins, "
        'test images; mean over seeds) → with its logits divided by the temperature that '
        'validation gave.'
    ),
    's / epoch': (
        's / epoch: train s (with validation, without compiling) per epoch and seed. A seed that '
        'stopped early counts its own epochs if seeds train one after the other, and all epochs if '
        'they train together.'
    ),
}


def row_grid(rows):
    """The cells of Rows, the heading first, without empty columns."""
    cells = [_cells(row) for row in rows]
    return without_empty_columns([list(cells[0]), *[list(line.values()) for line in cells]])


_NAMED = 6  # rows of a table that a note names; of more it gives the number


def _pool_note(pool):
    """Which rows a pooled standard deviation comes from, and its degrees of freedom."""
    tables = [
        f'{table} ({", ".join(names) if len(names) <= _NAMED else f"{len(names)} rows"})'
        for table, names in pool.rows.items()
    ]
    return (
        f'* With fewer than {ENOUGH_SEEDS} seeds, the sd of the interval is pooled over rows of '
        f'{" on ".join(pool.family)} with two seeds or more: {percent(pool.pooled.std)} points, '
        f'{pool.pooled.dof} degrees of freedom, from {", ".join(tables)}.'
    )


def explanations(heading, rows):
    """What the columns of `heading` mean."""
    items = [text for name, text in _NOTES.items() if name in heading]
    pools = {row.pool.family: row.pool for row in rows if row.pool}
    items += map(_pool_note, pools.values())
    run = [row for row in rows if row.is_run]
    lacking = [r for r in run if r.ensemble is None and r.accuracy.count - r.diverged > 1]
    if lacking:
        which = 'any' if len(lacking) == len(run) else 'every'
        items.append(f"ensemble of the seeds: not in {which} row's result line (older lines).")
    return items


def table_heading(title, rows):
    """A table's title and its data sets."""
    datasets = {row.dataset for row in rows} - {None}
    if 'synthetic' in datasets:
        return f'{title} (SYNTHETIC images: not comparable with the report)'
    return f'{title} on {", ".join(sorted(datasets))}' if datasets else title


def grid_summary(rows):
    """Mean and std over the rows of a grid, the report's and ours, and their rank correlation.

    A report that picks the best row of its grid relies on the order.
    """
    reported = [row.reported for row in rows if row.reported is not None]
    run = [row.accuracy.mean for row in rows if row.accuracy.count]
    both = [row for row in rows if row.accuracy.count and row.reported is not None]
    parts = [
        f'{whose} {mean_and_std(summarize(values))} ({len(values)} rows)'
        for whose, values in (('report', reported), ('ours', run))
        if values
    ]
    reported_of_both = [row.reported for row in both]
    if both and len(both) < len(reported):
        summary = summarize(reported_of_both)
        parts.append(f'the report on the rows that we have {mean_and_std(summary)}')
    text = f'Mean ± sd over the rows: {"; ".join(parts)}.'
    coefficient, p = rank_correlation(reported_of_both, [row.accuracy.mean for row in both])
    if math.isnan(coefficient):  # too few rows
        return text
    outcome = 'are not shown to agree'
    if p < LEVEL:
        outcome = 'agree' if coefficient > 0 else 'are opposed'
    return (
        f"{text} The orders of report and ours {outcome} (Spearman's rank correlation "
        f'{coefficient:.2f} over {len(both)} rows, p = {p:.2g}).'
    )


def rows_text(title, rows):
    """Heading, table and notes of Rows in Markdown."""
    cells = row_grid(rows)
    return f'{table_heading(title, rows)}\n\n{grid(cells)}\n{notes(explanations(cells[0], rows))}'


def workdir_table(workdir, names=None):
    """The table of all rows of a workdir's config, run or not, with its claims.

    Args:
      names: only these rows.

    Raises:
      ConfigError: no result lines, or a damaged file.
    """
    config, rows = read(workdir)
    rows = [row for row in rows if names is None or row.name in names]
    text = rows_text(config['title'], rows)
    if config.get('grid'):
        text += f'\n{grid_summary(rows)}\n'
    missing = sum(not row.is_run for row in rows)
    if missing:
        text += (
            f'\nNot run yet: {missing} of {len(rows)} rows. This runs them; finished rows are not '
            f'run again:\n\n    {command(workdir, config, rows)}\n'
        )
    text += readings_text(rows)
    text += claims_text(workdir)
    other_numbers = other_numbers_grid(rows)
    if other_numbers:
        text += f'\nWhat else the report prints\n\n{grid(other_numbers)}\n'
    networks = networks_grid(rows)
    if networks:
        text += f'\nNetworks (operations: formulas of report 000)\n\n{grid(networks)}\n'
    return text


# All tables at a glance.


_OVERVIEW = ('table', 'best reported', 'report', 'ours: mean ± sd', 'verdict')
_OVERVIEW += ('all verdicts', 'rows run')


class Table(NamedTuple):
    """A table with its rows, run or not."""

    title: str
    rows: list  # [Row]
    command: str  # runs the rows not run yet; '' if all are run


def read_tables(folders):
    """The Tables of workdirs."""
    return [_table(folder, *read(folder)) for folder in folders]


def _table(folder, config, rows):
    return Table(config['title'], rows, command(folder, config, rows))


def tables_not_run(configs, folder, folders):
    """The Tables of config files without a workdir that have a reported number of their own.

    Args:
      configs: folder of the config files.
      folder: folder of workdirs, each with the name of its config.
      folders: the workdirs in it.
    """
    files = sorted(path for path in pathlib.Path(configs).glob('*.py') if path.stem != 'base')
    if not files:
        raise ConfigError(f'{configs}: no config files there (*.py)')
    run = {path.resolve().name for path in folders}
    tables = []
    for path in (path for path in files if path.stem not in run):
        config = plain(load_config(path))
        rows = [not_run(row, config['decimals']) for row in config['rows']]
        if verdict_counts(rows):
            tables.append(_table(folder / path.stem, config, rows))
    return sorted(tables, key=lambda table: table.title)


def best_reported(rows):
    """The row with the report's best number; None without one, or on synthetic images.

    Of several rows with that number, our best.
    """
    numbers = [row for row in rows if row.reported is not None]
    if not numbers or any(row.dataset == 'synthetic' for row in rows):
        return None
    return max(numbers, key=lambda r: (r.reported, r.accuracy.mean if r.accuracy.count else 0))


def ours(row):
    """'91.00 ± 0.12 (5 seeds)', or 'not run yet'."""
    seeds = row.accuracy.count
    return shown_mean(row) + (f' ({seeds} seed{"s" * (seeds > 1)})' if seeds else '')


def _overview_cells(table):
    rows, best = table.rows, best_reported(table.rows)
    counts = verdict_counts(rows)
    verdicts = ', '.join(f'{n} {VERDICTS[key][1]}' for key, n in counts.items() if key != 'not_run')
    return (
        table.title,
        shown_name(best),
        best.reported_text,
        ours(best),
        verdict_text(best),
        verdicts or ('' if counts else "other tables' numbers"),
        f'{sum(row.is_run for row in rows)} of {len(rows)}',
    )


def overview(tables):
    """Markdown: one line a table with a reported number, by title."""
    shown = [table for table in tables if best_reported(table.rows)]
    lines = [_overview_cells(table) for table in sorted(shown, key=lambda table: table.title)]
    return grid([_OVERVIEW, *lines])


def commands(tables):
    """Markdown: the command of every table that lacks rows; '' if none does."""
    lines = sorted(f'- {table.title}: `{table.command}`' for table in tables if table.command)
    return '\nRows not run yet:\n\n' + '\n'.join(lines) + '\n' if lines else ''
