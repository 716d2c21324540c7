"""run_all.py: which tables it runs, when it stops, and how it reports failures.

These tests train nothing: small programs replace the commands of the tables.
"""

import fnmatch
import sys
import types

import pytest
from configs_for_tests import CONFIGS, ROOT

from experiments import run_all
from experiments.scikit_learn import baseline

# Configs with a reported number that are not tables.
ELSEWHERE = {
    'quickstart',  # a row of fcn_optimizers with two seeds
    'cnn2_search',  # run by fmnist_jax.search
    'mobilenet_search',
}
FINE, FAILS = 'pass', 'raise SystemExit(3)'


@pytest.fixture
def started(monkeypatch):
    """({table: the program that replaces it}, for the test to fill; the tables started so far)."""
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
    assert {name for name, _ in run_all.TABLES + run_all.READINGS} == reported - ELSEWHERE


def test_every_row_of_a_table_is_run():
    calls = run_all.TABLES + run_all.READINGS
    for name in {name for name, _ in calls}:
        globs = [rows for table, rows in calls if table == name]
        for row in CONFIGS[name].rows:
            assert any(fnmatch.fnmatch(row['name'], rows) for rows in globs), (name, row['name'])


def test_the_command_of_a_table():
    options = run_all._options(['--minutes=1', '--num_seeds=3', '--', '--config.epochs=2'])
    _, *words = run_all._command('lenet', 'relu*', options)
    assert words == [
        '-m',
        'fmnist_jax.main',
        '--config=configs/lenet.py',
        '--rows=relu*',
        '--workdir=experiments/lenet',
        '--config.num_seeds=3',
        '--config.epochs=2',
    ]
    # Only one table starts from pretrained weights; scikit-learn's script has its own flags.
    weights = run_all._options(['--minutes=1', '--', '--pretrained=w.h5', '--fresh=a,b'])
    assert run_all._command('mobilenet', '*', weights)[-2:] == ['--pretrained=w.h5', '--fresh=a,b']
    # Without --num_seeds, each config declares its seeds.
    assert run_all._command('lenet', '*', weights)[-1] == '--workdir=experiments/lenet'
    assert len(run_all._command('scikit_learn', '*', weights)) == 2
    _, script, *flags = run_all._command('scikit_learn', '*', options)
    assert (ROOT / script).samefile(baseline.__file__)
    assert baseline._options(flags).num_seeds == 3


def test_tables_run_in_a_fixed_order(started):
    _, names = started
    assert run_all.main(['--minutes=5', '--tables=lenet,scikit_learn,fcn_scaling']) == 0
    assert names == ['fcn_scaling', 'scikit_learn', 'lenet']


def test_other_tables_run_after_a_failure(started, capsys):
    programs, names = started
    programs |= {'fcn_scaling': FAILS, 'cnn_variants': FAILS}
    assert run_all.main(['--minutes=5']) == 2
    assert names == [name for name, _ in run_all._CALLS]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == 'Not finished: fcn_scaling, cnn_variants; see above.'


def test_ctrl_c_ends_the_script(started):
    programs, names = started
    programs['fcn_scaling'] = 'raise SystemExit(130)'
    assert run_all.main(['--minutes=5', '--tables=fcn_scaling,lenet']) == 130
    assert names == ['fcn_scaling']


@pytest.mark.slow
def test_a_table_stops_when_the_time_is_up():
    waits = 'import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pass'
    assert run_all._run([sys.executable, '-c', waits], 1) is None
    assert run_all._run([sys.executable, '-c', FAILS], 60) == 3


@pytest.mark.parametrize(
    'seconds, expected', [(30, ['fcn_scaling', 'lenet']), (31, ['fcn_scaling'])]
)
def test_no_table_starts_with_little_time_left(started, monkeypatch, capsys, seconds, expected):
    _, names = started
    clock = [0.0]

    def run(command, left):
        clock[0] += seconds
        return 0 if seconds < left else None

    monkeypatch.setattr(run_all, '_run', run)
    monkeypatch.setattr(run_all, 'time', types.SimpleNamespace(monotonic=lambda: clock[0]))
    assert run_all.main(['--minutes=1', '--tables=fcn_scaling,lenet']) == 1
    assert names == expected  # of 60 s: the second table starts with 30 s left, not with 29 s
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == 'Time is up; run the same command again to resume.'


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--minutes=5', '--tables=lenet,nosuch'], '--tables=nosuch: expected some of ann_vs_cnn,'),
        (['--minutes=0.005'], '--minutes=0.005: expected 1 or more'),
        (['--minutes=nan'], '--minutes=nan: expected 1 or more'),
        (['--minutes=5', '--num_seeds=0'], '--num_seeds=0: expected 1 or more'),
        ([], 'the following arguments are required: --minutes'),
    ],
)
def test_a_wrong_flag_gives_one_line(started, capsys, arguments, message):
    _, names = started
    with pytest.raises(SystemExit) as stopped:
        run_all.main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and names == []
    assert error.startswith(f'error: {message}') and error.count('\n') == 1
