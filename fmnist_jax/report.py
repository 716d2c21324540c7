"""Result lines -> a table: the report's number beside ours.

    python -m fmnist_jax.report runs/lenet

prints the table of a workdir again, from its result lines alone.
"""

import argparse
import json
import pathlib
import sys

from fmnist_jax import results as result_lines
from fmnist_jax.settings import ConfigError
from fmnist_jax.statistics import summarize, verdict

_COLUMNS = ('row', 'report', 'seeds', 'ours: mean ± sd', '95 % interval', 'verdict', 'train s')


def percent(fraction):
    """0.9094 -> 90.94; nothing for None."""
    return '' if fraction is None else f'{100 * fraction:.2f}'


def _line(result):
    """The cells of one row."""
    accuracy = summarize(result['test_accuracy'])
    several = accuracy.count > 1
    low, high = accuracy.interval
    diverged = sum(result.get('diverged', []))
    # Drawn images say nothing about a number that was measured on real ones.
    reported = None if result['dataset'] == 'synthetic' else result['reported']
    return (
        result['row'] + (f' ({diverged} of {accuracy.count} diverged)' if diverged else ''),
        percent(reported),
        str(accuracy.count),
        percent(accuracy.mean) + (f' ± {percent(accuracy.deviation)}' if several else ''),
        f'{percent(low)} to {percent(high)}' if several else '',
        verdict(reported, accuracy),
        f'{result["train_seconds"]:.0f}',
    )


def table(results, title, missing=()):
    """Markdown table of result lines, test accuracy in per cent.

    Args:
      results: result lines, in the order wanted.
      title: heading.
      missing: names of rows that have not been run.
    """
    datasets = {r['dataset'] for r in results}
    heading = f'{title}: test accuracy in %'
    if 'synthetic' in datasets:
        heading += ' (SYNTHETIC images: not comparable with the report)'
    elif datasets:
        heading += f' on {", ".join(sorted(datasets))}'
    cells = [_COLUMNS, *[_line(r) for r in results]]
    cells += [(name, '', '0', 'not run yet', '', '', '') for name in missing]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS))]
    lines = [
        '| ' + ' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + ' |'
        for line in cells
    ]
    lines.insert(1, '|' + '|'.join('-' * (w + 2) for w in widths) + '|')
    notes = (
        "\nverdict: consistent if the report's single run lies where one more of our seeds "
        'would\n(95 % prediction interval), else higher or lower than ours.'
    )
    return '\n'.join([heading, '', *lines, notes])


def main(argv=None):
    """Prints the table of a workdir; returns the exit code."""
    parser = argparse.ArgumentParser(description='Prints the table of a workdir.')
    parser.add_argument('workdir', help='folder with results.jsonl, such as runs/lenet')
    workdir = pathlib.Path(parser.parse_args(argv).workdir)
    try:
        results = result_lines.read(workdir)
        if not results:
            raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
        config = workdir / 'config.json'
        title = json.loads(config.read_text())['title'] if config.exists() else workdir.name
    except ConfigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(table(results, title))
    return 0


if __name__ == '__main__':
    sys.exit(main())
