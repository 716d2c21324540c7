"""Runs of the real command that faults.py breaks, and what they are held against."""

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
    *(sys.executable, '-m', 'fmnist_jax.main', '--config=configs/fcn_optimizers.py'),
    *('--rows=adam_0.001', '--config.dataset.name=synthetic', '--config.num_seeds=2'),
    *('--config.selection=val_loss', '--config.checkpoint_epochs=1', '--cpu_devices=2'),
)
_MAY_DIFFER = ('train_seconds', 'compile_seconds', 'finished', 'resumed')


class Fault(Exception):
    """A run that did not end as it should have."""


def start(workdir, epochs):
    """The command in the background; its messages go to a file beside the workdir."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background; it is inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(workdir.with_suffix('.log'), 'a') as log:
        return subprocess.Popen(
            [*COMMAND, f'--workdir={workdir}', f'--config.epochs={epochs}'],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def messages(workdir):
    """What the user saw."""
    return workdir.with_suffix('.log').read_text()


def ended(workdir):
    """(the result line without times, predictions [S, N, 10]) of a finished run."""
    (line,) = (workdir / 'results.jsonl').read_text().splitlines()
    result = json.loads(line)
    with np.load(workdir / result['predictions']) as file:
        chances = file['probabilities']
    return {k: v for k, v in result.items() if k not in _MAY_DIFFER}, chances


def check_same(workdir, expected):
    """Raises Fault unless the run ended as the undisturbed one, and left nothing behind."""
    result, chances = ended(workdir)
    different = [k for k in expected[0] if result.get(k) != expected[0][k]]
    if different or not np.array_equal(chances, expected[1]):
        raise Fault(f'{workdir}: another result: {different or "predictions"}')
    if (workdir / 'checkpoints').exists():
        raise Fault(f'{workdir}: checkpoints were left behind')
    if 'Traceback' in messages(workdir):
        raise Fault(f'{workdir}: a traceback\n{messages(workdir)}')


def writing(workdir):
    """Whether a checkpoint is being written now."""
    folder = workdir / 'checkpoints'
    with contextlib.suppress(OSError):
        return any(folder.glob('*/*/*.orbax-checkpoint-tmp*'))
    return False


def first_epoch(process, workdir):
    """Waits until this start of the command has finished an epoch or ended."""
    already = messages(workdir).count(' loss ')
    while process.poll() is None and messages(workdir).count(' loss ') == already:
        time.sleep(0.01)
