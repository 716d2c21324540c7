"""The command as a user types it, on synthetic images."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from configs import base
from fmnist_jax.config.settings import TABLE_ONLY, flatten, plain
from fmnist_jax.results import arrays
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import networks as kept_networks

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = """
from configs import base
from configs.base import row

def get_config():
    config = base.get_config()
    config.title = 'A test'
    config.num_seeds = 2
    config.epochs = 1
    config.model.name = 'fcn'
    config.model.widths = (8,)
    config.dataset.name = 'synthetic'
    config.rows = (
        row('slow', {'optimizer.learning_rate': 0.01}, reported=0.5),
        row('fast', {'optimizer.learning_rate': 0.1}, reported=0.25),
        row('relu_deep', {'model.activation': 'relu'}),
    )
    return config
"""


@pytest.fixture
def config(tmp_path):
    # beside a configs package, as a user's own table would be
    (tmp_path / 'configs').mkdir()
    base = (ROOT / 'configs' / 'base.py').read_text()
    (tmp_path / 'configs' / 'base.py').write_text(base)
    path = tmp_path / 'configs' / 'tiny.py'
    path.write_text(CONFIG)
    return path


def command(tmp_path, *arguments):
    return [sys.executable, '-m', 'fmnist_jax.main', *arguments], {
        'cwd': tmp_path,
        'env': os.environ | {'FMNIST_CACHE_DIR': str(tmp_path / 'cache'), 'PYTHONPATH': str(ROOT)},
        'text': True,
    }


def run(tmp_path, *arguments, **env):
    words, settings = command(tmp_path, *arguments)
    settings['env'] = settings['env'] | env
    return subprocess.run(words, capture_output=True, timeout=200, **settings)


def lines_of(workdir):
    return [json.loads(text) for text in (workdir / 'results.jsonl').read_text().splitlines()]


def test_a_table_from_start_to_end(tmp_path, config):
    done = run(tmp_path, f'--config={config}', '--rows=*s*')
    assert done.returncode == 0, done.stderr
    assert '| slow ' in done.stdout and '| fast ' in done.stdout
    assert 'SYNTHETIC' in done.stdout
    assert 'Results: runs/tiny/results.jsonl' in done.stdout
    written = (tmp_path / 'runs' / 'tiny' / 'table.md').read_text()
    assert '| relu_deep |' in written and 'not run yet' in written
    assert 'slow: epoch 1/1 loss' in done.stderr  # plain lines: the output is no terminal
    slow, fast = lines_of(tmp_path / 'runs' / 'tiny')
    assert (slow['row'], fast['row']) == ('slow', 'fast')
    assert slow['seeds'] == [0, 1] and len(slow['test_accuracy']) == 2
    assert all(0 <= a <= 1 for a in slow['test_accuracy'])
    assert (slow['model'], slow['dataset'], slow['reported']) == ('fcn', 'synthetic', 0.5)
    assert slow['compile_seconds'] > 0 and fast['compile_seconds'] == 0
    assert slow['config_hash'] != fast['config_hash']
    assert {'train_seconds', 'device', 'versions', 'commit', 'history'} <= slow.keys()
    probs = arrays.load(tmp_path / 'runs' / 'tiny' / slow['predictions'])
    labels = arrays.labels_at_hand('synthetic')
    assert probs.shape == (2, 2000, 10) and slow['test_images'] == 2000
    seeds = [(seed.argmax(-1) == labels).mean() for seed in probs]
    np.testing.assert_allclose(seeds, slow['test_accuracy'], atol=0.002)  # float16
    batches, _ = arrays.batch_accuracy(probs, labels)
    np.testing.assert_allclose(batches, slow['batch_accuracy_mean'], atol=0.002)
    ensemble = arrays.ensemble_accuracy(probs, labels)
    np.testing.assert_allclose(ensemble, slow['ensemble_accuracy'], atol=0.002)
    assert '| ensemble (seeds) |' in done.stdout
    networks = kept_networks.of_row(tmp_path / 'runs' / 'tiny', 'slow')
    assert networks.seeds == (0, 1) and networks.temperatures == (slow['temperature'],) * 2

    # The second start runs the missing row alone, and leaves the lines that are there.
    again = run(tmp_path, f'--config={config}')
    assert again.returncode == 0, again.stderr
    assert '2 of 3 rows are in runs/tiny already' in again.stderr
    lines = lines_of(tmp_path / 'runs' / 'tiny')
    assert lines[:2] == [slow, fast]
    assert [r['row'] for r in lines] == ['slow', 'fast', 'relu_deep']

    other = run(tmp_path, f'--config={config}', '--config.epochs=3')
    assert other.returncode == 2
    assert 'epochs: 1 -> 3' in other.stderr and 'Traceback' not in other.stderr
    assert lines_of(tmp_path / 'runs' / 'tiny') == lines

    # More seeds: those that are missing, in a line of their own; fewer: nothing to do.
    more = run(tmp_path, f'--config={config}', '--rows=slow', '--config.num_seeds=3')
    assert more.returncode == 0 and 'slow: goes on with seed 2' in more.stderr, more.stderr
    *before, last = lines_of(tmp_path / 'runs' / 'tiny')
    assert before == lines and (last['row'], last['seeds']) == ('slow', [2])
    (row,) = [r for r in result_lines.read(tmp_path / 'runs' / 'tiny') if r['row'] == 'slow']
    assert row['seeds'] == [0, 1, 2] and row['config']['seed'] == last['config']['seed'] == 0
    assert row['test_accuracy'] == slow['test_accuracy'] + last['test_accuracy']
    assert row['predictions'] == [slow['predictions'], last['predictions']]
    assert last['ensemble_seeds'] == 3 and row['ensemble_accuracy'] == last['ensemble_accuracy']
    fewer = run(tmp_path, f'--config={config}', '--config.num_seeds=1')
    assert '3 of 3 rows are in runs/tiny already' in fewer.stderr


def test_list_prints_rows_and_numbers_and_trains_nothing(tmp_path, config):
    done = run(tmp_path, f'--config={config}', '--list')
    assert done.returncode == 0
    assert 'slow' in done.stdout and '50.00' in done.stdout and '25.00' in done.stdout
    assert not (tmp_path / 'runs').exists()


def test_list_shows_numbers_as_the_report_prints_them(tmp_path, config):
    also = "also_reported={'seconds_per_epoch': 17.0, 'plus_minus': 0.021, 'aim': 0.98}"
    text = CONFIG.replace('reported=0.5', f'reported=0.5, {also}')
    config.write_text(text.replace('config.title', 'config.decimals = 1\n    config.title', 1))
    shown = run(tmp_path, f'--config={config}', '--list').stdout
    assert 'seconds_per_epoch 17, plus_minus 2.10, aim 98.00' in shown and '| 50.0 ' in shown


def test_help_names_the_flags_and_every_field(tmp_path):
    done = run(tmp_path, '--help')
    assert done.returncode == 0
    for flag in ('--config FILE', '--workdir WORKDIR', '--rows GLOB', '--list', '--data_dir'):
        assert flag in done.stdout
    described = set(re.findall(r'^  --config\.([a-z_0-9.]+)=.+  \S', done.stdout, re.M))
    assert described == flatten(plain(base.get_config())).keys() - TABLE_ONLY


@pytest.mark.slow
def test_quickstart_falls_back_loudly_on_synthetic_images(tmp_path, config):
    text = CONFIG.replace("'synthetic'", "'fashion_mnist'").replace(
        'config.epochs', "config.dataset.fallback = 'synthetic'\n    config.epochs"
    )
    config.write_text(text)
    proxy = {name: 'http://127.0.0.1:9' for name in ('HTTP_PROXY', 'http_proxy', 'https_proxy')}
    done = run(tmp_path, f'--config={config}', '--rows=slow', FMNIST_DATA_DIR='', **proxy)
    assert done.returncode == 0, done.stderr
    assert 'FALLING BACK ON SYNTHETIC IMAGES' in done.stderr
    (result,) = lines_of(tmp_path / 'runs' / 'tiny-synthetic')
    assert result['dataset'] == 'synthetic' == result['config']['dataset']['name']
    assert not (tmp_path / 'runs' / 'tiny').exists()


@pytest.mark.slow
def test_real_data_run(tmp_path, config, data_dir):
    config.write_text(CONFIG.replace("'synthetic'", "'fashion_mnist'"))
    faster = '--config.optimizer.learning_rate=0.2'
    done = run(tmp_path, f'--config={config}', '--rows=fast', f'--data_dir={data_dir}', faster)
    assert done.returncode == 0, done.stderr
    assert 'changed: optimizer.learning_rate 0.1 → 0.2; no verdict' in done.stdout
    (result,) = lines_of(tmp_path / 'runs' / 'tiny')
    assert result['dataset'] == 'fashion_mnist' and result['train_images'] == 54_000
    assert min(result['test_accuracy']) > 0.5


def test_ctrl_c_keeps_finished_rows(tmp_path, config):
    config.write_text(CONFIG.replace("'fast', {", "'fast', {'epochs': 90000, "))
    words, settings = command(tmp_path, f'--config={config}')
    # Ctrl-C is ignored, and by children too, where a shell runs the tests in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **settings
    )
    signal.signal(signal.SIGINT, before)
    file = tmp_path / 'runs' / 'tiny' / 'results.jsonl'
    deadline = time.monotonic() + 120
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'Finished work is kept' in errors and 'Traceback' not in errors
    assert [r['row'] for r in lines_of(tmp_path / 'runs' / 'tiny')] == ['slow']


@pytest.mark.slow
def test_a_flag_replaces_the_rows_value_and_says_so(tmp_path, config):
    changed = ('--config.optimizer.learning_rate=0.05', '--config.model.name=lenet5')
    done = run(tmp_path, f'--config={config}', '--rows=slow', *changed, '--smoke')
    assert done.returncode == 0, done.stderr
    assert '--config.optimizer.learning_rate replaces the value of slow, fast' in done.stderr
    assert 'config.model.widths is left out of slow, fast, relu_deep: lenet5 has no' in done.stderr
    (line,) = lines_of(tmp_path / 'runs' / 'tiny-smoke')
    assert line['changed']['optimizer.learning_rate'] == [0.01, 0.05]
    assert line['changed']['model.name'] == ['fcn', 'lenet5']
    assert 'changed: ' in done.stdout and 'optimizer.learning_rate 0.01 → 0.05' in done.stdout
    config_json = json.loads((tmp_path / 'runs' / 'tiny-smoke' / 'config.json').read_text())
    assert config_json['rows'][0]['changed'] == line['changed']
    assert line['config']['optimizer']['learning_rate'] == 0.05 and line['train_images'] == 800
    assert line['test_images'] == 1000 and line['seeds'] == [0] and line['config']['epochs'] == 1


@pytest.mark.slow
def test_paths_may_begin_with_a_tilde(tmp_path, config):
    done = run(
        tmp_path,
        f'--config={config}',
        '--rows=slow',
        '--workdir=~/there',
        '--smoke',
        HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'there-smoke' / 'results.jsonl').is_file()


@pytest.mark.slow
def test_a_screen_that_cannot_show_everything_costs_no_table(tmp_path, config):
    done = run(tmp_path, f'--config={config}', '--rows=slow', '--smoke', PYTHONIOENCODING='ascii')
    assert done.returncode == 0, done.stderr
    assert '| slow |' in done.stdout and (tmp_path / 'runs/tiny-smoke/table.md').is_file()


def test_a_closed_pipe_is_no_lost_machine(tmp_path, config):
    words, settings = command(tmp_path, f'--config={config}', '--list')
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 141 and 'Traceback' not in errors and 'machine' not in errors
