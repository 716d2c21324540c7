"""Ctrl-C, and the SIGTERM of `kill` or a cluster: training ends where it can go on."""

import contextlib
import os
import signal
import threading

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAID = b'\nstopping as soon as the last steps are kept; once more stops at once\n'


@contextlib.contextmanager
def noted():
    """Within this the first of these signals is noted alone; the next acts as it always did.

    A signal that is ignored (`nohup`) stays so. Threads other than the main one get none.

    Yields:
      () -> bool, whether one came.
    """
    came, before = [], {}

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number, frame):
        came.append(number)
        restore()
        os.write(2, _SAID)  # print() may be what was interrupted

    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        restore()
