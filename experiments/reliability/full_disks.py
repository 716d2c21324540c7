"""Two faults of faults.py: a full disk and a read-only disk."""

import contextlib
import shutil
import subprocess

from experiments.reliability.broken_runs import (
    COMMAND,
    ROOT,
    Fault,
    check_same,
    ended,
    messages,
    start,
)


@contextlib.contextmanager
def _small_disk(folder, size):
    folder.mkdir()
    subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', folder],
        check=True,
        capture_output=True,
    )
    try:
        yield
    finally:
        subprocess.run(['umount', folder], check=True)


def full_disk(folder, expected, epochs):
    """Runs on a disk with room for the results, but not for a checkpoint."""
    disk = folder / 'disk'
    with _small_disk(disk, '8m'):
        workdir = disk / 'run'
        if start(workdir, epochs).wait() != 0:
            raise Fault(messages(workdir))
        if 'no checkpoint could be written' not in messages(workdir):
            raise Fault(messages(workdir))
        check_same(workdir, expected)
    return (
        'a disk too small for a checkpoint',
        '1',
        'nothing: training goes on without checkpoints',
        '`…: no checkpoint could be written, training goes on without: (reason)`',
    )


def read_only(folder, expected, epochs):
    """Runs in a workdir on a read-only disk."""
    disk = folder / 'read_only'
    with _small_disk(disk, '16m'):
        shutil.copytree(folder.parent / 'undisturbed', disk / 'run')
        subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
        log = folder / 'read_only.log'
        with open(log, 'w') as file:
            command = [*COMMAND, f'--workdir={disk / "run"}', '--config.num_seeds=3']
            code = subprocess.run(
                [*command, f'--config.epochs={epochs}'], cwd=ROOT, stderr=file, stdout=file
            ).returncode
        if code != 2 or 'error: ' not in log.read_text() or 'Traceback' in log.read_text():
            raise Fault(log.read_text())
        result, _ = ended(disk / 'run')
        if result != expected[0]:
            raise Fault('the finished row changed')
    return (
        'a workdir on a read-only disk, with a finished row in it',
        '1',
        'nothing; the error comes before training',
        f'`{log.read_text().strip().splitlines()[-1].replace(str(folder), "…")}`, exit code 2',
    )
