"""What a machine of a Ray cluster does with a task that cluster.py hands it."""

import functools
import platform

import jax

from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import placement
from fmnist_jax.fit.compile import lay_out
from fmnist_jax.sweep.task import train_task


@functools.cache
def _set_up(devices):
    """Once in a process: Ray gives it one task after the other."""
    placement.set_up(devices, datasets.cache_directory() / 'xla')


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
    replicas = lay_out(task.own)
    result, arrays = train_task(task, dataset, replicas, _programs, _Report(board, index))
    return result, arrays, platform.node()
