"""What this process may use of its machine, and JAX set up for it."""

import contextlib
import functools
import os

import jax

from fmnist_jax.data import datasets


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


@functools.cache
def use_all_cores():
    """Sets JAX up as the commands do, unless it has been set up or used before."""
    if jax.config.jax_num_cpu_devices < 1:
        with contextlib.suppress(RuntimeError):  # a device is in use
            set_up(cache_folder=datasets.cache_directory() / 'xla')
