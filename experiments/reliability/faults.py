"""Breaks runs on purpose, many times, and reports what was lost; writes table.md.

    python experiments/reliability/faults.py               # all faults, about ten minutes
    python experiments/reliability/faults.py --kills=5     # fewer kills

Each fault hits the real command on synthetic images. The script compares the result with that of an
undisturbed run: every number of the result line and every prediction, bit for bit.
"""

import argparse
import functools
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from experiments.reliability.broken_runs import (  # noqa: E402
    Fault,
    check_same,
    ended,
    first_epoch,
    messages,
    start,
)
from experiments.reliability.endings import KINDS, end_often  # noqa: E402
from experiments.reliability.full_disks import full_disk, read_only  # noqa: E402
from fmnist_jax.config.cli import whole  # noqa: E402
from fmnist_jax.markdown import markdown  # noqa: E402


def damage(folder, expected, epochs, seed=0):
    """Kills a run and damages a random file of its latest checkpoint."""
    rng, times = random.Random(seed), 0
    for how in ('a file deleted', 'a file truncated', 'bytes flipped'):
        for number in range(3):
            workdir = folder / f'{how.replace(" ", "_")}_{number}'
            process = start(workdir, epochs)
            while process.poll() is None and len(_complete(workdir)) < 2:
                time.sleep(0.005)
            process.kill()
            process.wait()
            latest = max(_complete(workdir), key=lambda path: int(path.name))
            files = sorted(path for path in latest.rglob('*') if path.stat().st_size > 8)
            _spoil(rng.choice([path for path in files if path.is_file()]), how, rng)
            if start(workdir, epochs).wait() != 0:
                raise Fault(messages(workdir))
            check_same(workdir, expected)
            times += 1
    return (
        'the latest checkpoint: a file deleted, truncated, or 8 bytes flipped',
        str(times),
        'nothing; the checkpoint before it is used',
        '`…/STEP: damaged checkpoint, deleted (reason)`',
    )


def _complete(workdir):
    return [path for path in workdir.glob('checkpoints/*/*/*') if path.name.isdigit()]


def _spoil(path, how, rng):
    content = path.read_bytes()
    if how == 'a file deleted':
        path.unlink()
    elif how == 'a file truncated':
        path.write_bytes(content[: rng.randrange(len(content))])
    else:
        at = rng.randrange(len(content) - 8)
        path.write_bytes(
            content[:at] + bytes(b ^ 255 for b in content[at : at + 8]) + content[at + 8 :]
        )


def second_process(folder, expected, epochs):
    """Starts the same command twice at a time: the second one must refuse."""
    workdir = folder / 'twice'
    first = start(workdir, epochs)
    first_epoch(first, workdir)
    first.send_signal(signal.SIGSTOP)  # or it may end before the second one starts
    try:
        code = start(workdir, epochs).wait()
    finally:
        first.send_signal(signal.SIGCONT)
    if code != 2 or 'another process is writing there' not in messages(workdir):
        raise Fault(messages(workdir))
    if first.wait() != 0:
        raise Fault(messages(workdir))
    check_same(workdir, expected)
    return (
        'a second process on the same workdir',
        '1',
        'nothing',
        '`error: …: another process is writing there; wait for it, …`, exit code 2',
    )


def main(argv=None):
    """Tries every fault; returns 0, or 1 after the first fault that lost something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=whole(1), default=25, help='kills of each kind (25)')
    parser.add_argument('--only', nargs='*', default=(), help='names of faults (all)')
    parser.add_argument('--epochs', type=whole(1), default=40, help='epochs of each run (40)')
    options = parser.parse_args(argv)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='faults_'))
    undisturbed = folder / 'undisturbed'
    if start(undisturbed, options.epochs).wait() != 0:
        print(messages(undisturbed), file=sys.stderr)
        return 1
    expected = ended(undisturbed)
    tries = {
        name: functools.partial(end_often, times=options.kills, kind=kind)
        for name, kind in KINDS.items()
    } | {
        'damage': damage,
        'second_process': second_process,
        'full_disk': full_disk,
        'read_only': read_only,
    }
    rows = []
    for name in options.only or tries:
        (folder / name).mkdir()
        try:
            rows.append(tries[name](folder / name, expected, options.epochs))
        except Fault as fault:
            print(f'LOST: {fault}\n(kept: {folder})', file=sys.stderr)
            return 1
        print(' | '.join(rows[-1]), file=sys.stderr, flush=True)
    heading = ('fault', 'times tried', 'what was lost', 'what the user sees')
    if options.only:
        return 0
    (HERE / 'table.md').write_text(
        f'# Faults\n\n`python experiments/reliability/faults.py --kills={options.kills} '
        f'--epochs={options.epochs}` tried each fault on the real '
        f'command,\na run of {options.epochs} epochs with a checkpoint after each epoch:\n\n'
        + markdown(heading, rows)
    )
    shutil.rmtree(folder)
    return 0


if __name__ == '__main__':
    os.environ.setdefault('JAX_PLATFORMS', 'cpu')
    sys.exit(main())
