"""What the benchmark asks of the machine: cores, names, the memory of a process."""

import os
import pathlib
import platform
import resource
import sys


def cores():
    """CPU cores that this process may use."""
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
    """Memory of this process: {'peak_bytes', 'resident_bytes' (now; None where unknown)}.

    Linux' VmHWM and VmRSS. `getrusage` would do, but on Linux a new process begins with its
    parent's peak.
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
