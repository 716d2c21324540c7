"""The Markdown table of a workdir, and what stands below it."""

import math

from fmnist_jax.markdown import grid, interval, notes, number, percent, without_empty_columns
from fmnist_jax.report.claims import claims_text
from fmnist_jax.report.other_numbers import also_text
from fmnist_jax.report.provenance import command
from fmnist_jax.report.rows import from_result, not_run, read
from fmnist_jax.results.statistics import CONFIDENCE, rank_correlation, summarize

_THEIR_SECONDS = 'seconds_per_epoch'  # in also_reported


def shown_name(row):
    """The row's name, and how many of its seeds have diverged or have no accuracy."""
    seeds, none = len(row.accuracies), row.accuracies.count(None)
    remarks = [f'{row.diverged} of {seeds} diverged'] * bool(row.diverged)
    remarks += [f'{none} of {seeds} without a number'] * bool(none)
    return row.name + (f' ({", ".join(remarks)})' if remarks else '')


def shown_mean(row):
    """The mean over seeds ± their standard deviation."""
    if not row.is_run:
        return 'not run yet'
    return _spread(row.accuracy)


def _spread(summary):
    std = percent(summary.std)
    return percent(summary.mean) + (f' ± {std}' if std else '')


def _tested(row):
    if row.tested_epoch is None:
        return ''
    return f'{number(row.tested_epoch, 1)} of {number(row.epochs_trained, 1)}'


def _calibration(row):
    """As trained, and with the temperature where there is one."""
    before, after = map(percent, (row.calibration_error, row.calibration_error_tempered))
    return f'{before} → {after}' if after else before


def cells(row):
    """{heading: cell} of one row."""
    low, high = row.test_interval
    return {
        'row': shown_name(row),
        'report': percent(row.reported),
        'seeds': str(row.accuracy.count),
        'ours: mean ± sd': shown_mean(row),
        '95 % interval': interval(row.accuracy.interval),
        'test set ±': percent((high - low) / 2),
        'tested epoch': _tested(row),
        'last epoch': _spread(row.last_epoch),
        'ensemble': percent(row.ensemble),
        'calibration error': _calibration(row),
        'verdict': row.verdict,
        'train s': number(row.train_seconds, 0),
        's / epoch': number(row.seconds_per_epoch, 2),
        "report's s / epoch": number(row.also_reported.get(_THEIR_SECONDS), 1),
    }


# Headings and what they mean.
_NOTES = {
    'row': 'Test accuracy in %; sd and 95 % interval (t) are over seeds.',
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
    'ensemble': 'ensemble: accuracy of the mean of all seeds\' probabilities ("bagging").',
    'calibration error': (
        "calibration error: the mean gap between a network's certainty and its accuracy (15 bins, "
        'test images; mean over seeds) → with its logits divided by the temperature that '
        'validation gave.'
    ),
    'verdict': (
        "verdict: consistent if the report's single run lies where one more of our seeds would "
        '(95 % prediction interval, 0.005 wider for rounding), else higher or lower than ours. It '
        "counts the seeds' spread alone."
    ),
    's / epoch': (
        's / epoch: train s (with validation, without compiling) per epoch and seed, trained '
        'together; a seed that stopped early counts until then where it takes no time after that.'
    ),
}
_NO_ENSEMBLE = (
    "ensemble of the seeds: not in {} row's result line (they are older than it), and not to be "
    'had without their predictions/ and the test labels.'
)


def row_grid(rows):
    """The cells of Rows, the heading first, less the columns that say nothing."""
    shown = [cells(row) for row in rows]
    return without_empty_columns([list(shown[0]), *[list(c.values()) for c in shown]])


def explanations(headings, rows):
    """What the columns mean, for those that are there, and why there are no more."""
    items = [text for heading, text in _NOTES.items() if heading in headings]
    done = [row for row in rows if row.is_run]
    lacking = [r for r in done if r.ensemble is None and r.accuracy.count - r.diverged > 1]
    if lacking:
        items.append(_NO_ENSEMBLE.format('any' if len(lacking) == len(done) else 'every'))
    return items


def heading(title, rows):
    """A table's title with what it was measured on."""
    datasets = {row.dataset for row in rows} - {None}
    if 'synthetic' in datasets:
        return f'{title} (SYNTHETIC images: not comparable with the report)'
    return f'{title} on {", ".join(sorted(datasets))}' if datasets else title


def grid_summary(rows):
    """Mean and deviation over the rows of a grid, the report's and ours, and whether both put
    the rows in the same order: a report that picks the best of its grid relies on that order."""
    done = [row for row in rows if row.accuracy.count]
    reported = [row for row in rows if row.reported is not None]
    both = [row for row in done if row.reported is not None]

    parts = []
    if reported:
        parts.append(
            f'report {_spread(summarize([r.reported for r in reported]))} ({len(reported)} rows)'
        )
    if done:
        parts.append(
            f'ours {_spread(summarize([r.accuracy.mean for r in done]))} ({len(done)} rows)'
        )
    if both and len(both) < len(reported):
        parts.append(
            f'the report on the rows that we have {_spread(summarize([r.reported for r in both]))}'
        )
    return f'Mean ± sd over the rows: {"; ".join(parts)}.{_same_order(both)}'


def _same_order(rows):
    """A sentence on the rank correlation of report and ours; '' for too few rows."""
    coefficient, p = rank_correlation(
        [row.reported for row in rows], [row.accuracy.mean for row in rows]
    )
    if math.isnan(coefficient):
        return ''
    shown = f"Spearman's rank correlation {coefficient:.2f} over {len(rows)} rows, p = {p:.2g}"
    found = 'are not shown to agree'
    if p < 1 - CONFIDENCE:
        found = 'agree' if coefficient > 0 else 'are opposed'
    return f' The orders of report and ours {found} ({shown}).'


def _not_run_yet(workdir, config, rows):
    missing = sum(not row.is_run for row in rows)
    if not missing:
        return ''
    return (
        f'Not run yet: {missing} of {len(rows)} rows. This runs them; finished rows are not '
        f'run again:\n\n    {command(workdir, config, rows)}'
    )


def _text(title, rows):
    """Heading, table and notes of Rows."""
    shown = row_grid(rows)
    return f'{heading(title, rows)}\n\n{grid(shown)}\n{notes(explanations(shown[0], rows))}'


def table(results, title, missing=()):
    """Markdown table of result lines.

    Args:
      results: result lines, in the order wanted.
      title: heading.
      missing: rows that have not been run, {'name', 'reported'}.

    Raises:
      ConfigError: a damaged line.
    """
    rows = [from_result(result) for result in results]
    return _text(title, rows + [not_run(row) for row in missing])


def workdir_table(workdir, data_dir=None):
    """The table of all rows of a workdir's config, those not run yet too, and its claims.

    Args:
      workdir: its folder.
      data_dir: where the test labels are (`predictions.labels_at_hand`), for older result lines.

    Raises:
      ConfigError: nothing has been run there, or something there is damaged.
      DataError: damaged predictions or labels.
    """
    config, rows = read(workdir, data_dir)
    below = [grid_summary(rows) if config.get('grid') else '', _not_run_yet(workdir, config, rows)]
    below = ''.join(f'\n{text}\n' for text in below if text)
    return _text(config['title'], rows) + below + claims_text(workdir) + also_text(rows)
