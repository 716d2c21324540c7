"""The parent's handle of a worker process (worker.py)."""

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
    """A worker could not start or died; the message is one line for the user."""


class Worker:
    """One contestant in a process of its own, which waits for requests without using a core."""

    def __init__(self, side, options):
        """Starts the process and waits until its first step is done.

        Args:
          side: 'jax' or 'torch'.
          options: arguments of that side's Contestant, as JSON can hold them.

        Raises:
          WorkerError: with the worker's own words.
        """
        self._log = tempfile.TemporaryFile('w+')  # noqa: SIM115 (closed by `close`)
        paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
        # Several processes share one GPU here: none may take three quarters of it at its start.
        changed = {'PYTHONPATH': os.pathsep.join(paths), 'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'}
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'experiments.speed.worker', side, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | changed,
            start_new_session=True,  # Ctrl-C is the parent's to hear
        )
        try:
            self.facts = self._answer()
        except BaseException:
            self.close()
            raise
        # From the start of the process to the end of its first step.
        self.facts['start_seconds'] = time.perf_counter() - began

    def ask(self, do, **arguments):
        """Calls a method of the contestant; returns its answer, a dict.

        Raises:
          WorkerError: the method failed or the process died.
        """
        with contextlib.suppress(BrokenPipeError):  # it is dead; _answer says why
            print(json.dumps({'do': do, **arguments}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f'it died ({self._process.wait()}){self._last_words()}')
        answer = json.loads(line)
        if 'error' in answer:
            raise WorkerError(answer['error'])
        return answer

    def _last_words(self):
        self._log.seek(0)
        lines = self._log.read().split('\n')
        words = [line for line in lines if line.strip()]
        return f': {words[-1]}' if words else ''

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
