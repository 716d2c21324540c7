"""Which seeds are trained on which devices."""

import os
from typing import NamedTuple

import jax

from fmnist_jax.models.batch import ALONE, Share


def cores():
    """CPU cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_up(cpu_devices=None, cache_folder=None, platform=None):
    """Makes devices of the CPU and keeps compiled programs; before the first device is used.

    Args:
      cpu_devices: one a core if None.
      cache_folder: for compiled programs; JAX_COMPILATION_CACHE_DIR goes before it.
      platform: 'cpu' keeps off the GPUs, whose memory a process takes once it looks at them.
    """
    if platform:
        jax.config.update('jax_platforms', platform)
    jax.config.update('jax_num_cpu_devices', cpu_devices or cores())
    if cache_folder and not jax.config.jax_compilation_cache_dir:
        jax.config.update('jax_compilation_cache_dir', str(cache_folder))
    # Small programs, too: together they take seconds.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)


class Replicas(NamedTuple):
    """How `count` seeds are laid out."""

    count: int
    devices: tuple  # of jax.Device
    per_device: int
    mode: str  # 'vmap': all seeds of a device at once; 'map': one after the other
    chunk: int  # with 'map': seeds at once; 0 and 1 mean one
    share: Share = ALONE  # how many devices share a seed's batches

    @property
    def padded(self):
        """Seeds that run: as many on each device; those beyond `count` repeat the last."""
        return len(self.devices) // self.share.parts * self.per_device


def make_replicas(count, mode='auto', chunk=0, devices=None, devices_per_seed=1):
    """Lays out `count` seeds over the devices so that the fewest run one after the other.

    Args:
      count: seeds, at least 1.
      mode: 'vmap', 'map' or 'auto' (one after the other on a CPU, whose caches hold one
        network; all at once elsewhere).
      chunk: seeds at once with 'map'.
      devices: jax devices; by default all, those of other hosts (hosts.py) too.
      devices_per_seed: that share each seed's batches; more than 1 needs as many for each.

    Raises:
      ValueError: some hosts would have nothing to do.
    """
    devices = tuple(jax.devices() if devices is None else devices)
    if mode == 'auto':
        mode = 'map' if devices[0].platform == 'cpu' else 'vmap'
    per_device = -(-count // len(devices))
    needed = -(-count // per_device) * devices_per_seed
    share = Share(devices_per_seed, needed)
    return Replicas(count, _of_each_host(devices, needed), per_device, mode, chunk, share)


def _of_each_host(devices, needed):
    """The first `needed` devices, as many of each host."""
    hosts = {}
    for device in devices:
        hosts.setdefault(device.process_index, []).append(device)
    each, rest = divmod(needed, len(hosts))
    if rest:
        raise ValueError(
            f'{needed} devices would train these seeds, which {len(hosts)} hosts cannot share '
            f'evenly: choose config.num_seeds, or config.devices_per_seed, for {len(devices)}'
        )
    return tuple(device for mine in hosts.values() for device in mine[:each])
