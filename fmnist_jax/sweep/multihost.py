"""One program on several hosts: a process of the same command on each (jax.distributed).

The seeds, or a seed's batches, are spread over the devices of all hosts (fit/mesh.py). Host 0 alone
reads and writes the workdir, shows progress and tells the others what to train.
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
from fmnist_jax.data import catalog
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.results import provenance
from fmnist_jax.sweep import experiment

_SECONDS_TO_CONNECT = 300
_USER_ERRORS = (ConfigError, DataError, OSError)
joined = jax.distributed.is_initialized  # whether `connect` has joined this process to others


def connect(coordinator, num_hosts=None, host=None, say=print):
    """Joins the processes of the other hosts; call it before the first device is used.

    Args:
      coordinator: HOST:PORT of host 0, or 'auto' where JAX finds it (Slurm, Kubernetes, TPUs, ...).
      num_hosts, host: the number of hosts and the index of this one; not with 'auto'.

    Raises:
      ConfigError: a flag is wrong, or host 0 does not answer.
    """
    # Its handler would keep this process alive after SIGTERM.
    jax.config.update('jax_enable_preemption_service', False)
    if coordinator == 'auto':
        try:
            return jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f'--coordinator=auto: JAX finds no cluster here ({error}); give '
                '--coordinator=HOST:PORT --num_hosts=N --host=I'
            ) from error
    address = host_and_port('coordinator', coordinator)
    if num_hosts is None or host is None or not 0 <= host < num_hosts:
        raise ConfigError(
            f'--num_hosts={num_hosts} --host={host}: --coordinator={coordinator} needs both, '
            'with --host from 0 to num_hosts - 1'
        )
    say(f'host {host} of {num_hosts}: waits for the others at {coordinator}')
    deadline = time.monotonic() + _SECONDS_TO_CONNECT
    while host:  # until host 0 listens; jax.distributed would end this process with a stack trace
        try:
            socket.create_connection(address, timeout=5).close()
            break
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f'--coordinator={coordinator}: host 0 does not answer ({error})'
                ) from error
            time.sleep(0.2)
    # This ends the process if another host never comes.
    jax.distributed.initialize(
        coordinator, num_hosts, host, initialization_timeout=_SECONDS_TO_CONNECT
    )


def leave(code):
    """Ends this process at once; sys.exit would wait for hosts that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(config, rows, workdir, load_dataset, load_pretrained=None, say=print):
    """experiment.run on all hosts together; returns the results on host 0, None on the others.

    Raises:
      ConfigError, DataError: as experiment.run; on all hosts if on one.
      ConnectionError: another host is gone.
    """
    sent = False

    def lead(tasks, load_dataset, keep, workdir, say):
        nonlocal sent
        sent = True
        _exchange({'tasks': [(task.row['name'], task.first, task.count) for task in tasks]})
        _train(lambda: tasks, load_dataset, keep, workdir, say)

    with _loss_in_one_line():
        if jax.process_index() > 0:
            return _follow(config, load_dataset, load_pretrained)
        try:
            return experiment.run(
                config, rows, workdir, load_dataset, load_pretrained, say, experiment.Executor(lead)
            )
        except _USER_ERRORS as error:
            if not sent:
                _exchange({'error': str(error)})
            raise


def _follow(config, load_dataset, load_pretrained):
    """Trains host 0's tasks, made from this host's own config and weights; writes nothing."""
    message, *_ = _exchange({})
    if 'error' in message:
        raise ConfigError(f'host 0: {message["error"]}')

    def make_tasks():
        rows = {row['name']: row for row in config.rows}
        for name, first, count in message['tasks']:
            if name not in rows:
                raise ConfigError(f'its config has no row {name!r}')
            settings = resolve(config, rows[name])
            weights = load_pretrained(settings) if settings.pretrained else None
            yield experiment.Task(rows[name], settings, first, count, weights)

    _train(make_tasks, load_dataset, lambda task, result, arrays: None)


def _train(make_tasks, load_dataset, keep, workdir=None, say=print):
    """Trains the tasks; a ConfigError on all hosts if one of them cannot or has other tasks."""
    try:
        tasks = list(make_tasks())
        sources = {catalog.source(task.settings.dataset) for task in tasks}
        facts = {  # everything that the hosts' results depend on
            'devices of a host': jax.local_device_count(),
            'versions': provenance.versions(),
            'settings of rows': [settings_hash(task.settings) for task in tasks],
            'images': {str(s): [zlib.crc32(a) for a in load_dataset(s)] for s in sources},
            'pretrained weights': [task.pretrained and task.pretrained.source for task in tasks],
        }
    except _USER_ERRORS as error:
        facts = {'error': str(error)}
    hosts = _exchange(facts)
    for number, of_host in enumerate(hosts):
        if 'error' in of_host:
            raise ConfigError(f'host {number}: {of_host["error"]}')
    for name in facts:
        values = [of_host[name] for of_host in hosts]
        if any(value != values[0] for value in values):
            raise ConfigError(f'the hosts differ in {name}: {values}')
    experiment.run_here(tasks, load_dataset, keep, workdir, say, show=jax.process_index() == 0)


def _exchange(message):
    """Waits for every host's message (a JSON value); returns them in the order of the hosts."""
    text = np.frombuffer(json.dumps(message).encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.int32(len(text)))
    texts = multihost_utils.process_allgather(np.pad(text, (0, lengths.max() - len(text))))
    return [json.loads(raw[:length].tobytes()) for raw, length in zip(texts, lengths, strict=True)]


@contextlib.contextmanager
def _loss_in_one_line():
    """Turns the error of a failed collective into a ConnectionError that says what it means."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if not any(word in str(error) for word in ('Gloo', 'NCCL', 'coordination')):
            raise
        raise ConnectionError(
            'another host has ended or cannot be reached; finished rows are kept, the same '
            f'command on all hosts goes on ({str(error).splitlines()[0]})'
        ) from error
