"""Device memory: what a row needs, and fewer seeds at a time if that is too much.

XLA estimates the memory of every compiled program, so most rows that do not fit never run.
"""

import contextlib
import os
import pathlib

import jax

from fmnist_jax.config import machine
from fmnist_jax.config.settings import split_static
from fmnist_jax.errors import ConfigError

VARIABLE = 'FMNIST_MEMORY_LIMIT'  # environment variable: bytes of each device that may be used
_MAPS, _MAPS_LIMIT = pathlib.Path('/proc/self/maps'), pathlib.Path('/proc/sys/vm/max_map_count')


class TooLarge(Exception):
    """A program that needs more memory than a device has."""

    def __init__(self, needed, limit, hopeless):
        super().__init__(f'needs {_gigabytes(needed)} of {_gigabytes(limit)}')
        self.hopeless = hopeless  # however few seeds run at a time


def _gigabytes(count):
    return f'{count / 1e9:.3g} GB'


def limit(devices):
    """Bytes that each device may use: FMNIST_MEMORY_LIMIT, its own or its part of the machine."""
    given = os.environ.get(VARIABLE)
    if given:
        with contextlib.suppress(ValueError, OverflowError):
            if int(float(given)) >= 1:
                return int(float(given))
        raise ConfigError(f'{VARIABLE}={given}: expected a number of bytes, such as 4e9')
    local = [device for device in devices if device.process_index == jax.process_index()]
    own = (local[0].memory_stats() or {}).get('bytes_limit')
    return own or int(0.9 * machine.memory()) // len(local)  # the rest is for Python and the system


def forget_old_programs(cache, share=0.5):
    """Frees all compiled programs if they hold more than `share` of the process's memory maps.

    On Linux a CPU program takes about a hundred maps, and XLA crashes where a process has reached
    vm.max_map_count (65,530). JAX keeps every program, so a long search or grid would get there.

    Args:
      cache: a dict that holds programs, too; it becomes empty.
    """
    try:
        count, most = _MAPS.read_bytes().count(b'\n'), int(_MAPS_LIMIT.read_text())
    except OSError:  # not Linux
        return
    if count > share * most:
        cache.clear()
        jax.clear_caches()


def check_program(program, devices):
    """Raises TooLarge if a compiled program needs more memory than a device may use."""
    sizes = program.memory_analysis()
    if sizes is None:  # the backend gives no estimate
        return
    lasting = sizes.argument_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    needed, available = lasting + sizes.temp_size_in_bytes, limit(devices)
    if needed > available:
        raise TooLarge(needed, available, lasting > available)


def check_state(settings, state, layout):
    """Raises ConfigError if the seeds' States (state: the shapes of one) alone do not fit."""
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    available = limit(layout.devices)
    if each * layout.per_device <= available:
        return
    most = available // each * layout.groups
    hint = f'at most {most} fit: train so many, then start again with more, they join the row'
    if not most:
        hint = f'one needs {_gigabytes(each)}: choose a smaller config.model'
    raise ConfigError(
        f'config.num_seeds={settings.num_seeds}: their parameters and optimizer states need '
        f'{_gigabytes(each * layout.per_device)} on a device with {_gigabytes(available)}; {hint}'
    )


def fewer_until_they_fit(train, settings, layout, cache, progress):
    """train(layout, cache), halving the seeds that each device trains at a time until they fit.

    The cache of compiled programs also keeps the layouts that fit; progress.note reports each try.
    """
    cache = {} if cache is None else cache
    program, _ = split_static(settings)
    while True:
        while (program, layout) in cache:  # an earlier row did not fit
            layout = cache[program, layout]
        try:
            return train(layout, cache)
        except (TooLarge, MemoryError, jax.errors.JaxRuntimeError) as error:
            fewer, message = _halve(layout, error)
        cache[program, layout] = fewer
        if progress:
            progress.note(message)


def _halve(layout, error):
    """(layout with half as many seeds at a time, message); raises an error if that is no help."""
    if isinstance(error, jax.errors.JaxRuntimeError) and 'RESOURCE_EXHAUSTED' not in str(error):
        raise error
    seeds = layout.per_device
    if layout.mode == 'map':
        seeds = min(max(layout.chunk, 1), seeds)
    reason = f' ({error})' if isinstance(error, TooLarge) else ''
    if seeds == 1 or getattr(error, 'hopeless', False):
        raise ConfigError(
            f'too little memory on a device, even with one seed at a time{reason}: lower '
            'config.num_seeds (seeds can be added later), config.batch_size, '
            'config.eval_batch_size or config.dataset.image_size, or choose a smaller config.model'
        ) from error
    return layout._replace(mode='map', chunk=seeds // 2), (
        f'{seeds} seeds at a time do not fit in the memory of a device{reason}: '
        f'goes on with {seeds // 2} at a time'
    )
