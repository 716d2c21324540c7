"""What a row needs of each device's memory, and fewer seeds at a time where it is too much.

XLA says of every compiled program what it will need (on a CPU, too), so most of what does not fit
is told before it runs; a device that runs out all the same raises, and is treated alike.
"""

import os
import pathlib

import jax

from fmnist_jax.errors import ConfigError

VARIABLE = 'FMNIST_MEMORY_LIMIT'  # bytes of each device that may be used; for tests and guests
# Of a machine without memory_stats, such as a CPU: the rest is for Python, the system and others.
_PART_OF_MACHINE = 0.9
_CONTAINER_LIMITS = (
    '/sys/fs/cgroup/memory.max',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes',
)


class TooLarge(Exception):
    """A program that needs more than a device has."""

    def __init__(self, needed, limit, lasting):
        """needed, limit: bytes; lasting: those that are there however few seeds run at a time."""
        super().__init__(f'needs {_gigabytes(needed)} of {_gigabytes(limit)}')
        self.needed, self.limit, self.lasting = needed, limit, lasting


def _gigabytes(count):
    return f'{count / 1e9:.3g} GB'


def limit(devices):
    """Bytes that each of the devices may use: FMNIST_MEMORY_LIMIT, the device's own, or its share
    of the machine's memory.

    Raises:
      ConfigError: FMNIST_MEMORY_LIMIT is no number of bytes.
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
    here = [device for device in devices if device.process_index == jax.process_index()]
    own = (here[0].memory_stats() or {}).get('bytes_limit')
    return own or int(_PART_OF_MACHINE * _machine()) // len(here)


def _machine():
    """Bytes of memory that this process may use."""
    sizes = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    for file in map(pathlib.Path, _CONTAINER_LIMITS):
        if file.is_file() and file.read_text().strip().isdigit():
            sizes.append(int(file.read_text()))
    return min(sizes)


def check_program(program, devices):
    """Refuses a compiled program that needs more memory than a device may use.

    Raises:
      TooLarge: with how much.
    """
    found = program.memory_analysis()
    if found is None:  # a backend that does not say
        return
    lasting = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    needed = lasting + found.temp_size_in_bytes
    if needed > limit(devices):
        raise TooLarge(needed, limit(devices), lasting)


def check_state(settings, state, layout):
    """Refuses seeds whose parameters and optimizer states alone are more than a device has.

    Args:
      settings: a row's settings.
      state: train.State of one seed, or its shapes.
      replicas: placement.Replicas.

    Raises:
      ConfigError: with how many seeds there is room for.
    """
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    available = limit(layout.devices)
    if each * layout.per_device <= available:
        return
    groups = len(layout.devices) // layout.share.parts
    most = available // each * groups
    hint = (
        f'at most {most} fit: train so many, then start again with more, they join the row'
        if most
        else f'one needs {_gigabytes(each)}: choose a smaller config.model'
    )
    raise ConfigError(
        f'config.num_seeds={settings.num_seeds}: their parameters and optimizer states need '
        f'{_gigabytes(each * layout.per_device)} on a device with {_gigabytes(available)}; {hint}'
    )


def _at_once(layout):
    """Seeds that a device trains at the same time."""
    if layout.mode == 'vmap':
        return layout.per_device
    return min(max(layout.chunk, 1), layout.per_device)


def fewer_at_once(layout, error):
    """The layout with half as many seeds at a time on each device.

    Args:
      replicas: placement.Replicas that did not fit.
      error: what it raised: TooLarge, MemoryError or JAX's RESOURCE_EXHAUSTED.

    Returns:
      (Replicas, what happened in words).

    Raises:
      ConfigError: it is one seed at a time already, or what lasts is too much.
      JaxRuntimeError: `error` itself, if it is about something else than memory.
    """
    if isinstance(error, jax.errors.JaxRuntimeError) and 'RESOURCE_EXHAUSTED' not in str(error):
        raise error
    seeds = _at_once(layout)
    hopeless = isinstance(error, TooLarge) and error.lasting > error.limit
    reason = f' ({error})' if isinstance(error, TooLarge) else ''
    if seeds == 1 or hopeless:
        raise ConfigError(
            f'too little memory on a device, even with one seed at a time{reason}: lower '
            'config.num_seeds (seeds can be added later), config.batch_size, '
            'config.eval_batch_size or config.dataset.image_size, or choose a smaller config.model'
        ) from error
    smaller = layout._replace(mode='map', chunk=seeds // 2)
    return smaller, (
        f'{seeds} seeds at a time do not fit in the memory of a device{reason}: '
        f'goes on with {seeds // 2} at a time'
    )
