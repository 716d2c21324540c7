"""Every table in one command: which ones, in what time, and what it says of those that fail.

Nothing is trained: small programs stand in for the tables' commands.
"""

import fnmatch
import sys
import types

import pytest
from configs_for_tests import CONFIGS, ROOT

from experiments import run_all
from experiments.scikit_learn import baseline

# Configs with a report's number that are no table of their own.
ELSEWHERE = {
    'quickstart',  # two rows of lenet, trained for fewer epochs
    'cnn2_search',  # by fmnist_jax.search
}
FINE, FAILS = 'pass', 'raise SystemExit(3)'


@pytest.fixture
def started(monkeypatch):
    """{table: the program that stands in for it}, to be filled; and a list of those started."""
    programs, names = {}, []

    def command(name, rows, options):
        names.append(name)
        return [sys.executable, '-c', programs.get(name, FINE)]

    monkeypatch.setattr(run_all, '_command', command)
    return programs, names


def test_every_config_with_a_reported_number_is_run():
    reported = {
        name
        for name, config in CONFIGS.items()
        if any(row['reported'] is not None for row in config.rows)
    }
    assert ELSEWHERE.issubset(reported)
    assert {name for name, _ in run_all.TABLES} == reported - ELSEWHERE


def test_every_row_of_a_table_is_run():
    for name in {name for name, _ in run_all.TABLES}:
        globs = [rows for table, rows in run_all.TABLES if table == name]
        for row in CONFIGS[name].rows:
            assert any(fnmatch.fnmatch(row['name'], rows) for rows in globs), (name, row['name'])


def test_the_commands():
    options = run_all._options(['--minutes=1', '--num_seeds=3', '--', '--config.epochs=2'])
    _, *words = run_all._command('lenet', 'relu*', options)
    assert words == [
        *('-m', 'fmnist_jax.main', '--config=configs/lenet.py', '--rows=relu*'),
        *('--workdir=experiments/lenet', '--config.num_seeds=3', '--config.epochs=2'),
    ]
    # Weights are for the one table that starts from some; scikit-learn's script has its own flags.
    weights = run_all._options(['--minutes=1', '--', '--pretrained=w.h5', '--fresh=a,b'])
    assert run_all._command('mobilenet', '*', weights)[-2:] == ['--pretrained=w.h5', '--fresh=a,b']
    assert run_all._command('lenet', '*', weights)[-1] == '--config.num_seeds=5'
    _, script, *flags = run_all._command('scikit_learn', '*', options)
    assert (ROOT / script).samefile(baseline.__file__)
    assert baseline._options(flags).num_seeds == 3


def test_the_tables_in_their_order(started):
    _, names = started
    assert run_all.main(['--minutes=5', '--tables=lenet,scikit_learn,fcn_scaling']) == 0
    assert names == ['fcn_scaling', 'scikit_learn', 'lenet']


def test_a_table_that_fails_stops_no_other(started, capsys):
    programs, names = started
    programs |= {'fcn_scaling': FAILS, 'cnn_variants': FAILS}
    assert run_all.main(['--minutes=5']) == 2
    assert names == [name for name, _ in run_all._CALLS]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == 'Not finished: fcn_scaling, cnn_variants; see above.'


def test_ctrl_c_ends_it(started):
    programs, names = started
    programs['fcn_scaling'] = 'raise SystemExit(130)'
    assert run_all.main(['--minutes=5', '--tables=fcn_scaling,lenet']) == 130
    assert names == ['fcn_scaling']


def test_a_table_is_stopped_when_its_time_is_up():
    waits = 'import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pass'
    assert run_all._run([sys.executable, '-c', waits], 1) is None
    assert run_all._run([sys.executable, '-c', FAILS], 60) == 3


@pytest.mark.parametrize(
    'seconds, expected', [(30, ['fcn_scaling', 'lenet']), (31, ['fcn_scaling'])]
)
def test_no_table_is_started_when_time_is_nearly_up(
    started, monkeypatch, capsys, seconds, expected
):
    _, names = started
    clock = [0.0]

    def run(command, left):
        clock[0] += seconds
        return 0 if seconds < left else None

    monkeypatch.setattr(run_all, '_run', run)
    monkeypatch.setattr(run_all, 'time', types.SimpleNamespace(monotonic=lambda: clock[0]))
    assert run_all.main(['--minutes=1', '--tables=fcn_scaling,lenet']) == 1
    assert names == expected  # 60 s: the second one is started with 30 s left, not with 29
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == 'Time is up; the same command goes on from here.'


@pytest.mark.parametrize(
    'arguments, told',
    [
        (['--minutes=5', '--tables=lenet,nosuch'], '--tables=nosuch: expected some of ann_vs_cnn,'),
        (['--minutes=0.005'], '--minutes=0.005: expected 1 or more'),
        (['--minutes=nan'], '--minutes=nan: expected 1 or more'),
        (['--minutes=5', '--num_seeds=0'], '--num_seeds=0: expected 1 or more'),
        ([], 'the following arguments are required: --minutes'),
    ],
)
def test_a_wrong_option_is_told_in_one_line(started, capsys, arguments, told):
    _, names = started
    with pytest.raises(SystemExit) as stopped:
        run_all.main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and names == []
    assert error.startswith(f'error: {told}') and error.count('\n') == 1
