"""Starts runs of the real command for faults.py and checks their results."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMMAND = (
    sys.executable,
    '-m',
    'fmnist_jax.main',
    '--config=configs/fcn_optimizers.py',
    '--rows=adam_0.001',
    '--config.dataset.name=synthetic',
    '--config.num_seeds=2',
    '--config.selection=val_loss',
    '--config.checkpoint_epochs=1',
    '--cpu_devices=2',
)
_MAY_DIFFER = ('train_seconds', 'compile_seconds', 'finished', 'resumed')


class Fault(Exception):
    """A run that ended with a wrong result or message."""


def start(workdir, epochs):
    """Starts the command in the background, with its messages in a file beside the workdir."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # the child would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(workdir.with_suffix('.log'), 'a') as log:
        return subprocess.Popen(
            [*COMMAND, f'--workdir={workdir}', f'--config.epochs={epochs}'],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def messages(workdir):
    """The messages that the user sees."""
    return workdir.with_suffix('.log').read_text()


def ended(workdir):
    """(the result line without times, predictions [seeds, N, 10]) of a finished run."""
    (line,) = (workdir / 'results.jsonl').read_text().splitlines()
    result = json.loads(line)
    with np.load(workdir / result['predictions']) as file:
        probs = file['probabilities']
    return {k: v for k, v in result.items() if k not in _MAY_DIFFER}, probs


def check_same(workdir, expected):
    """Raises Fault unless the run has the undisturbed run's result and no checkpoints left."""
    result, probs = ended(workdir)
    different = [k for k in expected[0] if result.get(k) != expected[0][k]]
    if different or not np.array_equal(probs, expected[1]):
        raise Fault(f'{workdir}: another result: {different or "predictions"}')
    if (workdir / 'checkpoints').exists():
        raise Fault(f'{workdir}: checkpoints were left behind')
    if 'Traceback' in messages(workdir):
        raise Fault(f'{workdir}: a traceback\n{messages(workdir)}')


def writing(workdir):
    """Whether the run is writing a checkpoint now."""
    folder = workdir / 'checkpoints'
    with contextlib.suppress(OSError):
        return any(folder.glob('*/*/*.orbax-checkpoint-tmp*'))
    return False


def first_epoch(process, workdir):
    """Waits until the process has finished an epoch or has ended."""
    already = messages(workdir).count(' loss ')
    while process.poll() is None and messages(workdir).count(' loss ') == already:
        time.sleep(0.01)
