"""The command that prints tables, and the tables that are committed."""

import csv
import pathlib

import numpy as np
import pytest
from report_for_tests import cells, fill, history, line
from small_files import bare_environment

from fmnist_jax import report
from fmnist_jax.report import rows

__all__ = ['bare_environment']  # a fixture

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / 'experiments'
COMMITTED = sorted(path.parent for path in EXPERIMENTS.glob('*/results.jsonl'))
SEARCHED = sorted(EXPERIMENTS.glob('*/best'))


def test_report_command(tmp_path, capsys):
    fill(tmp_path, line('b'), line('a'))
    assert report.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert [row[0] for row in cells(out)] == ['row', 'a', 'b', 'c']  # the config's order
    assert out == report.workdir_table(tmp_path)  # so that `> table.md` makes the file
    (tmp_path / 'config.json').write_text('{')
    assert report.main([str(tmp_path)]) == 2
    assert 'config.json: not the config of a workdir' in capsys.readouterr().err


def test_mistakes_get_one_line(tmp_path, capsys):
    fill(tmp_path / 'new')
    fill(tmp_path / 'done', line('a', [0.9, 0.91], predictions='x.npz'))
    (tmp_path / 'done' / 'x.npz').write_text('PK')  # damaged predictions
    for arguments, message in (
        (['nowhere'], 'nowhere: no such folder'),
        (['done/x.npz'], 'x.npz: a file; give its folder'),
        (['new'], 'new: no result lines there (results.jsonl), nor in its folders'),
        (['done', '--csv=none/rows.csv'], 'none/rows.csv'),
        (['done', '--data_dir=none', '--html'], 'none/fashion_mnist/t10k-labels'),
    ):
        folder, *flags = arguments
        flags = [flag.replace('none', str(tmp_path / 'none')) for flag in flags]
        assert report.main([str(tmp_path / folder), *flags]) == 2
        out, error = capsys.readouterr()
        told = [line for line in error.splitlines() if not line.endswith('table 1 of 1')]
        assert len(told) == 1 and told[0].startswith('error: ') and message in told[0]
        assert out == ''


def test_target_says_when_the_seeds_reach_an_accuracy(tmp_path, capsys):
    """Report 003's LeNet-5: 416,520 multiply-adds an image, by hand."""
    results = [line(name, history=history(), train_images=54_000) for name in 'ab']
    results[1]['history']['validation_accuracy'] = [[0.3, 0.4, None]] * 3
    results[1]['config']['dataset']['validate_on_test'] = True
    diverged = history() | {'validation_accuracy': [[None] * 3]}
    fill(tmp_path / 'one', *results, line('c', history=diverged))
    fill(tmp_path / 'two', line('a'))
    assert report.main([str(tmp_path / 'one'), '--target=0.61']) == 0
    out = capsys.readouterr().out
    heading, a, b, c = cells(out)
    assert heading == ['row', 'best, %', 'reached by', 'epochs', 's / seed', 'TFLOP / seed']
    tflop = 2 * 6 * 416_520 * 54_000 / 1e12  # two epochs: the first has 0.50, 0.51 and 0.52
    assert a == ['a', '72.00', '3 of 3', '2', f'{2 * 12.3 / 9:.1f}', f'{tflop:.3g}']
    assert b == ['b', '40.00', '0 of 3', '', '', '']
    assert c == ['c', '', '0 of 3', '', '', '']
    assert 'until 61.00 % validation accuracy' in out and 'target is a test accuracy: b.' in out
    assert report.main([str(tmp_path), '--target=0.61']) == 0  # of both workdirs
    out = capsys.readouterr().out
    assert cells(out) == [heading, a, b, c] and out.count('- best: ') == 1
    assert 'Rows without a validation accuracy after each epoch: all.' in out
    assert report.main([str(tmp_path), '--target=94']) == 2
    assert "--target: '94': expected a number, 0 to 1" in capsys.readouterr().err


def test_csv(tmp_path):
    result = line('a', [0.9, None, 0.92], seeds=[3, 4, 5], also_reported={'seconds_per_epoch': 7})
    fill(tmp_path / 'one', result, line('b', [0.5]))
    fill(tmp_path / 'two', line('a', reported=None))
    assert report.main([str(tmp_path), f'--csv={tmp_path}/rows.csv']) == 0
    with open(tmp_path / 'rows.csv', newline='', encoding='utf-8') as file:
        written = list(csv.DictReader(file))
    names = [row['workdir'] + row['row'] for row in written]
    assert names == ['onea', 'oneb', 'onec', 'twoa', 'twob', 'twoc']
    a, b, c = written[:3]
    assert (a['mean'], a['seeds'], a['reported_seconds_per_epoch']) == ('0.91', '2', '7')
    assert [a[f'accuracy_seed_{k}'] for k in (0, 3, 4, 5)] == ['', '0.9', '', '0.92']
    assert (b['accuracy_seed_0'], b['sd'], b['verdict']) == ('0.5', '', 'cannot_tell')
    assert (a['pooled_dof'], b['pooled_dof'], c['verdict']) == ('3', '3', 'not_run')  # two tables
    assert (c['seeds'], c['reported'], c['mean'], c['dataset']) == ('0', '0.95', '', '')
    row = rows.read(tmp_path / 'one')[1][0]
    low, high = row.prediction
    numbers = [float(a[name]) for name in ('prediction_low', 'prediction_high', 'wilson_low')]
    np.testing.assert_allclose(numbers, [low, high, row.test_interval[0]], rtol=1e-7)
    single = tmp_path / 'single.csv'
    assert report.main([str(tmp_path / 'two'), f'--csv={single}']) == 0
    assert len(single.read_text().splitlines()) == 1 + 3


@pytest.mark.parametrize('workdir', [*COMMITTED, *SEARCHED], ids=lambda workdir: workdir.name)
def test_the_committed_table_is_what_the_command_prints(workdir, capsys):
    assert report.main([str(workdir)]) == 0
    assert (workdir / 'table.md').read_text() == capsys.readouterr().out


def test_the_results_page_says_what_bfloat16_changes():
    """The numbers of its sentence are those of the committed rows; so is 'beyond noise'."""
    text = ' '.join((EXPERIMENTS / 'README.md').read_text().split())
    _, rows = report.rows.read(EXPERIMENTS / 'bfloat16')
    accuracy = {row.name: row.accuracy for row in rows}
    for network in ('lenet5', 'simple_cnn'):
        single, half = accuracy[network], accuracy[f'{network}_bfloat16']
        for summary in (single, half):
            mean, std = report.percent(summary.mean), report.percent(summary.std)
            assert f'{mean} ± {std} %' in text
        assert abs(single.mean - half.mean) < min(single.std, half.std)


def test_paths_may_begin_with_the_home_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('HOME', str(tmp_path))
    fill(tmp_path / 'run', line('a'))
    flags = ['--csv=~/rows.csv', '--html=~/page.html', '--tensorboard=~/tb']
    assert report.main(['~/run', *flags]) == 0, capsys.readouterr().err
    assert all((tmp_path / name).exists() for name in ('rows.csv', 'page.html', 'tb'))


@pytest.mark.parametrize('flag', ['--csv', '--html'])
def test_a_file_in_no_folder_is_refused(tmp_path, capsys, flag):
    fill(tmp_path, line('a'))
    assert report.main([str(tmp_path), f'{flag}={tmp_path}/nowhere/file']) == 2
    assert capsys.readouterr().err.startswith(f'error: {flag}={tmp_path}/nowhere/file: no folder')
