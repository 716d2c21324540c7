"""Device memory: what a row needs, and fewer seeds at a time if that is too much.

XLA estimates the memory of every compiled program, on a CPU too, so most rows that do not fit are
found before they run. A device that runs out of memory later is treated the same way.
"""

import os

import jax

from fmnist_jax.config import machine
from fmnist_jax.config.settings import split_static
from fmnist_jax.errors import ConfigError

VARIABLE = 'FMNIST_MEMORY_LIMIT'  # environment variable: bytes of each device that may be used
# For devices without memory_stats, such as a CPU: the rest is for Python and the system.
_PART_OF_MACHINE = 0.9


class TooLarge(Exception):
    """A program that needs more memory than a device has."""

    def __init__(self, needed, limit, lasting):
        """All in bytes; lasting: independent of how many seeds run at a time."""
        super().__init__(f'needs {_gigabytes(needed)} of {_gigabytes(limit)}')
        self.needed, self.limit, self.lasting = needed, limit, lasting


def _gigabytes(count):
    return f'{count / 1e9:.3g} GB'


def limit(devices):
    """Bytes that each device may use: FMNIST_MEMORY_LIMIT, or the device's own memory, or on a CPU
    its part of the machine's.

    Raises:
      ConfigError: FMNIST_MEMORY_LIMIT is not a number of bytes.
    """
    given = os.environ.get(VARIABLE)
    if given:
        try:
            count = int(float(given))
        except (ValueError, OverflowError):
            count = 0
        if count < 1:
            raise ConfigError(f'{VARIABLE}={given}: expected a number of bytes, such as 4e9')
        return count
    local = [device for device in devices if device.process_index == jax.process_index()]
    own = (local[0].memory_stats() or {}).get('bytes_limit')
    return own or int(_PART_OF_MACHINE * machine.memory()) // len(local)


def check_program(program, devices):
    """Refuses a compiled program that needs more memory than a device may use.

    Raises:
      TooLarge: the program does not fit.
    """
    sizes = program.memory_analysis()
    if sizes is None:  # the backend gives no estimate
        return
    lasting = sizes.argument_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    needed = lasting + sizes.temp_size_in_bytes
    if needed > limit(devices):
        raise TooLarge(needed, limit(devices), lasting)


def check_state(settings, state, layout):
    """Refuses seeds whose parameters and optimizer states alone exceed a device's memory.

    Args:
      settings: a row's settings.
      state: State of one seed, or its shapes.
      layout: mesh.Layout.

    Raises:
      ConfigError: with the number of seeds that fit.
    """
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    available = limit(layout.devices)
    if each * layout.per_device <= available:
        return
    most = available // each * layout.groups
    hint = (
        f'at most {most} fit: train so many, then start again with more, they join the row'
        if most
        else f'one needs {_gigabytes(each)}: choose a smaller config.model'
    )
    raise ConfigError(
        f'config.num_seeds={settings.num_seeds}: their parameters and optimizer states need '
        f'{_gigabytes(each * layout.per_device)} on a device with {_gigabytes(available)}; {hint}'
    )


def fewer_until_they_fit(train, settings, layout, cache, progress):
    """train(layout, cache), halving the seeds that each device trains at a time until they fit.

    Args:
      train: function of (layout, cache).
      settings: a row's settings.
      layout: mesh.Layout to try first.
      cache: dict of compiled programs, which also keeps the layouts that fit; or None.
      progress: its `note` reports each try; or None.

    Raises:
      ConfigError: not even one seed at a time fits.
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
    """(layout with half as many seeds at a time, message); raises `error` if that is no help."""
    if isinstance(error, jax.errors.JaxRuntimeError) and 'RESOURCE_EXHAUSTED' not in str(error):
        raise error
    seeds = layout.per_device
    if layout.mode == 'map':
        seeds = min(max(layout.chunk, 1), seeds)
    hopeless = isinstance(error, TooLarge) and error.lasting > error.limit
    reason = f' ({error})' if isinstance(error, TooLarge) else ''
    if seeds == 1 or hopeless:
        raise ConfigError(
            f'too little memory on a device, even with one seed at a time{reason}: lower '
            'config.num_seeds (seeds can be added later), config.batch_size, '
            'config.eval_batch_size or config.dataset.image_size, or choose a smaller config.model'
        ) from error
    return layout._replace(mode='map', chunk=seeds // 2), (
        f'{seeds} seeds at a time do not fit in the memory of a device{reason}: '
        f'goes on with {seeds // 2} at a time'
    )
