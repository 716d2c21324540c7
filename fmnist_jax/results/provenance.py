"""The provenance of numbers, for result lines: devices, versions, commit and time."""

import datetime
import functools
import pathlib
import subprocess
from importlib import metadata

from fmnist_jax.config.machine import cores

_LIBRARIES = ('fmnist_jax', 'jax', 'jaxlib', 'flax', 'optax', 'numpy')


@functools.cache
def code_commit():
    """The git commit of the code, with '+' if files differ from it; None outside git.

    Cached: a run calls it at its start, so it names the code that was imported.
    """
    folder = pathlib.Path(__file__).parent.parent

    def git(*arguments):
        command = ['git', '-C', str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    try:
        head, changed = git('rev-parse', 'HEAD'), git('status', '--porcelain', '-uno', '.')
    except OSError:
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ('+' if changed.stdout.strip() else '')


def versions():
    """{library: its version, None if it is not installed}."""
    numbers = {}
    for name in _LIBRARIES:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            numbers[name] = None
    return numbers


def provenance(layout):
    """The fields of a result line that say how and when its numbers were made."""
    device = layout.devices[0]
    now = datetime.datetime.now(datetime.UTC)
    return {
        'device': {
            'platform': device.platform,
            'kind': device.device_kind,
            'count': len(layout.devices),
            'hosts': len({device.process_index for device in layout.devices}),
            'cpu_cores': cores(),
        },
        'replicas': {
            'mode': layout.mode,
            'chunk': layout.chunk,
            'per_device': layout.per_device,
            'devices_per_seed': layout.share.parts,
        },
        'versions': versions(),
        'commit': code_commit(),
        'finished': now.isoformat(timespec='seconds'),
    }
