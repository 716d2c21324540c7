"""All tables at a glance: what has been run, what has not, and what counts."""

import pathlib

import pytest
from report_for_tests import cells, fill, line

from experiments import scorecard
from fmnist_jax import report
from fmnist_jax.report.rows import not_run, verdict_counts
from fmnist_jax.report.tables import read_tables, tables_not_run

NARROW = [0.909, 0.910, 0.911]
ROOT = pathlib.Path(__file__).parent.parent.parent

CONFIG = """
from configs import base
def get_config():
    config = base.get_config()
    config.title = 'Report 7: nothing run'
    config.rows = (base.row('a', {}, 0.5), base.row('b', {}, REPORTED))
    return config
"""


def printed(capsys, *arguments):
    assert report.main(list(map(str, arguments))) == 0
    return capsys.readouterr().out


def test_a_line_for_each_table(tmp_path, capsys):
    fill(
        tmp_path / 'one',
        line('a', NARROW, reported=0.96),
        line('b', NARROW, reported=0.912),
        line('c', [0.949, 0.951]),
    )
    fill(tmp_path / 'two', line('a', NARROW, reported=0.96), line('b', NARROW, reported=None))
    out = printed(capsys, tmp_path)
    heading, one, two = cells(out)
    assert heading[-1] == 'rows run'
    assert one[1:5] == ['a', '96.00', '91.00 ± 0.10 (3 seeds)', 'higher']
    assert one[5:] == ['2 consistent, 1 report higher', '3 of 3']
    assert two[1:5] == ['a', '96.00', '91.00 ± 0.10 (3 seeds)', 'higher']
    assert two[5:] == ['1 report higher', '2 of 3']
    assert '--rows=c' in out and f'--workdir={tmp_path}/two' in out
    assert f'--workdir={tmp_path}/one' not in out  # nothing is missing there


def test_the_best_reported_number_is_shown_before_it_is_run(tmp_path, capsys):
    fill(tmp_path / 'one', line('a', NARROW, reported=0.91))
    best = cells(printed(capsys, tmp_path))[1]
    assert best[1:5] == ['b', '95.00', 'not run yet', '']
    assert best[5] == '1 consistent'


def test_one_seed_alone_has_no_verdict_but_is_shown(tmp_path, capsys):
    fill(tmp_path / 'one', line('a', [0.9]), names='a')
    assert cells(printed(capsys, tmp_path))[1][1:5] == ['a', '95.00', '90.00 (1 seed)', 'one seed']


def test_a_repeated_number_counts_once():
    told = {'name': 'a', 'reported': 0.9}
    rows = [not_run(told)._replace(verdict='higher') for _ in range(2)]
    rows.append(not_run(told | {'repeats': True})._replace(verdict='consistent'))
    assert verdict_counts(rows) == {'higher': 2}
    assert verdict_counts(rows, repeats=True) == {'consistent': 1, 'higher': 2}
    assert verdict_counts([row._replace(dataset='synthetic') for row in rows]) == {}


def test_tables_not_run_at_all_have_their_command(tmp_path, capsys):
    fill(tmp_path / 'runs' / 'one', line('a', NARROW, reported=0.91))
    configs = tmp_path / 'configs'
    configs.mkdir()
    for name, number in (('one', 0.6), ('none', 0.6)):
        (configs / f'{name}.py').write_text(CONFIG.replace('REPORTED', str(number)))
    (configs / 'own.py').write_text(CONFIG.replace('REPORTED', 'None').replace('0.5', 'None'))
    assert 'Report 7' not in printed(capsys, tmp_path / 'runs')
    out = printed(capsys, tmp_path / 'runs', f'--configs={configs}', '--html')
    rows = [row for row in cells(out) if row[0] == 'Report 7: nothing run']
    assert rows == [['Report 7: nothing run', 'b', '60.00', 'not run yet', '', '', '0 of 2']]
    assert f'--workdir={tmp_path}/runs/none' in out
    html = (tmp_path / 'runs' / 'report.html').read_text()
    assert 'Report 7: nothing run' in html and f'--workdir={tmp_path}/runs/none' in html
    # Three rows of one table, one of them run, and two of the other.
    assert '1 of 1 reported numbers' in html and 'counted apart: 4 not run yet' in html


@pytest.mark.parametrize(
    ('text', 'message'),
    [('1 / 0', 'ZeroDivisionError'), ('', 'get_config'), (None, 'no config files there')],
)
def test_a_config_that_is_none_is_named(tmp_path, capsys, text, message):
    fill(tmp_path / 'runs' / 'one', line('a'))
    (tmp_path / 'configs').mkdir()
    if text is not None:
        (tmp_path / 'configs' / 'broken.py').write_text(text)
    assert report.main([f'{tmp_path}/runs', f'--configs={tmp_path}/configs']) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1 and message in error


def test_the_readmes_show_the_result_lines():
    """`python experiments/scorecard.py --write` writes both tables.

    The table in experiments/README.md is the output of the report command; README.md has one line
    per report.
    """
    experiments = ROOT / 'experiments'
    folders = sorted(path.parent for path in experiments.glob('*/results.jsonl'))
    not_run_at_all = tables_not_run(ROOT / 'configs', experiments, folders)
    shown = report.overview(read_tables(folders) + not_run_at_all)
    assert scorecard.all_tables() == shown
    assert shown in (experiments / 'README.md').read_text()
    score = scorecard.scorecard()
    assert score in (ROOT / 'README.md').read_text()
    reports = [row[0] for row in cells(score)[1:]]
    assert reports == ['000', '001', '002', '003', '004']
    titles = [row[0] for row in cells(shown)]
    for number in reports:  # each report has a table
        assert any(title.startswith(f'Report {number}') for title in titles)
