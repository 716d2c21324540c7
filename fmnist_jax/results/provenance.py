"""How and when numbers were made, for result lines."""

import datetime
import functools
import pathlib
import subprocess
from importlib import metadata

from fmnist_jax.fit.placement import cores

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


def provenance(replicas):
    """How and when numbers were made: devices, versions, commit, time."""
    device = replicas.devices[0]
    now = datetime.datetime.now(datetime.UTC)
    return {
        'device': {
            'platform': device.platform,
            'kind': device.device_kind,
            'count': len(replicas.devices),
            'hosts': len({device.process_index for device in replicas.devices}),
            'cpu_cores': cores(),  # that this process may use
        },
        'replicas': {
            'mode': replicas.mode,
            'chunk': replicas.chunk,
            'per_device': replicas.per_device,
            'devices_per_seed': replicas.share.parts,
        },
        'versions': versions(),
        'commit': code_commit(),
        'finished': now.isoformat(timespec='seconds'),
    }
