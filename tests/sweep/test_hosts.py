"""One program on two hosts: two processes of the command, joined over the loopback."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from fmnist_jax.errors import ConfigError
from fmnist_jax.results import arrays
from fmnist_jax.sweep import multihost

pytestmark = pytest.mark.slow


ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = """
from configs import base
from configs.base import row

def get_config():
    config = base.get_config()
    config.epochs = 4
    config.num_seeds = 1
    config.batch_size = 500
    config.dataset.name = 'synthetic'
    config.model.name = 'fcn'
    config.model.widths = (12,)
    config.optimizer.learning_rate = 0.1
    config.rows = (
        row('dropped', {'model.dropout': 0.3, 'augment.flip': True}),
        row('dropped_faster', {'model.dropout': 0.4, 'augment.flip': True}),  # the same program
        row('two', {'num_seeds': 2}),
    )
    return config
"""


@pytest.fixture
def start(tmp_path):
    """Starts the command in a folder of its own; ends what is still there after the test."""
    started = []

    def command(folder, *arguments):
        place = tmp_path / folder
        (place / 'configs').mkdir(parents=True, exist_ok=True)
        base = (ROOT / 'configs' / 'base.py').read_text()
        (place / 'configs' / 'base.py').write_text(base)
        (place / 'configs' / 'tiny.py').write_text(CONFIG)
        words = [sys.executable, '-m', 'fmnist_jax.main', '--config=configs/tiny.py', *arguments]
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy')}
        env |= {'FMNIST_CACHE_DIR': str(tmp_path), 'PYTHONPATH': str(ROOT)}
        env |= {'JAX_COMPILATION_CACHE_DIR': os.environ['FMNIST_TEST_PROGRAMS']}
        pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
        started.append(subprocess.Popen(words, cwd=place, env=env, **pipes))
        return started[-1]

    yield command
    for process in started:
        process.kill()
        process.communicate()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def start_two(start, *arguments, second=()):
    """Both hosts' processes, each with one device and a folder of its own."""
    both = (f'--coordinator=127.0.0.1:{free_port()}', '--num_hosts=2', '--cpu_devices=1')
    more = {0: (), 1: second}
    return [start(f'host{i}', *both, f'--host={i}', *arguments, *more[i]) for i in (0, 1)]


def lines_of(workdir):
    return [json.loads(text) for text in (workdir / 'results.jsonl').read_text().splitlines()]


def test_two_hosts_give_what_one_gives(start, tmp_path):
    alone = start('alone', '--rows=*[do]', '--cpu_devices=1')
    _, errors = alone.communicate(timeout=120)
    assert alone.returncode == 0, errors
    pair = start_two(start, '--rows=*[do]')
    outputs = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], outputs
    assert '| dropped ' in outputs[0][0] and '|' not in outputs[1][0]
    assert 'dropped: epoch 4/4' in outputs[0][1] and 'epoch' not in outputs[1][1]
    assert not (tmp_path / 'host1' / 'runs').exists()
    expected, found = (lines_of(tmp_path / who / 'runs' / 'tiny') for who in ('alone', 'host0'))
    layouts = [(r['row'], r['device']['hosts'], r['replicas']['devices_per_seed']) for r in found]
    assert layouts == [('dropped', 2, 2), ('two', 2, 1)]  # a batch shared; a seed on each host
    for one, two in zip(expected, found, strict=True):
        assert one['seeds'] == two['seeds'] and one['config_hash'] == two['config_hash']
        np.testing.assert_allclose(two['test_loss'], one['test_loss'], rtol=1e-4)
        history = [np.array(r['history']['train_loss']) for r in (two, one)]
        np.testing.assert_allclose(*history, rtol=1e-4)
        probs = [
            arrays.load(tmp_path / who / 'runs' / 'tiny' / r['predictions'])
            for who, r in (('host0', two), ('alone', one))
        ]
        np.testing.assert_allclose(*probs, atol=2e-3)  # float16


def test_a_host_that_dies_ends_the_other_with_one_line(start, tmp_path):
    survivor, victim = start_two(start, '--rows=dropped*')
    file = tmp_path / 'host0' / 'runs' / 'tiny' / 'results.jsonl'
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not file.exists():
        time.sleep(0.01)
    victim.kill()  # in the second row
    assert victim.wait(timeout=10) == -signal.SIGKILL
    _, errors = survivor.communicate(timeout=200)
    assert survivor.returncode == 1, errors
    *_, last = errors.strip().splitlines()
    assert last.startswith('error: another host has ended or cannot be reached; finished rows are')
    assert 'Traceback' not in errors
    assert [line['row'] for line in lines_of(file.parent)] == ['dropped']


def test_a_scheduler_that_ends_one_host_ends_both_and_the_next_start_goes_on(start, tmp_path):
    """With a checkpoint after each epoch: host 0 writes them alone."""
    settings = ('--rows=dropped', '--config.epochs=40', '--config.checkpoint_epochs=1')
    pair = start_two(start, *settings)
    for text in pair[0].stderr:
        if 'epoch 3/40' in text:
            break
    pair[1].send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=200) for process in pair]
    assert [process.returncode for process in pair] == [130, 130], outputs
    assert outputs[0][1].endswith('the same command goes on from here.\n')
    workdir = tmp_path / 'host0' / 'runs' / 'tiny'
    assert list(workdir.glob('checkpoints/dropped/seeds_0_to_0/[0-9]*'))
    pair = start_two(start, *settings)
    outputs = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], outputs
    assert 'dropped: goes on after ' in outputs[0][1]
    (line,) = lines_of(workdir)
    assert len(line['history']['train_loss']) == 40
    assert not (workdir / 'checkpoints').exists()


@pytest.mark.parametrize(
    ('both', 'second', 'messages'),
    [
        (
            ('--rows=dropped',),
            ('--config.epochs=2',),
            2 * ['error: the hosts differ in settings of rows: [['],
        ),
        (
            ('--rows=two', '--config.devices_per_seed=3'),
            (),
            ['error: config.devices_per_seed=3', 'error: host 0: config.devices_per_seed=3'],
        ),
    ],
)
def test_a_mistake_ends_both_hosts_with_one_line(start, tmp_path, both, second, messages):
    pair = start_two(start, *both, second=second)
    for process, message in zip(pair, messages, strict=True):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2, errors
        *_, last = errors.strip().splitlines()
        assert last.startswith(message) and 'Traceback' not in errors
    assert not list(tmp_path.rglob('results.jsonl'))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere', 2, 0], '--coordinator=nowhere: expected HOST:PORT'),
        (['127.0.0.1:9', 2, None], '--num_hosts=2 --host=None: --coordinator=127.0.0.1:9 needs'),
        (['127.0.0.1:9', 2, 2], '--num_hosts=2 --host=2: --coordinator=127.0.0.1:9 needs'),
        (['127.0.0.1:9', 2, 1], '--coordinator=127.0.0.1:9: host 0 does not answer'),
    ],
)
def test_a_wrong_address_or_number_is_told(arguments, message, monkeypatch):
    monkeypatch.setattr(multihost, '_SECONDS_TO_CONNECT', 0)
    with pytest.raises(ConfigError, match=message):
        multihost.connect(*arguments, say=lambda line: None)
