"""The Markdown table of a workdir, and one line for each of several workdirs."""

import collections

from fmnist_jax import results as result_lines
from fmnist_jax import workdirs
from fmnist_jax.markdown import grid
from fmnist_jax.report.claims_table import claims_text
from fmnist_jax.report.markdown import interval, notes, number, percent, without_empty_columns
from fmnist_jax.report.rows import Row, from_result, read

_OVERVIEW = ('table', 'best reported', 'report', 'ours: mean ± sd', 'verdict', 'all verdicts')
_THEIR_SECONDS = 'seconds_per_epoch'  # in also_reported


def shown_name(row):
    """The row's name, and how many of its seeds have diverged or have no accuracy."""
    seeds, none = len(row.accuracies), row.accuracies.count(None)
    remarks = [f'{row.diverged} of {seeds} diverged'] * bool(row.diverged)
    remarks += [f'{none} of {seeds} without a number'] * bool(none)
    return row.name + (f' ({", ".join(remarks)})' if remarks else '')


def shown_mean(row):
    """The mean over seeds ± their standard deviation."""
    if row.dataset is None:
        return 'not run yet'
    spread = percent(row.accuracy.deviation)
    return percent(row.accuracy.mean) + (f' ± {spread}' if spread else '')


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
        's / epoch: train s (with validation, without compiling) per epoch and seed; the seeds are '
        'trained together.'
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
    done = [row for row in rows if row.dataset is not None]
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
    return _text(title, rows + [Row(r['name'], r['reported']) for r in missing])


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
    return _text(config['title'], rows) + claims_text(workdir)


def best_compared(rows):
    """The row with the best reported number, of rows that have a verdict.

    Several rows may try one reported number in different ways: then our best of them.
    """
    return max(rows, key=lambda row: (row.reported, row.accuracy.mean))


def overview(folders):
    """One line for each table: its best reported row, and how many rows bear their number out."""
    lines = [_OVERVIEW]
    for workdir in folders:
        rows = [from_result(result) for result in result_lines.read(workdir)]
        compared = [row for row in rows if row.verdict]
        if not compared:
            continue
        counts = collections.Counter(row.verdict for row in compared).most_common()
        best = best_compared(compared)
        lines.append((
            *(workdirs.read_config(workdir)['title'], shown_name(best), percent(best.reported)),
            *(f'{shown_mean(best)} ({best.accuracy.count} seeds)', best.verdict),
            ', '.join(f'{count} {name}' for name, count in counts),
        ))  # fmt: skip
    return grid(lines)
