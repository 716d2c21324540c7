"""A table's tasks on the machines of a Ray cluster.

A machine needs the package, but neither the images nor the workdir: Ray's object store brings it
the images and pretrained weights, and brings the result line and the arrays back to this process.
"""

import contextlib
import functools
import logging
import os
import platform
import socket
import types

import jax

from fmnist_jax.config import machine
from fmnist_jax.config.cli import host_and_port
from fmnist_jax.data import catalog, datasets
from fmnist_jax.errors import ConfigError, one_line
from fmnist_jax.fit.progress import Board, SweepProgress
from fmnist_jax.sweep.experiment import Executor, train

_SECONDS_TO_ANSWER = 10  # of a cluster
_SECONDS_BETWEEN_LOOKS = 1.0  # at the progress of the tasks
_TRIES = 4  # of a task whose machine or process dies: it may need too much memory


@contextlib.contextmanager
def connect(address, cpu_devices=None, seeds_per_task=0):
    """Connects to a cluster, or starts one on this machine; gives an Executor.

    Args:
      address: HOST:PORT; 'auto' for RAY_ADDRESS, else this machine's cluster, else a new one; or
        'local' for a new one, which ends with this process.
      cpu_devices: CPU cores of a task where there are no GPUs; None means as many as the smallest
        machine has. With GPUs a task has one GPU and one core.
      seeds_per_task: at most; 0 means all seeds of a row.

    Raises:
      ConfigError: Ray is not installed, no cluster answers, or no machine has so many cores.
    """
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    try:
        import ray
    except ImportError as error:
        raise ConfigError('--cluster needs Ray: pip install ray') from error
    address = _resolve(ray, address)
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f'--cluster={address}: {one_line(error)}') from error
    try:
        room = _room_of_a_task(ray, cpu_devices)
        devices = room['num_gpus'] or room['num_cpus']
        yield Executor(functools.partial(_run, ray, room), devices, seeds_per_task)
    finally:
        ray.shutdown()


def _resolve(ray, address):
    """The address as ray.init takes it; ray.init would try for minutes where no cluster answers."""
    flag = f'--cluster={address}'
    try:
        if address == 'auto':
            find = ray._private.services.get_ray_address_from_environment
            address = find(None, None) or 'local'
            flag += f' ({address} by RAY_ADDRESS, or by the last `ray start` on this machine)'
        if address != 'local':
            _check_answer(host_and_port('cluster', address))
    except OSError as error:
        raise ConfigError(
            f'{flag}: no Ray cluster answers there ({error}); --cluster=local starts one on this '
            'machine'
        ) from error
    return address


def _check_answer(address):
    """Raises OSError unless a gRPC server, as Ray's is, listens at (host, port)."""
    with socket.create_connection(address, timeout=_SECONDS_TO_ANSWER) as connection:
        if os.environ.get('RAY_USE_TLS', '0').lower() in ('1', 'true'):
            return
        # Both sides of HTTP/2 begin with a frame of settings: type 4, in the fourth byte.
        connection.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0')
        if connection.recv(9)[3:4] != b'\4':
            raise ConnectionError('the port is not of Ray')


def _machines(ray):
    """The resources of each machine that is alive: {'CPU': 8.0, 'GPU': 1.0, ...}."""
    return [node['Resources'] for node in ray.nodes() if node['Alive']]


def _room_of_a_task(ray, cpu_devices):
    """The resources that Ray reserves for each task: {'num_cpus', 'num_gpus'}."""
    machines = _machines(ray)
    if any(each.get('GPU', 0) >= 1 for each in machines):
        return {'num_cpus': 1, 'num_gpus': 1}
    cores = [int(each['CPU']) for each in machines if each.get('CPU', 0) >= 1]
    if not cores:
        raise ConfigError('--cluster: no machine of the cluster has a CPU or GPU for tasks')
    if cpu_devices and cpu_devices > max(cores):
        raise ConfigError(
            f'--cpu_devices={cpu_devices}: no machine has room for a task; the largest machine of '
            f'the cluster has {max(cores)} CPU cores'
        )
    return {'num_cpus': cpu_devices or min(cores), 'num_gpus': 0}


def _run(ray, room, tasks, load_dataset, keep, workdir, say):
    """Trains the tasks on the cluster: the `run` of its Executor.

    Writes no checkpoints: machines share no disk, and a task whose machine dies starts again.
    """
    # The board must live as long as this process: it stays on this machine.
    this_machine = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    board = ray.remote(num_cpus=0, scheduling_strategy=this_machine)(Board).remote()
    sources = {catalog.source(task.settings.dataset) for task in tasks}
    images = {source: ray.put(load_dataset(source)) for source in sources}
    weights = {id(task.pretrained): ray.put(task.pretrained) for task in tasks}
    # Without max_retries=0 Ray would start a dead task again and say nothing.
    remote = ray.remote(max_retries=0, **room)(_train)

    def start(index):
        task = tasks[index]._replace(pretrained=None)
        inputs = images[catalog.source(task.settings.dataset)], weights[id(tasks[index].pretrained)]
        return remote.remote(index, task, *inputs, room, board)

    running = {start(index): (index, 1) for index in range(len(tasks))}  # index, number of tries
    view = SweepProgress([(t.name, t.count, t.settings.epochs) for t in tasks])
    try:
        while running:
            finished, _ = ray.wait(list(running), timeout=_SECONDS_BETWEEN_LOOKS)
            view.update(ray.get(board.read.remote()))
            _check_room(ray, room)
            for reference in finished:
                index, tries = running.pop(reference)
                try:
                    result, arrays, host = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error  # as if the task had run in this process
                except ray.exceptions.RayError as error:
                    reason = f'{tasks[index].name}: its machine or process died'
                    if tries == _TRIES:
                        raise ConnectionError(f'{reason} {tries} times ({error})') from error
                    view.say(f'{reason} ({type(error).__name__}); it starts again')
                    running[start(index)] = (index, tries + 1)
                    continue
                keep(tasks[index], result, arrays)
                view.finished(index, result['test_accuracy'], host)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        view.close()


def _check_room(ray, room):
    """Raises ConnectionError if no machine is left that has a task's room, busy or not."""
    cores, gpus = room['num_cpus'], room['num_gpus']
    if not any(m.get('CPU', 0) >= cores and m.get('GPU', 0) >= gpus for m in _machines(ray)):
        raise ConnectionError(
            f'no machine with {cores} CPU cores and {gpus} GPUs is left in the cluster; finished '
            'tasks are kept, the same command goes on'
        )


# For the processes that Ray starts on the machines of the cluster.
_programs = {}  # compiled for earlier tasks
_set_up = functools.cache(machine.set_up)  # before the first task of this process


def _train(index, task, dataset, pretrained, room, board):
    """Trains task number `index` here: (result line, TaskArrays, this machine's name)."""
    _set_up(room['num_cpus'], datasets.cache_directory() / 'xla')
    host = platform.node()
    if room['num_gpus'] and jax.default_backend() == 'cpu':
        raise ConfigError(
            f"{host} has a GPU, but its JAX does not see it: pip install 'jax[cuda12]' there"
        )
    report = functools.partial(board.report.remote, index, host)
    report(0)
    progress = types.SimpleNamespace(
        epoch=lambda number, history: report(number),
        steps=lambda done, metrics: None,
        note=lambda text: None,
    )
    task = task._replace(pretrained=pretrained)
    return *train(task, dataset, _programs, progress), host
