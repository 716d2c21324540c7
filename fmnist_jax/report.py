"""Result lines -> tables: the report's number beside ours.

    python -m fmnist_jax.report runs/lenet      the table of a workdir
    python -m fmnist_jax.report experiments     one line for each workdir in a folder

Both come from the result lines alone; nothing is trained.
"""

import argparse
import collections
import pathlib
import sys

from fmnist_jax import results as result_lines
from fmnist_jax.settings import ConfigError
from fmnist_jax.statistics import summarize, verdict

_COLUMNS = ('row', 'report', 'seeds', 'ours: mean ± sd', '95 % interval', 'verdict', 'train s')
_NOTE = """
Test accuracy in %; sd and interval over seeds. verdict: consistent if the report's single run
lies where one more of our seeds would (95 % prediction interval), else higher or lower than ours.
"""


def percent(fraction):
    """0.9094 -> 90.94; nothing for None."""
    return '' if fraction is None else f'{100 * fraction:.2f}'


def _reported(result):
    """The report's number; drawn images say nothing about one measured on real images."""
    return None if result['dataset'] == 'synthetic' else result['reported']


def _verdict(result):
    return verdict(_reported(result), summarize(result['test_accuracy']))


def _line(result):
    """The cells of one row."""
    accuracy = summarize(result['test_accuracy'])
    several = accuracy.count > 1
    low, high = accuracy.interval
    diverged = sum(result.get('diverged', []))
    return (
        result['row'] + (f' ({diverged} of {accuracy.count} diverged)' if diverged else ''),
        percent(_reported(result)),
        str(accuracy.count),
        percent(accuracy.mean) + (f' ± {percent(accuracy.deviation)}' if several else ''),
        f'{percent(low)} to {percent(high)}' if several else '',
        _verdict(result),
        f'{result["train_seconds"]:.0f}',
    )


def _markdown(rows):
    """Rows of cells, the first the heading, as an aligned Markdown table."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        '| ' + ' | '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + ' |'
        for row in rows
    ]
    lines.insert(1, '|' + '|'.join('-' * (w + 2) for w in widths) + '|')
    return '\n'.join(lines)


def table(results, title, missing=()):
    """Markdown table of result lines.

    Args:
      results: result lines, in the order wanted.
      title: heading.
      missing: rows that have not been run, {'name', 'reported'}.
    """
    datasets = {r['dataset'] for r in results}
    heading = title
    if 'synthetic' in datasets:
        heading += ' (SYNTHETIC images: not comparable with the report)'
    elif datasets:
        heading += f' on {", ".join(sorted(datasets))}'
    rows = [_COLUMNS, *[_line(r) for r in results]]
    rows += [(r['name'], percent(r['reported']), '0', 'not run yet', '', '', '') for r in missing]
    return f'{heading}\n\n{_markdown(rows)}\n{_NOTE}'


def workdir_table(workdir):
    """The table of all rows of a workdir's config, those not run yet too.

    Raises:
      ConfigError: nothing has been run there.
    """
    results = {r['row']: r for r in result_lines.read(workdir)}
    if not results:
        raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
    config = result_lines.read_config(workdir)
    names = [row['name'] for row in config['rows']]
    in_order = [results[name] for name in names if name in results]
    missing = [row for row in config['rows'] if row['name'] not in results]
    return table(in_order, config['title'], missing)


def overview(workdirs):
    """One line for each table: its best reported row, and how many rows bear their number out."""
    rows = [('table', 'best reported', 'report', 'ours: mean ± sd', 'verdict', 'all verdicts')]
    for workdir in workdirs:
        compared = [r for r in result_lines.read(workdir) if _verdict(r)]
        if not compared:
            continue
        counts = collections.Counter(_verdict(r) for r in compared).most_common()
        # Several rows may try one reported number in different ways: then our best of them.
        best = max(compared, key=lambda r: (r['reported'], summarize(r['test_accuracy']).mean))
        name, report, seeds, ours, *_ = _line(best)
        rows.append((
            *(result_lines.read_config(workdir)['title'], name, report),
            *(f'{ours} ({seeds} seeds)', _verdict(best)),
            ', '.join(f'{count} {name}' for name, count in counts),
        ))  # fmt: skip
    return _markdown(rows)


def main(argv=None):
    """Prints a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', help='a workdir, such as runs/lenet, or a folder of workdirs')
    folder = pathlib.Path(parser.parse_args(argv).folder)
    workdirs = sorted(path.parent for path in folder.glob('*/results.jsonl'))
    try:
        print(overview(workdirs) if workdirs else workdir_table(folder))
    except ConfigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
