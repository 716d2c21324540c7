"""Prints one line per report: its best number and ours, our verdicts, and its conclusions.

    python experiments/scorecard.py            prints the scorecard
    python experiments/scorecard.py --write    writes it into README.md, the overview of all tables
                                               into experiments/README.md, and SCORECARD.md

All figures come from the committed result lines experiments/*/results.jsonl.
"""

import collections
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from experiments import status  # noqa: E402
from fmnist_jax.config.cli import Parser  # noqa: E402
from fmnist_jax.files import write_between  # noqa: E402
from fmnist_jax.markdown import markdown  # noqa: E402
from fmnist_jax.report import rows as table_rows  # noqa: E402
from fmnist_jax.report.claims import evaluate  # noqa: E402
from fmnist_jax.report.rows import VERDICTS, verdict_counts  # noqa: E402
from fmnist_jax.report.scorecard import of_report, words  # noqa: E402
from fmnist_jax.report.tables import (  # noqa: E402
    best_reported,
    ours,
    overview,
    read_tables,
    tables_not_run,
)

EXPERIMENTS = ROOT / 'experiments'
REPORTS = ('000', '001', '002', '003', '004')
_HEADING = ['report', 'rows run', 'best reported', 'ours: mean ± sd', 'verdicts', 'conclusions']


def _workdirs():
    return sorted(path.parent for path in EXPERIMENTS.glob('*/results.jsonl'))


def scorecard():
    """The scorecard as Markdown.

    Raises:
      ConfigError: a damaged workdir.
    """
    tables = [(workdir, *table_rows.read(workdir)) for workdir in _workdirs()]
    lines = []
    for report in REPORTS:
        rows, count, run, outcomes = [], 0, 0, collections.Counter()
        for workdir, config, rows_of_table in tables:
            if config['title'].startswith(f'Report {report}'):
                rows += rows_of_table
                if not all(row.repeats for row in rows_of_table):  # a table of readings
                    count += len(rows_of_table)
                    run += sum(row.is_run for row in rows_of_table)
                claims = evaluate(config['claims'], workdir)
                outcomes.update(c.outcome for c in of_report(config, claims))
        best = best_reported([row for row in rows if row.dataset == 'fashion_mnist'])
        lines.append([
            report,
            f'{run} of {count}',
            best.reported_text,
            ours(best),
            words({VERDICTS[key][1]: count for key, count in verdict_counts(rows).items()}),
            words(dict(outcomes.most_common())),
        ])  # fmt: skip
    return markdown(_HEADING, lines)


def all_tables():
    """The table that `python -m fmnist_jax.report experiments --configs=configs` prints."""
    workdirs = _workdirs()
    return overview(read_tables(workdirs) + tables_not_run(ROOT / 'configs', EXPERIMENTS, workdirs))


def main(argv=None):
    """Prints the scorecard, or writes both tables."""
    parser = Parser(description=__doc__)
    parser.add_argument('--write', action='store_true', help='write the tables into both READMEs')
    if parser.parse_args(argv).write:
        write_between(ROOT / 'README.md', 'scorecard.py', scorecard())
        write_between(EXPERIMENTS / 'README.md', 'scorecard.py', all_tables())
        (EXPERIMENTS / 'SCORECARD.md').write_text(status.page())
    else:
        print(scorecard(), end='')


if __name__ == '__main__':
    main()
