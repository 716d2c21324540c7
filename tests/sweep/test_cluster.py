"""A table on a Ray cluster of two machines (processes here), one of which dies on the way."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest
from settings_for_tests import small_dataset

from configs import base
from fmnist_jax.config.settings import resolve
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit.fit import fit
from fmnist_jax.fit.mesh import make_layout
from fmnist_jax.results import arrays as kept_arrays
from fmnist_jax.results import lines as result_lines
from fmnist_jax.sweep import experiment, ray_cluster
from fmnist_jax.sweep.task import Task, result_line

ROOT = pathlib.Path(__file__).parent.parent.parent
DATASET = small_dataset()
RATES = {'slow': 0.01, 'fast': 0.1}
EPOCHS = 700  # a second or so

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings('ignore:os.fork'),
]  # Ray starts its machines so


@pytest.fixture(scope='module')
def machines():
    """A Cluster whose first machine has one core; dead ones are noticed within seconds."""
    pytest.importorskip('ray', reason='pip install ray')
    quiet = {'RAY_USAGE_STATS_ENABLED': '0', 'RAY_AUTH_MODE': 'disabled'}
    quiet['PYTHONPATH'] = str(ROOT)
    quiet['XLA_FLAGS'] = os.environ['FMNIST_TEST_XLA_FLAGS']  # the same bits as in this process
    patch = pytest.MonkeyPatch()
    for name, value in quiet.items():
        patch.setenv(name, value)
    from ray.cluster_utils import Cluster

    impatient = {
        'health_check_initial_delay_ms': 0,
        'health_check_period_ms': 1000,
        'health_check_failure_threshold': 3,
    }
    first = {'num_cpus': 1, 'include_dashboard': False, '_system_config': impatient}
    made = Cluster(initialize_head=True, head_node_args=first)
    yield made
    made.shutdown()
    patch.undo()


def small_config(epochs=2):
    config = base.get_config()
    config.num_seeds, config.epochs = 2, epochs
    config.batch_size = config.eval_batch_size = 16
    config.dataset.name, config.dataset.num_validation = 'synthetic', 20
    config.model.name, config.model.widths = 'fcn', (12,)
    config.rows = tuple(
        base.row(name, {'optimizer.learning_rate': rate}) for name, rate in RATES.items()
    )
    return config


def run(config, workdir, executor):
    return experiment.run(config, config.rows, workdir, lambda name: DATASET, executor=executor)


def train_on_one_device(task, cache):
    """(result line, TaskArrays) of a task trained in this process."""
    layout = make_layout(task.own, jax.local_devices()[:1])
    return result_line(task, DATASET, fit(task.own, DATASET, layout, cache))


def kill_in_the_middle(machines, victim, monkeypatch):
    """Kills a machine when each of the two is in the middle of a task."""
    monkeypatch.setattr(ray_cluster, '_SECONDS_BETWEEN_LOOKS', 0.05)
    update = ray_cluster.SweepProgress.update

    def update_and_kill(view, seen):
        update(view, seen)
        middle = [i for i, (_, epoch) in seen.items() if 0 < epoch < 0.8 * EPOCHS]
        if len(middle) == 2 and victim in machines.list_all_nodes():
            machines.remove_node(victim, allow_graceful=False)

    monkeypatch.setattr(ray_cluster.SweepProgress, 'update', update_and_kill)


def test_a_machine_that_dies_loses_no_row_and_changes_no_number(
    machines, tmp_path, capfd, monkeypatch
):
    victim = machines.add_node(num_cpus=1)
    config = small_config(epochs=EPOCHS)
    kill_in_the_middle(machines, victim, monkeypatch)
    with ray_cluster.connect(machines.address, seeds_per_task=1) as executor:
        assert (executor.devices, executor.seeds_per_task) == (1, 1)
        found = run(config, tmp_path, executor)
    assert victim not in machines.list_all_nodes()
    assert 'machine or process died' in capfd.readouterr().err
    cache = {}
    lines = [json.loads(text) for text in (tmp_path / 'results.jsonl').read_text().splitlines()]
    done = sorted((line['row'], *line['seeds']) for line in lines)
    assert done == sorted((name, seed) for name in RATES for seed in (0, 1))
    assert [row['row'] for row in found] == list(RATES)
    for row, result in zip(config.rows, found, strict=True):
        settings = resolve(config, row)
        assert result['seeds'] == [0, 1] and result['config']['num_seeds'] == 2
        files = [kept_arrays.load(tmp_path / path) for path in result['predictions']]
        for seed in (0, 1):  # alone on one device, as each task was: the same bits
            task = Task(row, settings, seed, 1)
            expected, arrays = train_on_one_device(task, cache)
            assert [result['test_loss'][seed]] == expected['test_loss']
            history = result['history']['train_loss']
            assert [[epoch[seed]] for epoch in history] == expected['history']['train_loss']
            np.testing.assert_array_equal(files[seed], arrays.probabilities.astype(np.float16))
        assert result['ensemble_accuracy'] is not None  # of both seeds, whichever came last
    # Both seeds of a row together on one machine: the same up to rounding.
    together, _ = train_on_one_device(Task(row, settings, 0, 2), cache)
    np.testing.assert_allclose(result['test_loss'], together['test_loss'], rtol=1e-3)


def test_a_machine_whose_jax_sees_no_gpu_is_named(machines, tmp_path):
    machine = machines.add_node(num_cpus=1, num_gpus=1)  # Ray believes it
    try:
        with ray_cluster.connect(machines.address) as executor:
            assert executor.devices == 1
            with pytest.raises(ConfigError, match='has a GPU, but its JAX does not see it'):
                run(small_config(), tmp_path, executor)
    finally:
        machines.remove_node(machine)
    assert result_lines.read(tmp_path) == []


def test_room_that_no_machine_has_is_refused(machines):
    refused = pytest.raises(
        ConfigError, match='--cpu_devices=3: no machine has room for a task; the larg'
    )
    with refused, ray_cluster.connect(machines.address, cpu_devices=3):
        pass


@pytest.mark.parametrize(
    ('address', 'message'),
    [
        ('127.0.0.1:1', '--cluster=127.0.0.1:1: no Ray cluster answers there'),
        ('somewhere', '--cluster=somewhere: expected HOST:PORT'),
        ('10.0.0.7:port', '--cluster=10.0.0.7:port: expected HOST:PORT'),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address, message):
    pytest.importorskip('ray', reason='pip install ray')
    with pytest.raises(ConfigError, match=message), ray_cluster.connect(address):
        pass


@pytest.mark.parametrize(
    ('answer', 'message'),
    [(None, 'refused'), (b'', 'timed out'), (b'HTTP/1.1 400 Bad', 'the port is not of Ray')],
)
def test_auto_refuses_a_cluster_that_has_ended(answer, message, tmp_path, monkeypatch):
    """Ray keeps its last cluster's address; the port may be of another program by now."""
    pytest.importorskip('ray', reason='pip install ray')
    monkeypatch.setattr(ray_cluster, '_SECONDS_TO_ANSWER', 0.5)
    monkeypatch.delenv('RAY_ADDRESS', raising=False)
    monkeypatch.setenv('RAY_TMPDIR', str(tmp_path))
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = 1 if answer is None else server.getsockname()[1]
        (tmp_path / 'ray').mkdir()
        (tmp_path / 'ray' / 'ray_current_cluster').write_text(f'127.0.0.1:{port}')

        def serve():
            connection, _ = server.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.sendall(answer)
                while connection.recv(100):  # until the client goes
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        if answer is not None:
            thread.start()
        expected = rf'^--cluster=auto \(127.0.0.1:{port} by .*no Ray cluster answers.*{message}'
        with pytest.raises(ConfigError, match=expected), ray_cluster.connect('auto'):
            pass


def test_without_ray_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ConfigError, match=r'needs Ray: pip install ray$'):
        ray_cluster.connect('auto').__enter__()


CONFIG = """
from configs import base
from configs.base import row

def get_config():
    config = base.get_config()
    config.num_seeds = 1
    config.epochs = 1
    config.model.name = 'fcn'
    config.model.widths = (8,)
    config.dataset.name = 'synthetic'
    config.rows = (row('short', {}), row('endless', {'epochs': 90000}))
    return config
"""


def test_ctrl_c_keeps_finished_rows_and_frees_the_cluster(machines, tmp_path):
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'base.py').write_text((ROOT / 'configs' / 'base.py').read_text())
    (tmp_path / 'configs' / 'two.py').write_text(CONFIG)
    words = [sys.executable, '-m', 'fmnist_jax.main', '--config=configs/two.py', '--cluster=auto']
    env = os.environ | {'RAY_ADDRESS': machines.address, 'FMNIST_CACHE_DIR': str(tmp_path)}
    # Ctrl-C is ignored, and by children too, where a shell runs the tests in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pipe = {'stderr': subprocess.PIPE, 'text': True, 'start_new_session': True}
    process = subprocess.Popen(words, cwd=tmp_path, env=env, **pipe)
    signal.signal(signal.SIGINT, before)
    file = tmp_path / 'runs' / 'two' / 'results.jsonl'
    deadline = time.monotonic() + 300  # Ray starts slowly on a busy machine
    while not file.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert 'Finished work is kept' in errors and 'Traceback' not in errors
    assert [result['row'] for result in result_lines.read(file.parent)] == ['short']
    with ray_cluster.connect(machines.address):
        import ray

        deadline = time.monotonic() + 30
        while not ray.available_resources().get('CPU') and time.monotonic() < deadline:
            time.sleep(0.1)
        assert ray.available_resources().get('CPU') == 1  # nothing trains there any more
