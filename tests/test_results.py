"""Result lines: whole, refused when they are another config's, shown as a table."""

import json

import pytest

from configs import base
from fmnist_jax import report, results
from fmnist_jax.settings import ConfigError, plain, resolve, settings_hash


def line(name='a', accuracies=(0.90, 0.91, 0.92), **more):
    settings = resolve(base.get_config(), base.row(name, {}))
    return {
        'row': name,
        'dataset': 'fashion_mnist',
        'test_accuracy': list(accuracies),
        'reported': 0.95,
        'train_seconds': 12.3,
        'config_hash': settings_hash(settings),
        'config': plain(settings),
    } | more


def test_lines_come_back_as_they_were(tmp_path):
    assert results.read(tmp_path) == []
    results.append(tmp_path, line('a'))
    results.append(tmp_path, line('b'))
    assert results.read(tmp_path) == [line('a'), line('b')]


@pytest.mark.parametrize('kept', [1, 100, -1])
def test_a_torn_last_line_is_written_again(tmp_path, kept):
    results.append(tmp_path, line('a'))
    file = tmp_path / 'results.jsonl'
    torn = json.dumps(line('b')).encode() + b'\n'
    with open(file, 'ab') as out:
        out.write(torn[:kept])
    assert [r['row'] for r in results.read(tmp_path)] == ['a']
    results.append(tmp_path, line('c'))
    assert [r['row'] for r in results.read(tmp_path)] == ['a', 'c']
    assert file.read_bytes().count(b'\n') == 2


@pytest.mark.parametrize('text', ['{"row": 1\n', '[1]\n', '{"row": "a"}\n', '\n'])
def test_a_line_that_is_no_result_is_named(tmp_path, text):
    results.append(tmp_path, line('a'))
    with open(tmp_path / 'results.jsonl', 'a') as out:
        out.write(text)
    with pytest.raises(ConfigError, match=r'results.jsonl, line 2: not a result line'):
        results.read(tmp_path)


def test_results_never_hold_nan(tmp_path):
    with pytest.raises(ValueError, match='not JSON compliant'):
        results.append(tmp_path, line('a', [float('nan')]))
    assert results.read(tmp_path) == []


def test_a_workdir_of_another_config_is_refused(tmp_path):
    config = base.get_config()
    results.claim(tmp_path / 'new', config)
    results.claim(tmp_path / 'new', config)
    config.rows = (base.row('x', {}),)
    results.claim(tmp_path / 'new', config)  # a new row is no other config
    config.epochs = 3
    config.dataset.name = 'synthetic'
    with pytest.raises(ConfigError) as error:
        results.claim(tmp_path / 'new', config)
    assert 'dataset.name: fashion_mnist -> synthetic' in str(error.value)
    assert 'epochs: 10 -> 3' in str(error.value)


def test_a_row_of_other_settings_is_refused(tmp_path):
    changed = resolve(base.get_config(), base.row('a', {'epochs': 3}))
    with pytest.raises(ConfigError, match="the row 'a' of another config.*\n  epochs: 10 -> 3"):
        results.check_row(tmp_path, line('a'), changed, settings_hash(changed))


def test_table():
    text = report.table([line('a'), line('b', [0.5], reported=None)], 'Title', missing=['c'])
    lines = text.splitlines()
    assert lines[0] == 'Title: test accuracy in % on fashion_mnist'
    cells = [[c.strip() for c in row.split('|')[1:-1]] for row in lines[2:7]]
    assert cells[0][:2] == ['row', 'report']
    assert cells[2] == ['a', '95.00', '3', '91.00 ± 1.00', '88.52 to 93.48', 'consistent', '12']
    assert cells[3] == ['b', '', '1', '50.00', '', '', '12']
    assert cells[4] == ['c', '', '0', 'not run yet', '', '', '']


def test_table_says_synthetic_and_diverged():
    text = report.table([line(dataset='synthetic', diverged=[False, True, True])], 'Title')
    assert 'SYNTHETIC' in text.splitlines()[0]
    assert '| a (2 of 3 diverged) |' in text
    assert '95.00' not in text and 'consistent |' not in text  # no verdict on drawn images


def test_report_command(tmp_path, capsys):
    results.claim(tmp_path, base.get_config())
    assert report.main([str(tmp_path)]) == 2
    assert 'error:' in capsys.readouterr().err
    results.append(tmp_path, line('a'))
    assert report.main([str(tmp_path)]) == 0
    assert '91.00 ± 1.00' in capsys.readouterr().out
