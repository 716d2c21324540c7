"""Facts about the machine: cores, processor name, memory of a process, load of other programs."""

import os
import pathlib
import platform
import resource
import sys
import time


def cores():
    """Number of CPU cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name():
    """The processor's model name."""
    try:
        lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def process_memory():
    """Memory of this process: {'peak_bytes', 'resident_bytes' (None if unknown)}.

    Linux: VmHWM and VmRSS, because `getrusage` starts with the peak of the parent process.
    """
    try:
        lines = pathlib.Path('/proc/self/status').read_text().splitlines()
        fields = dict(line.split(':', 1) for line in lines)
        peak, now = (1024 * int(fields[name].split()[0]) for name in ('VmHWM', 'VmRSS'))
        return {'peak_bytes': peak, 'resident_bytes': now}
    except (OSError, KeyError):
        unit = 1 if sys.platform == 'darwin' else 1024  # bytes on macOS, kilobytes elsewhere
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return {'peak_bytes': peak, 'resident_bytes': None}


class OtherPrograms:
    """Counts the cores that all other programs use between now and a call of `cores`."""

    def __init__(self):
        self._began = time.perf_counter(), time.process_time(), _busy_seconds()

    def cores(self):
        """Mean number of cores; None if unknown. Needs some seconds to be accurate."""
        wall, own, busy = self._began
        if busy is None:
            return None
        others = _busy_seconds() - busy - (time.process_time() - own)
        return round(max(0.0, others / (time.perf_counter() - wall)), 3)


def _busy_seconds():
    """Busy seconds of all cores since the machine started; None except on Linux."""
    try:
        first_line = pathlib.Path('/proc/stat').read_text().splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = map(int, first_line.split()[1:8])
    return sum((user, nice, system, *interrupts)) / os.sysconf('SC_CLK_TCK')
