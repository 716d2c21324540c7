"""The provenance of numbers, for result lines: devices, versions, commit and time."""

import contextlib
import datetime
import functools
import pathlib
import subprocess
from importlib import metadata

from fmnist_jax.config.machine import cores

_LIBRARIES = ('fmnist_jax', 'jax', 'jaxlib', 'flax', 'optax', 'numpy')


@functools.cache
def code_commit():
    """The git commit of the imported code, with '+' if files differ from it; None outside git.

    The repository has to track this file: an installed package may lie inside another one.
    """
    here = pathlib.Path(__file__)

    def git(*arguments):
        command = ['git', '-C', str(here.parent.parent), *arguments]
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True).strip()

    try:
        git('ls-files', '--error-unmatch', str(here))
        return git('rev-parse', 'HEAD') + '+' * bool(git('status', '--porcelain', '.'))
    except (OSError, subprocess.CalledProcessError):
        return None


def versions():
    """{library: its version, None if it is not installed}."""
    numbers = dict.fromkeys(_LIBRARIES)
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            numbers[name] = metadata.version(name)
    return numbers


def provenance(layout):
    """The fields of a result line that say how and when its numbers were made."""
    device = layout.devices[0]
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
        'finished': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
    }
