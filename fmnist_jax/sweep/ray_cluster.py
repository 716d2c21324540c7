"""A table's tasks on the machines of a Ray cluster.

This process plans, hands every task to a machine with room for it and writes what comes back. A
machine needs the package, but neither the images nor the workdir: images and pretrained weights
go there through Ray's object store, a result line and the test probabilities come back.
"""

import contextlib
import functools
import logging
import os
import platform
import socket

import jax

from fmnist_jax.config import machine
from fmnist_jax.config.cli import host_and_port
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit.mesh import make_layout
from fmnist_jax.fit.progress import Board, SweepProgress
from fmnist_jax.sweep.experiment import Executor
from fmnist_jax.sweep.task import train_task

# What a machine of a Ray cluster does with a task that cluster.py hands it.


@functools.cache
def _set_up(devices):
    """Once in a process: Ray gives it one task after the other."""
    machine.set_up(devices, datasets.cache_directory() / 'xla')


_programs = {}  # compiled by this process for earlier tasks


class _Report:
    """A task's progress, sent to the board."""

    def __init__(self, board, index):
        self._send = functools.partial(board.report.remote, index, platform.node())
        self._send(0)

    def steps(self, done, measured):
        """Too often to be sent."""

    def epoch(self, number, history):
        """An epoch is over."""
        self._send(number)


def train(index, task, dataset, pretrained, room, board):
    """Trains a task on this machine of the cluster.

    Args:
      index: the task's number on the board.
      task: task.Task, without its weights, which are shared.
      dataset, pretrained: what Ray's object store holds for it.
      room: {'num_cpus', 'num_gpus'} that are set aside for it.
      board: the actor that is told how far it is.

    Returns:
      (result line, task.Arrays, this machine's name).

    Raises:
      ConfigError: the machine's JAX does not see its GPU, or a mistake in the task's settings.
    """
    _set_up(room['num_cpus'])
    if room['num_gpus'] and jax.default_backend() == 'cpu':
        raise ConfigError(
            f'{platform.node()} has a GPU, but its JAX does not see it: '
            "pip install -e '.[cuda12]' there"
        )
    task = task._replace(pretrained=pretrained)
    layout = make_layout(task.own)
    result, arrays = train_task(task, dataset, layout, _programs, _Report(board, index))
    return result, arrays, platform.node()


_SECONDS_BETWEEN_LOOKS = 1.0  # at how far the tasks are
_TRIES = 4  # of a task whose machine or process dies; its own memory may be why


@contextlib.contextmanager
def connect(address, cpu_devices=None, seeds_per_task=0):
    """Connects to a cluster, or starts one on this machine; gives an Executor.

    Args:
      address: HOST:PORT, or 'auto': RAY_ADDRESS, else a cluster that runs on this machine, else
        a new one for as long as this process needs it.
      cpu_devices: CPU cores of a task where there are no GPUs; those of the smallest machine if
        None. With GPUs a task has one GPU and one core.
      seeds_per_task: at most; 0 for all seeds of a row.

    Raises:
      ConfigError: Ray is not installed, no cluster is there, or no machine has so many cores.
    """
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    if address == 'auto':
        address = os.environ.get('RAY_ADDRESS') or 'auto'
    if address not in ('auto', 'local'):
        _check_address(address)
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--cluster needs Ray: pip install -e '.[ray]'") from error
    try:
        ray.init(
            None if address == 'auto' else address,
            include_dashboard=False,
            log_to_driver=False,  # one view of all tasks instead
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        line = ' '.join(str(error).split())
        raise ConfigError(f'--cluster={address}: {line}') from error
    try:
        room = _room_of_a_task(ray, cpu_devices)
        devices = room['num_gpus'] or room['num_cpus']
        yield Executor(functools.partial(_run, ray, room), devices, seeds_per_task)
    finally:
        ray.shutdown()


def _check_address(address):
    """Raises ConfigError at once where Ray would try for three minutes and end the process."""
    try:
        socket.create_connection(host_and_port('cluster', address), timeout=10).close()
    except OSError as error:
        raise ConfigError(f'--cluster={address}: no Ray cluster answers there ({error})') from error


def _machines(ray):
    """What each machine that is alive has: {'CPU': 8.0, 'GPU': 1.0, ...}."""
    return [node['Resources'] for node in ray.nodes() if node['Alive']]


def _room_of_a_task(ray, cpu_devices):
    """What Ray sets aside for each task: {'num_cpus', 'num_gpus'}.

    Raises:
      ConfigError: no machine has it.
    """
    machines = _machines(ray)
    if any(machine.get('GPU', 0) >= 1 for machine in machines):
        return {'num_cpus': 1, 'num_gpus': 1}
    cores = [int(machine.get('CPU', 0)) for machine in machines if machine.get('CPU', 0) >= 1]
    if not cores:
        raise ConfigError('--cluster: no machine of the cluster has a CPU or GPU for tasks')
    if cpu_devices and cpu_devices > max(cores):
        raise ConfigError(
            f'--cpu_devices={cpu_devices}: a task finds no room; the largest machine of the '
            f'cluster has {max(cores)} CPU cores'
        )
    return {'num_cpus': cpu_devices or min(cores), 'num_gpus': 0}


def _run(ray, room, tasks, load_dataset, keep, workdir, say):
    """Trains the tasks on the cluster: the `run` of its Executor.

    Without checkpoints: machines share no disk, and a task whose machine dies starts again.

    Raises:
      ConfigError: a task cannot be trained on a machine of the cluster.
      ConnectionError: a task's process died time and again, or no machine is left.
    """
    # On this machine: it is there as long as the view of it.
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    board = ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()
    running = _Running(ray, room, tasks, load_dataset, board)
    view = SweepProgress([(t.name, t.count, t.settings.epochs) for t in tasks])
    try:
        for index in range(len(tasks)):
            running.start(index)
        while running.references:
            finished = running.wait()
            view.update(ray.get(board.read.remote()))
            _check_room(ray, room)
            for index, result, arrays, host in running.take(finished, view.say):
                keep(tasks[index], result, arrays)
                view.finished(index, result['test_accuracy'], host)
    finally:
        running.cancel()
        view.close()


class _Running:
    """The tasks that run on the cluster, and what they read there."""

    def __init__(self, ray, room, tasks, load_dataset, board):
        self._ray, self._room, self._tasks, self._board = ray, room, tasks, board
        # Once in each machine's memory; those of a row's tasks are the same object.
        names = {task.settings.dataset.name for task in tasks}
        self._datasets = {name: ray.put(load_dataset(name)) for name in names}
        self._weights = {id(task.pretrained): ray.put(task.pretrained) for task in tasks}
        # Ray would start a dead task again by itself, without a word. (A task that has a GPU gets
        # a process of its own, that is Ray's rule, so none keeps the memory of a GPU to itself.)
        self._remote = ray.remote(max_retries=0, **room)(train)
        self.references = {}  # to the task's index and how often it was tried

    def start(self, index, tries=1):
        """Hands a task to a machine, when one has room."""
        task = self._tasks[index]
        inputs = self._datasets[task.settings.dataset.name], self._weights[id(task.pretrained)]
        bare = task._replace(pretrained=None)
        reference = self._remote.remote(index, bare, *inputs, self._room, self._board)
        self.references[reference] = (index, tries)

    def wait(self):
        """The references of tasks that are done, or died, within a short time."""
        finished, _ = self._ray.wait(list(self.references), timeout=_SECONDS_BETWEEN_LOOKS)
        return finished

    def take(self, finished, say):
        """Gives (index, result line, task.Arrays, machine's name); starts again what died."""
        exceptions = self._ray.exceptions
        for reference in finished:
            index, tries = self.references.pop(reference)
            try:
                yield index, *self._ray.get(reference)
            except exceptions.RayTaskError as error:
                raise error.cause from error  # the task's own, as if it had run here
            except exceptions.RayError as error:
                reason = f'{self._tasks[index].name}: its machine or process died'
                if tries == _TRIES:
                    raise ConnectionError(f'{reason} {tries} times ({error})') from error
                say(f'{reason} ({type(error).__name__}); it starts again')
                self.start(index, tries + 1)

    def cancel(self):
        """Ends what still runs."""
        for reference in self.references:
            self._ray.cancel(reference, force=True)


def _check_room(ray, room):
    """Raises ConnectionError if no machine is left that has a task's room, busy or not."""
    wanted = {'CPU': room['num_cpus'], 'GPU': room['num_gpus']}
    if not any(all(m.get(k, 0) >= n for k, n in wanted.items()) for m in _machines(ray)):
        raise ConnectionError(
            f'no machine with {wanted["CPU"]} CPU cores and {wanted["GPU"]} GPUs is left in the '
            'cluster; finished tasks are kept, the same command goes on'
        )
