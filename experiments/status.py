"""The status of every entry of statements.py, computed from the committed result lines."""

import collections
import fnmatch
import functools
import math
import operator
import pathlib
from typing import NamedTuple

from experiments.statements import ENTRIES
from fmnist_jax.config.settings import experiment_key, plain
from fmnist_jax.config.table import load_config
from fmnist_jax.markdown import grid, percent
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report import scorecard
from fmnist_jax.report.claims import evaluate
from fmnist_jax.report.other_numbers import seed_values
from fmnist_jax.report.rows import VERDICTS, mean
from fmnist_jax.results.statistics import judge, summarize

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPLAINED, NOT_REPRODUCED, NOT_RUN = 'explained by a reading', 'not reproduced', 'not run yet'
CALIBRATED, NOT_REACHED = 'calibrated', 'not reached'
# {verdict of a number, or outcome of a claim: status}; others are their own status
_STATUS = {'consistent': 'reproduced', 'holds': 'reproduced', 'undecided': 'cannot tell'}
_STATUS |= dict.fromkeys(('higher', 'lower', 'does not hold'), NOT_REPRODUCED)
# Relative tolerances. A standard deviation over 40 test batches has a 95 % interval of 22 %.
_TOLERANCE = {'parameters': 0.05, 'operations': 0.05, 'plus_minus': 0.22, 'monotonic': 0.0}
_DONE = {'figure': 'drawn', 'setting': 'used', 'statement': 'measured', 'wish': 'done'}


class Results(NamedTuple):
    """All tables: committed ones, and config files that are not run at all."""

    tables: list  # [(title, [Row], [Claim] of the report)]
    rows: dict  # {'lenet:base': Row}
    reports: dict  # {'lenet:base': '003'}, None for a table without a report
    claims: dict  # {'lenet: the text of a claim': outcome}


@functools.cache
def results():
    """The Results of experiments/ and configs/."""
    tables, every_claim = {}, {}
    for path in sorted((ROOT / 'experiments').glob('*/results.jsonl')):
        (config, rows), name = table_rows.read(path.parent), path.parent.name
        claims = evaluate(config['claims'], path.parent)
        tables[name] = config['title'], rows, scorecard.of_report(config, claims)
        every_claim |= {f'{name}: {claim.text}': claim.outcome for claim in claims}
    for path in sorted((ROOT / 'configs').glob('*.py')):
        if path.stem not in {*tables, 'base', 'quickstart'}:
            config = plain(load_config(path))
            tables[path.stem] = config['title'], list(map(table_rows.not_run, config['rows'])), []
    every = [(name, title, row) for name, (title, rows, _) in tables.items() for row in rows]
    return Results(
        list(tables.values()),
        {f'{name}:{row.name}': row for name, _, row in every},
        {f'{name}:{row.name}': scorecard.report_of(title) for name, title, row in every},
        every_claim,
    )  # fmt: skip


def matching(patterns, names):
    """The names that match one of several globs, in the order of `names`."""
    return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]


def readings(name):
    """The rows with other settings that give the reported number of a row: ['lenet:base'].

    Such a row repeats the number (`repeats=True`) and is consistent with it. A number that a report
    prints for several rows has no readings.
    """
    found = results()
    row, report = found.rows[name], found.reports[name]
    same = [
        other
        for other, its in found.rows.items()
        if (its.reported, found.reports[other]) == (row.reported, report) and other != name
    ]
    if not row.is_run or any(not found.rows[other].repeats for other in same):
        return []
    settings = experiment_key(row.result['config'])
    consistent = [o for o in same if found.rows[o].verdict == 'consistent']
    return [o for o in consistent if experiment_key(found.rows[o].result['config']) != settings]


def status_of_number(name):
    """The status of a row's reported test accuracy."""
    row = results().rows[name]
    if row.calibrated_on and row.accuracy.count:
        return CALIBRATED
    status = _STATUS.get(row.verdict, VERDICTS[row.verdict][1])
    return EXPLAINED if status == NOT_REPRODUCED and readings(name) else status


def _status_of_other(row, key):
    """The status of another number that a report prints for a Row; None if it prints none."""
    if key not in row.also_reported:
        return None
    values = seed_values(key, row) if row.is_run else []
    if not values:
        return NOT_RUN
    reported = row.also_reported[key]
    if key in _TOLERANCE:
        is_near = math.isclose(reported, mean(values), rel_tol=_TOLERANCE[key])
        return 'reproduced' if is_near else NOT_REPRODUCED
    verdict = judge(reported, summarize(values))
    return _STATUS.get(verdict, verdict.replace('_', ' ')) or VERDICTS['one_seed'][1]


def _between(entry, rows):
    """Whether the mean over the rows of a quantity lies where the report says."""
    values = [operator.attrgetter(entry.of)(row) for row in rows if row.is_run]
    if not values or mean(values) is None:
        return NOT_RUN
    low, high = entry.between
    is_there = low <= mean(values) <= high
    if entry.kind == 'wish':
        return 'done' if is_there else NOT_REACHED
    return 'reproduced' if is_there else NOT_REPRODUCED


def _statuses_of_rows(entry):
    """The statuses that an entry has by its rows."""
    names = matching(entry.rows, results().rows)
    rows = [results().rows[name] for name in names]
    if entry.between:
        return [_between(entry, rows)]
    if entry.other:
        return filter(None, (_status_of_other(row, entry.other) for row in rows))
    if entry.kind == 'number':
        own = zip(names, rows, strict=True)
        return [status_of_number(name) for name, row in own if scorecard.has_own_number(row)]
    is_done = all(row.is_run and (entry.kind != 'figure' or row.result['history']) for row in rows)
    return [_DONE[entry.kind] if is_done else NOT_RUN] if rows else []


def claims_of(entry):
    """The claims of an entry: ['lenet: its whole text']."""
    return [name for name in results().claims if any(map(name.startswith, entry.claims))]


def statuses(entry):
    """{status: how often} of an entry."""
    if entry.out_of_scope:
        return {'out of scope': 1}
    found = list(_statuses_of_rows(entry))
    outcomes = [results().claims[name] for name in claims_of(entry)]
    found += [_STATUS.get(outcome, outcome) for outcome in outcomes]
    if entry.paths and not found:
        found = [_DONE.get(entry.kind, 'see there')]
    return dict(collections.Counter(found or [NOT_RUN]).most_common())


# The page.

_TITLE = """# Scorecard

`python experiments/scorecard.py --write` makes this page from the committed result lines and from
[statements.py](statements.py), the list of everything that the five reports print.

- **reproduced**: the reported number is consistent with our seeds, or the claim holds over seeds. A
  count of parameters or operations is within 5 % of ours; a ± over test batches within 22 %.
- **explained by a reading**: another choice, where the report leaves one open, gives the number.
- **not reproduced**: our seeds exclude the number, or the claim does not hold. A wish can be **not
  reached**.
- **calibrated**: we chose a setting, which the report leaves open, by this number.
- **cannot tell**, **one seed**: our seeds do not decide.
- **drawn**, **measured**, **used**, **done**: figures, comparisons without a number, settings and
  wishes that are run here.
- **out of scope**: with the reason. **not run yet**: nothing here answers it.
"""


def _links(entry):
    """What answers an entry, as Markdown: tables, files, or the reason why nothing does."""
    if entry.out_of_scope:
        return entry.out_of_scope
    names = [name.partition(':')[0] for name in matching(entry.rows, results().rows)]
    names += [name.partition(':')[0] for name in entry.claims]
    links = []
    for name in dict.fromkeys(names):
        is_run = (ROOT / 'experiments' / name / 'results.jsonl').exists()
        links.append(f'[{name}]({f"{name}/table.md" if is_run else f"../configs/{name}.py"})')
    for path in entry.paths:
        inside = path.removeprefix('experiments/')
        links.append(f'[{path}]({inside if inside != path else "../" + path})')
    return ', '.join(links)


def _entries(entries):
    """The table of a report's entries."""
    lines = [
        [entry.place, entry.kind, entry.what, _words(statuses(entry)), _links(entry)]
        for entry in entries
    ]
    return grid([['place', 'kind', 'what', 'status', 'where'], *lines])


def _words(counts):
    """'reproduced 3, one seed 1'; without the number if it is 1 alone."""
    return next(iter(counts)) if list(counts.values()) == [1] else scorecard.words(counts)


def _rest(entries):
    """What explains the entries that are not reproduced: lines of a list."""
    explained = collections.defaultdict(list)  # {why: entries}
    for entry in entries:
        if {NOT_REPRODUCED, NOT_REACHED} & statuses(entry).keys():
            explained[entry.why or 'Not explained yet.'].append(f'{entry.place}, {entry.what}')
    return [f'- {"; ".join(failed)}. {why}' for why, failed in explained.items()]


def totals():
    """The table of how many items of each report have which status; every number counts."""
    counts = {report: collections.Counter() for report in ENTRIES}
    for report, entries in ENTRIES.items():
        for entry in entries:
            counts[report].update(statuses(entry))
    every = sum(counts.values(), collections.Counter())
    names = [name for name, _ in every.most_common()]
    lines = [[report, *(str(count[name]) for name in names)] for report, count in counts.items()]
    return grid([['report', *names], *lines])


def _numbers(report):
    """The table of a report's test accuracies, each with ours."""
    lines = []
    for name, row in results().rows.items():
        if results().reports[name] != report or not scorecard.has_own_number(row):
            continue
        distance = scorecard.difference(row)
        status = status_of_number(name)
        if status == EXPLAINED:
            status += f' ({", ".join(readings(name))})'
        ours = percent(row.accuracy.mean) if row.accuracy.count else ''
        points = '' if distance is None else f'{100 * distance:+.2f}'
        lines.append([name, row.reported_text, ours, points, str(row.accuracy.count), status])
    heading = ['row', 'report', 'ours', 'difference', 'seeds', 'status']
    return grid([heading, *lines])


def page():
    """experiments/SCORECARD.md.

    Raises:
      ConfigError: a damaged workdir.
    """
    parts = [
        _TITLE,
        grid([list(scorecard.HEADING), *scorecard.scores(results().tables)]) + '\n',
        scorecard.EXPLANATION + '\n',
        'Everything that the reports print, each number of a table counted:\n',
        totals() + '\n',
    ]
    for report, entries in ENTRIES.items():
        parts += [f'## Report {report}\n', _entries(entries) + '\n']
        rest = _rest(entries)
        if rest:
            parts.append('What explains the numbers and statements that are not reproduced:\n')
            parts.append('\n'.join(rest) + '\n')
        parts += ['All test accuracies:\n', _numbers(report) + '\n']
    return '\n'.join(parts)
