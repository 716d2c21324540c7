"""One program on several hosts: a process on each, joined by jax.distributed.

All processes run the same command and compute the same; a seed's batches, or the seeds, are
spread over the devices of all of them (parallel.py). Host 0 alone reads and writes the workdir
and shows progress: it tells the others what to train.
"""

import contextlib
import json
import os
import socket
import sys
import time
import zlib

import jax
import numpy as np
from jax.experimental import multihost_utils

from fmnist_jax.config.cli import host_and_port
from fmnist_jax.config.settings import resolve, settings_hash
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.results import provenance
from fmnist_jax.sweep import experiment
from fmnist_jax.sweep.task import Task

_SECONDS_TO_CONNECT = 300
_MISTAKES = (ConfigError, DataError, OSError)  # of the user's, told in one line


def connect(coordinator, num_hosts=None, host=None, say=print):
    """Joins the other hosts' processes; before the first device is used.

    Args:
      coordinator: HOST:PORT of host 0, or 'auto' where JAX finds out by itself (Slurm, Open MPI,
        Kubernetes, TPUs).
      num_hosts, host: how many there are and which one this is, from 0; not with 'auto'.
      say: prints one line for the user.

    Raises:
      ConfigError: a flag is wrong, or host 0 does not answer. (Where another host never comes,
        JAX itself ends the process after five minutes, with a message of its own.)
    """
    # Its handler would keep a process alive that is told to end by SIGTERM.
    jax.config.update('jax_enable_preemption_service', False)
    if coordinator == 'auto':
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f'--coordinator=auto: JAX finds no cluster here ({error}); give '
                '--coordinator=HOST:PORT --num_hosts=N --host=I'
            ) from error
        return
    address = host_and_port('coordinator', coordinator)
    if num_hosts is None or host is None or not 0 <= host < num_hosts:
        raise ConfigError(
            f'--num_hosts={num_hosts} --host={host}: --coordinator={coordinator} needs both, '
            'with --host from 0 to num_hosts - 1'
        )
    say(f'host {host} of {num_hosts}: waits for the others at {coordinator}')
    if host:
        _wait_for(address, coordinator)
    jax.distributed.initialize(
        coordinator, num_hosts, host, initialization_timeout=_SECONDS_TO_CONNECT
    )


def _wait_for(address, coordinator):
    """Until host 0 listens: JAX would end this process with a stack trace of its own."""
    deadline = time.monotonic() + _SECONDS_TO_CONNECT
    while True:
        try:
            return socket.create_connection(address, timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f'--coordinator={coordinator}: host 0 does not answer ({error})'
                ) from error
            time.sleep(0.2)


def joined():
    """Whether `connect` has joined this process to others."""
    return jax.distributed.is_initialized()


def leave(code):
    """Ends this process at once: the usual way out waits for hosts that will not come."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(config, rows, workdir, load_dataset, load_pretrained=None, say=print):
    """experiment.run on all hosts together.

    Returns:
      The results on host 0, None on the others.

    Raises:
      ConfigError, DataError: as experiment.run; on all hosts if on one.
      ConnectionError: another host is gone.
    """
    with _noticing_a_loss():
        if jax.process_index() > 0:
            return _follow(config, load_dataset, load_pretrained)
        told = []

        def lead(tasks, load_dataset, keep, workdir, say):
            told.append(_exchange({'tasks': [(t.row['name'], t.first, t.count) for t in tasks]}))
            _train(lambda: tasks, load_dataset, keep, workdir, say)

        try:
            inputs = (config, rows, workdir, load_dataset, load_pretrained)
            return experiment.run(*inputs, say, experiment.Executor(lead))
        except _MISTAKES as error:
            if not told:
                _exchange({'error': str(error)})
            raise


def _follow(config, load_dataset, load_pretrained):
    """Trains what host 0 says and writes nothing."""
    order, *_ = _exchange({})
    if 'error' in order:
        raise ConfigError(f'host 0: {order["error"]}')

    def tasks():
        """Host 0's tasks, made from this host's own config and weights."""
        rows, made = {row['name']: row for row in config.rows}, []
        for name, first, count in order['tasks']:
            if name not in rows:
                raise ConfigError(f'its config has no row {name!r}')
            settings = resolve(config, rows[name])
            weights = load_pretrained(settings) if settings.pretrained else None
            made.append(Task(rows[name], settings, first, count, weights))
        return made

    _train(tasks, load_dataset, lambda task, result, arrays: None)


def _train(make_tasks, load_dataset, keep, workdir=None, say=print):
    """Trains the tasks once all hosts have found that they have the same.

    Host 0 has the workdir, and with it the checkpoints (epochs.py tells the others).

    Raises:
      ConfigError: on all hosts, if one lacks something or has something else.
    """
    try:
        tasks = make_tasks()
        mine = _what_must_agree(tasks, load_dataset)
    except _MISTAKES as error:
        mine = {'error': str(error)}
    hosts = _exchange(mine)
    for number, facts in enumerate(hosts):
        if 'error' in facts:
            raise ConfigError(f'host {number}: {facts["error"]}')
    for name in mine:
        values = [facts[name] for facts in hosts]
        if any(value != values[0] for value in values):
            raise ConfigError(f'the hosts differ in {name}: {values}')
    show = jax.process_index() == 0
    experiment.run_here(tasks, load_dataset, keep, workdir, say, show)


def _what_must_agree(tasks, load_dataset):
    """What the hosts' results depend on, as JSON can hold it."""
    datasets = {task.settings.dataset.name for task in tasks}
    images = {name: [zlib.crc32(array) for array in load_dataset(name)] for name in datasets}
    return {
        'devices of a host': jax.local_device_count(),
        'versions': provenance.versions(),
        'settings of rows': [settings_hash(task.settings) for task in tasks],
        'images': images,
        'pretrained weights': [task.pretrained and task.pretrained.source for task in tasks],
    }


def _exchange(message):
    """Every host's message (what JSON can hold), by the hosts' numbers; waits for all."""
    text = np.frombuffer(json.dumps(message).encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.int32(len(text)))
    padded = np.pad(text, (0, lengths.max() - len(text)))
    texts = multihost_utils.process_allgather(padded)
    return [json.loads(raw[:length].tobytes()) for raw, length in zip(texts, lengths, strict=True)]


@contextlib.contextmanager
def _noticing_a_loss():
    """A collective that fails, told as what it means."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if not any(word in str(error) for word in ('Gloo', 'NCCL', 'coordination')):
            raise
        raise ConnectionError(
            'another host has ended or cannot be reached; finished rows are kept, the same '
            f'command on all hosts goes on ({str(error).splitlines()[0]})'
        ) from error
