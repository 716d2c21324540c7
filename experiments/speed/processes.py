"""The parent's handle of a worker process; worker.py is the other end."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent.parent


class WorkerError(RuntimeError):
    """A worker could not start or died. The message is one line for the user."""


class Worker:
    """One contestant in its own process, which is idle between requests."""

    def __init__(self, side, options):
        """Starts the process and waits until its first step is done.

        Args:
          side: 'jax' or 'torch'.
          options: arguments of that side's Contestant, JSON-serializable.

        Raises:
          WorkerError: with the worker's error message.
        """
        self._log = tempfile.TemporaryFile('w+')  # noqa: SIM115 (closed by `close`)
        paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
        # Several processes share one GPU, so JAX must not preallocate most of its memory.
        changed = {'PYTHONPATH': os.pathsep.join(paths), 'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'}
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'experiments.speed.worker', side, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | changed,
            start_new_session=True,  # only the parent receives Ctrl-C
        )
        try:
            self.facts = self._answer()
        except BaseException:
            self.close()
            raise
        self.facts['start_seconds'] = time.perf_counter() - began  # to the end of the first step

    def ask(self, do, **arguments):
        """Calls the contestant's method `do`; returns its answer, a dict.

        Raises:
          WorkerError: the method failed or the process died.
        """
        with contextlib.suppress(BrokenPipeError):  # the process died; _answer reports why
            print(json.dumps({'do': do, **arguments}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f'the process died ({self._process.wait()}){self._last_line()}')
        answer = json.loads(line)
        if 'error' in answer:
            raise WorkerError(answer['error'])
        return answer

    def _last_line(self):
        self._log.seek(0)
        lines = [line for line in self._log.read().split('\n') if line.strip()]
        return f': {lines[-1]}' if lines else ''

    def close(self):
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
