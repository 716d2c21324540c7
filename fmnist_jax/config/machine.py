"""What this process may use of its machine, and JAX set up for it."""

import contextlib
import functools
import math
import os
import pathlib

import jax

from fmnist_jax.data import datasets

_GROUPS = pathlib.Path('/sys/fs/cgroup')
_OWN_GROUP = pathlib.Path('/proc/self/cgroup')


def _limits(file, root, own):
    """The words of a file of this process's control group (version 2) and of the groups around."""
    group = root
    with contextlib.suppress(OSError, StopIteration):
        lines = own.read_text().splitlines()
        path = next(line.removeprefix('0::') for line in lines if line.startswith('0::'))
        group = root / path.strip().lstrip('/')
    for folder in (group, *group.parents):
        with contextlib.suppress(OSError):
            yield (folder / file).read_text().split()
        if folder == root:
            return


def cores(root=_GROUPS, own=_OWN_GROUP):
    """CPU cores that this process may use: its affinity and the quota of its container.

    Args:
      root, own: where Linux describes control groups; other places for tests.
    """
    count = os.cpu_count() or 1
    if hasattr(os, 'sched_getaffinity'):
        count = len(os.sched_getaffinity(0))
    quotas = []
    for words in _limits('cpu.max', root, own):
        if len(words) == 2 and words[0].isdigit():
            quotas.append(int(words[0]) / int(words[1]))
    with contextlib.suppress(OSError, ValueError):  # version 1 of control groups
        quota = int((root / 'cpu' / 'cpu.cfs_quota_us').read_text())
        if quota > 0:
            quotas.append(quota / int((root / 'cpu' / 'cpu.cfs_period_us').read_text()))
    return max(1, min([count, *(math.ceil(quota) for quota in quotas)]))


def memory(root=_GROUPS, own=_OWN_GROUP):
    """Bytes of memory that this process may use: the machine's and the limit of its container.

    Args:
      root, own: where Linux describes control groups; other places for tests.
    """
    sizes = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    for words in _limits('memory.max', root, own):
        if words and words[0].isdigit():
            sizes.append(int(words[0]))
    with contextlib.suppress(OSError, ValueError):  # version 1 of control groups
        sizes.append(int((root / 'memory' / 'memory.limit_in_bytes').read_text()))
    return min(sizes)


def set_up(cpu_devices=None, cache_folder=None, platform=None):
    """Makes devices of the CPU and keeps compiled programs, before the first device is used.

    Args:
      cpu_devices: number of devices; one a core if None.
      cache_folder: for compiled programs; JAX_COMPILATION_CACHE_DIR comes before it.
      platform: 'cpu' leaves the GPUs alone. (A process takes a GPU's memory when it looks at it.)
    """
    if platform:
        jax.config.update('jax_platforms', platform)
    jax.config.update('jax_num_cpu_devices', cpu_devices or cores())
    if cache_folder and not jax.config.jax_compilation_cache_dir:
        jax.config.update('jax_compilation_cache_dir', str(cache_folder))
    # Keep small programs, too: together they take seconds to compile.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)


@functools.cache
def use_all_cores():
    """Sets JAX up as the commands do, unless the caller has set it up or used it already."""
    if jax.config.jax_num_cpu_devices < 1:
        with contextlib.suppress(RuntimeError):
            set_up(cache_folder=datasets.cache_directory() / 'xla')
