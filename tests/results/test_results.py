"""Result lines are read back whole; a workdir of another config is refused."""

import importlib
import json
import pathlib
import shutil

import pytest
from report_for_tests import line

from configs import base
from fmnist_jax.config.settings import resolve, settings_hash
from fmnist_jax.errors import ConfigError
from fmnist_jax.results import lines, workdirs

ROOT = pathlib.Path(__file__).parent.parent.parent


def test_lines_are_read_as_they_were_written(tmp_path):
    assert lines.read(tmp_path) == []
    written = [lines.completed(line(name)) for name in 'ab']
    for result in written:
        lines.append(tmp_path, result)
    files = {'predictions': [], 'parameters_file': [None], 'temperature': [None]}
    assert lines.read(tmp_path) == [result | files for result in written]


def test_a_field_that_an_older_line_lacks_is_null(tmp_path):
    lines.append(tmp_path, line('a', [0.9, 0.8]))
    (result,) = lines.read(tmp_path)
    for name in ('confusion', 'l2_penalty', 'last_test_accuracy', 'calibration_error_tempered'):
        assert result[name] == [None, None]
    assert result['ensemble_accuracy'] is None and result['device'] == {}
    older = line('b')
    del older['test_images']
    lines.append(tmp_path, older)
    message = r'results.jsonl, line 2: not a result line \(no test_images\); mend or delete'
    with pytest.raises(ConfigError, match=message):
        lines.read(tmp_path)


def test_lines_of_a_row_are_joined(tmp_path):
    """Seeds may stop at different epochs: None stands for epochs that a seed did not run."""
    history = {'train_loss': [[0.5, 0.6], [0.3, None]]}
    more = {'seeds': [0, 1], 'diverged': [False, True], 'history': history, 'predictions': 'p'}
    lines.append(tmp_path, line('a', [0.9, 0.1], compile_seconds=1.5, **more))
    lines.append(tmp_path, line('b'))
    more = {'seeds': [2], 'diverged': [False], 'predictions': 'q'}
    more['history'] = {'train_loss': [[0.7], [0.4], [0.2]]}
    lines.append(tmp_path, line('a', [0.8], compile_seconds=2.0, **more))
    first, second = lines.read(tmp_path)
    assert second['row'] == 'b' and second['seeds'] == [0, 1, 2]
    assert (first['seeds'], first['test_accuracy']) == ([0, 1, 2], [0.9, 0.1, 0.8])
    assert first['diverged'] == [False, True, False]
    assert (first['train_seconds'], first['compile_seconds']) == (24.6, 3.5)
    assert first['history'] == {
        'train_loss': [[0.5, 0.6, 0.7], [0.3, None, 0.4], [None, None, 0.2]]
    }
    assert first['predictions'] == ['p', 'q']


def test_lines_of_a_row_are_ordered_by_their_seeds(tmp_path):
    """On a cluster the first seeds may finish last; the last line has the ensemble of all."""
    line_of = {'history': {'train_loss': [[0.5]]}, 'diverged': [False], 'ensemble_accuracy': 0.5}
    for seed, count in ((2, 1), (0, 2), (1, 3)):
        own = {'seeds': [seed], 'predictions': f'{seed}.npz', 'ensemble_seeds': count}
        lines.append(tmp_path, line('a', [0.1 * seed], **line_of, **own))
    (row,) = lines.read(tmp_path)
    assert (row['seeds'], row['test_accuracy']) == ([0, 1, 2], [0.0, 0.1, 0.2])
    assert row['predictions'] == ['0.npz', '1.npz', '2.npz']
    assert row['ensemble_accuracy'] == 0.5


def test_an_ensemble_counts_for_a_row_only_if_all_seeds_are_in_it(tmp_path):
    def joined(folder, seeds_of_second_ensemble):
        first = {'seeds': [0, 1], 'ensemble_accuracy': 0.91, 'ensemble_seeds': 2, 'history': {}}
        lines.append(folder, line('a', [0.9, 0.9], **first))
        second = {'seeds': [2], 'ensemble_accuracy': 0.93, 'history': {}}
        lines.append(folder, line('a', [0.9], ensemble_seeds=seeds_of_second_ensemble, **second))
        (row,) = lines.read(folder)
        return row.get('ensemble_accuracy')

    for name in ('all', 'own'):
        (tmp_path / name).mkdir()
    assert joined(tmp_path / 'all', 3) == 0.93
    assert joined(tmp_path / 'own', 1) is None


def matrix(*diagonal):
    """A confusion matrix with these numbers on its diagonal; class 0 has two images more."""
    rows = [[0] * 10 for _ in range(10)]
    for k, count in enumerate(diagonal):
        rows[k][k] = count
    rows[0][1] += 2
    return rows


def test_confusion_matrices_of_a_row_are_joined(tmp_path):
    right = matrix(*[3] * 10)
    other = matrix(5, *[3] * 9)
    other[0][1] = 0
    first = {'seeds': [0, 1], 'diverged': [False, True], 'confusion': [right, None]}
    lines.append(tmp_path, line('a', [0.9, 0.1], test_images=32, **first))
    lines.append(tmp_path, line('a', [1.0], test_images=32, seeds=[2], confusion=[other]))
    (row,) = lines.read(tmp_path)
    assert row['confusion'] == [right, None, other]


@pytest.mark.parametrize(
    ('confusion', 'message'),
    [
        ([matrix(*[3] * 10)], 'wrong confusion'),  # one matrix for two seeds
        ([matrix(*[3] * 10), matrix(*[3] * 10)[:9]], 'wrong confusion'),
        ([matrix(*[3] * 10), matrix(*[3.0] * 10)], 'wrong confusion'),
        ([matrix(*[3] * 10), matrix(*[-3] * 10)], 'wrong confusion'),
        ([matrix(*[3] * 10), matrix(2, 4, *[3] * 8)], 'do not sum to the test images'),
        ([matrix(*[4] * 10), None], 'do not sum to the test images'),
    ],
)
def test_a_damaged_confusion_matrix_is_refused(tmp_path, confusion, message):
    lines.append(tmp_path, line('a', [0.9, 0.8], test_images=32, confusion=confusion))
    with pytest.raises(ConfigError, match=f'line 1: not a result line .*{message}'):
        lines.read(tmp_path)


def test_seeds_of_other_weights_do_not_join_a_row(tmp_path):
    source = {'file': 'a.h5', 'ported_sha256': 'ab', 'fresh_in_network': ['conv_pw_13']}
    lines.append(tmp_path, line('a', pretrained=source))
    (row,) = lines.read(tmp_path)
    workdirs.check_pretrained(tmp_path, row, dict(source))
    for other in (source | {'ported_sha256': 'cd'}, source | {'fresh_in_network': []}):
        with pytest.raises(ConfigError, match='give the same --pretrained and --fresh'):
            workdirs.check_pretrained(tmp_path, row, other)


def test_more_seeds_are_no_other_config(tmp_path):
    config = base.get_config()
    workdirs.acquire(tmp_path, config)
    few = resolve(config, base.row('a', {}))
    config.num_seeds = 50
    workdirs.acquire(tmp_path, config)
    many = resolve(config, base.row('a', {}))
    assert settings_hash(few) == settings_hash(many)
    workdirs.check_row(tmp_path, line('a') | {'config_hash': 'older'}, many, settings_hash(many))


@pytest.mark.parametrize('kept', [1, 100, -2])
def test_a_torn_last_line_is_written_again(tmp_path, kept):
    lines.append(tmp_path, line('a'))
    file = tmp_path / 'results.jsonl'
    torn = json.dumps(line('b')).encode() + b'\n'
    with open(file, 'ab') as out:
        out.write(torn[:kept])
    assert [r['row'] for r in lines.read(tmp_path)] == ['a']
    lines.append(tmp_path, line('c'))
    assert [r['row'] for r in lines.read(tmp_path)] == ['a', 'c']
    assert file.read_bytes().count(b'\n') == 2


def test_a_last_line_without_its_end_counts(tmp_path):
    """An editor has dropped the end of the file's last line."""
    for row in 'ab':
        lines.append(tmp_path, line(row))
    file = tmp_path / 'results.jsonl'
    file.write_bytes(file.read_bytes()[:-1])
    assert [r['row'] for r in lines.read(tmp_path)] == ['a', 'b']
    lines.append(tmp_path, line('c'))
    assert [r['row'] for r in lines.read(tmp_path)] == ['a', 'b', 'c']
    assert file.read_bytes().count(b'\n') == 3


NO_NUMBERS = '{"row": "a", "config_hash": "", "test_accuracy": ["0.9"]}\n'


@pytest.mark.parametrize('text', ['{"row": 1\n', '[1]\n', '{"row": "a"}\n', '\n', NO_NUMBERS])
def test_a_line_that_is_no_result_is_named(tmp_path, text):
    lines.append(tmp_path, line('a'))
    with open(tmp_path / 'results.jsonl', 'a') as out:
        out.write(text)
    with pytest.raises(ConfigError, match=r'results.jsonl, line 2: not a result line'):
        lines.read(tmp_path)


def test_results_never_hold_nan(tmp_path):
    with pytest.raises(ValueError, match='not JSON compliant'):
        lines.append(tmp_path, line('a', [float('nan')]))
    assert lines.read(tmp_path) == []


def test_a_workdir_of_another_config_is_refused(tmp_path):
    config = base.get_config()
    workdirs.acquire(tmp_path / 'new', config)
    workdirs.acquire(tmp_path / 'new', config)
    config.rows = (base.row('x', {}),)
    config.title = 'Better words'
    workdirs.acquire(tmp_path / 'new', config)  # a new row or title is no other config
    assert workdirs.read_config(tmp_path / 'new')['title'] == 'Better words'
    config.claims = (base.claim('x is better than y', ('x', 'y')),)
    workdirs.acquire(tmp_path / 'new', config)  # nor is a new claim
    (stored,) = workdirs.read_config(tmp_path / 'new')['claims']
    assert stored == config.claims[0]
    config.epochs = 3
    config.dataset.name = 'synthetic'
    with pytest.raises(ConfigError) as error:
        workdirs.acquire(tmp_path / 'new', config)
    assert 'dataset.name: fashion_mnist -> synthetic' in str(error.value)
    assert 'epochs: 10 -> 3' in str(error.value)


def test_a_workdir_older_than_claims_gets_them(tmp_path):
    config = base.get_config()
    workdirs.acquire(tmp_path, config)
    file = tmp_path / 'config.json'
    stored = json.loads(file.read_text())
    del stored['claims']
    file.write_text(json.dumps(stored))
    workdirs.acquire(tmp_path, config)
    assert workdirs.read_config(tmp_path)['claims'] == []


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('rows', [{'name': 'a', 'also_reported': [1]}]),
        ('rows', [{'name': 'a', 'also_reported': {'aim': 'high'}}]),
        ('rows', [{'name': 'a', 'also_reported': None}]),
        ('dataset', 'x'),
        ('decimals', 99),
    ],
)
def test_a_damaged_config_is_named(tmp_path, field, value):
    workdirs.acquire(tmp_path, base.get_config())
    file = tmp_path / 'config.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with pytest.raises(ConfigError, match=f'config.json: not the config of a workdir .{field}'):
        workdirs.read_config(tmp_path)


def test_a_row_of_other_settings_is_refused(tmp_path):
    changed = resolve(base.get_config(), base.row('a', {'epochs': 3}))
    with pytest.raises(ConfigError, match="the row 'a' of another config.*\n  epochs: 10 -> 3"):
        workdirs.check_row(tmp_path, line('a'), changed, settings_hash(changed))


# Not scikit-learn's, which has no config file.
COMMITTED = [
    path.parent
    for path in sorted((ROOT / 'experiments').glob('*/results.jsonl'))
    if (ROOT / 'configs' / f'{path.parent.name}.py').is_file()
]


@pytest.mark.parametrize('folder', COMMITTED, ids=lambda folder: folder.name)
def test_committed_results_go_on_with_todays_config(folder, tmp_path):
    """A field of the settings that is newer than a row does not refuse the row."""
    config = importlib.import_module(f'configs.{folder.name}').get_config()
    shutil.copy(folder / 'config.json', tmp_path)
    workdirs.acquire(tmp_path, config)
    rows = {row['name']: row for row in config.rows}
    for text in (folder / 'results.jsonl').read_text().splitlines():
        result = json.loads(text)
        missing = lines.completed(result).keys() - result.keys()
        # Migrated but for what is known only while the predictions exist.
        assert missing <= {'batch_accuracy_mean', 'batch_accuracy_std'}
        settings = resolve(config, rows[result['row']])
        workdirs.check_row(folder, result, settings, settings_hash(settings))
    config.epochs += 1
    with pytest.raises(ConfigError, match=rf'epochs: {config.epochs - 1} -> {config.epochs}'):
        workdirs.acquire(tmp_path, config)


def test_only_one_process_holds_the_lock(tmp_path):
    with (
        workdirs.lock(tmp_path / 'run'),
        pytest.raises(ConfigError, match='run: another process is writing there; wait'),
        workdirs.lock(tmp_path / 'run'),
    ):
        pytest.fail('two hold it')
    with workdirs.lock(tmp_path / 'run'):
        pass
