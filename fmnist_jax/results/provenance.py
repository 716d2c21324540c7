"""How and when numbers were made, for result lines."""

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

    Cached: called when a run starts, it names what the run imported even if the folder moves on.
    """
    here = pathlib.Path(__file__).parent.parent
    try:
        git = ['git', '-C', str(here)]
        head = subprocess.run([*git, 'rev-parse', 'HEAD'], capture_output=True, text=True)
        changed = subprocess.run(
            [*git, 'status', '--porcelain', '-uno', '.'], capture_output=True, text=True
        )
    except OSError:
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ('+' if changed.stdout.strip() else '')


def versions():
    """{library: its version, None if it is not installed}."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def provenance(layout):
    """How and when numbers were made: devices, versions, commit, time."""
    device = layout.devices[0]
    now = datetime.datetime.now(datetime.UTC)
    return {
        'device': {
            'platform': device.platform,
            'kind': device.device_kind,
            'count': len(layout.devices),
            'hosts': len({device.process_index for device in layout.devices}),
            'cpu_cores': cores(),  # that this process may use
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
