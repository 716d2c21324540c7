"""Result lines: whole, refused when they are another config's, shown as a table."""

import importlib
import json
import pathlib
import shutil

import pytest

from configs import base
from fmnist_jax import report, results
from fmnist_jax.settings import ConfigError, plain, resolve, settings_hash

ROOT = pathlib.Path(__file__).parent.parent


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


def test_lines_with_other_seeds_of_a_row_come_as_one(tmp_path):
    """Where seeds stopped at different epochs, None stands for the epochs that were not run."""
    history = {'train_loss': [[0.5, 0.6], [0.3, None]]}
    more = {'seeds': [0, 1], 'diverged': [False, True], 'history': history, 'predictions': 'p'}
    results.append(tmp_path, line('a', [0.9, 0.1], compile_seconds=1.5, **more))
    results.append(tmp_path, line('b'))
    more = {'seeds': [2], 'diverged': [False], 'predictions': 'q'}
    more['history'] = {'train_loss': [[0.7], [0.4], [0.2]]}
    results.append(tmp_path, line('a', [0.8], compile_seconds=2.0, **more))
    first, second = results.read(tmp_path)
    assert second == line('b')
    assert (first['seeds'], first['test_accuracy']) == ([0, 1, 2], [0.9, 0.1, 0.8])
    assert first['diverged'] == [False, True, False]
    assert (first['train_seconds'], first['compile_seconds']) == (24.6, 3.5)
    assert first['history'] == {
        'train_loss': [[0.5, 0.6, 0.7], [0.3, None, 0.4], [None, None, 0.2]]
    }
    assert first['predictions'] == ['p', 'q']


def test_more_seeds_are_no_other_config(tmp_path):
    config = base.get_config()
    results.claim(tmp_path, config)
    few = resolve(config, base.row('a', {}))
    config.num_seeds = 50
    results.claim(tmp_path, config)
    many = resolve(config, base.row('a', {}))
    assert settings_hash(few) == settings_hash(many)
    results.check_row(tmp_path, line('a') | {'config_hash': 'older'}, many, settings_hash(many))


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
    config.title = 'Better words'
    results.claim(tmp_path / 'new', config)  # a new row or title is no other config
    assert results.read_config(tmp_path / 'new')['title'] == 'Better words'
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
    text = report.table(
        [line('a'), line('b', [0.5], reported=None)],
        'Title',
        missing=[{'name': 'c', 'reported': 0.25}],
    )
    lines = text.splitlines()
    assert lines[0] == 'Title on fashion_mnist'
    cells = [[c.strip() for c in row.split('|')[1:-1]] for row in lines[2:7]]
    assert cells[0][:2] == ['row', 'report']
    assert cells[2] == ['a', '95.00', '3', '91.00 ± 1.00', '88.52 to 93.48', 'consistent', '12']
    assert cells[3] == ['b', '', '1', '50.00', '', '', '12']
    assert cells[4] == ['c', '25.00', '0', 'not run yet', '', '', '']


def test_table_says_synthetic_and_diverged():
    text = report.table([line(dataset='synthetic', diverged=[False, True, True])], 'Title')
    assert 'SYNTHETIC' in text.splitlines()[0]
    assert '| a (2 of 3 diverged) |' in text
    assert '95.00' not in text and 'consistent |' not in text  # no verdict on drawn images


def fill(workdir, *rows):
    """A workdir whose config has the rows a, b, c and that holds some of their lines."""
    config = base.get_config()
    config.rows = tuple(base.row(name, {}, 0.95) for name in 'abc')
    results.claim(workdir, config)
    for row in rows:
        results.append(workdir, row)


def test_report_command(tmp_path, capsys):
    fill(tmp_path)
    assert report.main([str(tmp_path)]) == 2
    assert 'no result lines there' in capsys.readouterr().err
    results.append(tmp_path, line('b'))
    results.append(tmp_path, line('a'))
    assert report.main([str(tmp_path)]) == 0
    rows = [text.split('|')[1].strip() for text in capsys.readouterr().out.splitlines()[4:7]]
    assert rows == ['a', 'b', 'c']  # the config's order, whatever ran first
    (tmp_path / 'config.json').write_text('{')
    assert report.main([str(tmp_path)]) == 2
    assert 'config.json: not the config of a workdir' in capsys.readouterr().err


def test_overview_of_several_tables(tmp_path, capsys):
    fill(tmp_path / 'one', line('a', reported=0.96), line('b', reported=0.92), line('c'))
    fill(tmp_path / 'two', line('a', reported=0.5), line('b', reported=None))
    assert report.main([str(tmp_path)]) == 0
    out = [
        [c.strip() for c in row.split('|')[1:-1]] for row in capsys.readouterr().out.splitlines()
    ]
    assert out[2][1:5] == ['a', '96.00', '91.00 ± 1.00 (3 seeds)', 'higher']
    assert out[2][5] == '2 consistent, 1 higher'
    assert out[3][1:] == ['a', '50.00', '91.00 ± 1.00 (3 seeds)', 'lower', '1 lower']


def test_the_readme_shows_what_the_result_lines_say():
    """README's table is the output of `python -m fmnist_jax.report experiments`."""
    experiments = ROOT / 'experiments'
    workdirs = sorted(path.parent for path in experiments.glob('*/results.jsonl'))
    assert workdirs
    assert report.overview(workdirs) in (ROOT / 'README.md').read_text()
    for workdir in workdirs:
        assert (workdir / 'table.md').read_text() == report.workdir_table(workdir)


COMMITTED = sorted(path.parent for path in (ROOT / 'experiments').glob('*/results.jsonl'))


@pytest.mark.parametrize('folder', COMMITTED, ids=lambda folder: folder.name)
def test_committed_results_go_on_with_todays_config(folder, tmp_path):
    """Fields that are younger than a folder's results do not shut it."""
    config = importlib.import_module(f'configs.{folder.name}').get_config()
    shutil.copy(folder / 'config.json', tmp_path)
    results.claim(tmp_path, config)
    rows = {row['name']: row for row in config.rows}
    for result in results.read(folder):
        settings = resolve(config, rows[result['row']])
        results.check_row(folder, result, settings, settings_hash(settings))
    config.compute = 'bfloat16'
    with pytest.raises(ConfigError, match='compute: float32 -> bfloat16'):
        results.claim(tmp_path, config)
