"""What a person sees while a row trains: a bar on a terminal, plain lines elsewhere."""

import sys
import time

import numpy as np
from tqdm import tqdm

# Without a terminal: at most so often a line that says how far a sweep is.
_SECONDS_BETWEEN_LINES = 30


def _mean(values):
    """Mean of the numbers that are there; NaN if none is."""
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else float('nan')


class RowProgress:
    """Progress of one row: epoch, loss, validation accuracy (means over seeds), time left."""

    def __init__(self, name, epochs, steps_per_epoch, stream=None):
        self._name, self._epochs, self._steps = name, epochs, steps_per_epoch
        self._stream = sys.stderr if stream is None else stream
        self._epoch, self._validation, self._began = 1, '', time.monotonic()
        self._before = 0  # epochs of an earlier run that this one went on from
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm(
                total=epochs * steps_per_epoch,
                desc=f'{name}: compiling',
                file=self._stream,
                bar_format='{desc} |{bar}| {percentage:3.0f}% [{elapsed}<{remaining}]',
            )

    def resume(self, epochs, steps):
        """The run goes on after so many epochs of an earlier one and steps of the next."""
        done = epochs * self._steps + steps
        self._before, self._epoch = done / self._steps, min(epochs + 1, self._epochs)
        within = f'step {steps}/{self._steps} of ' if steps else ''
        message = f'{self._name}: goes on after {within}epoch {epochs + bool(steps)}'
        if self._bar is None:
            print(message, file=self._stream, flush=True)
        else:
            self._bar.write(message, file=self._stream)
            self._bar.initial = done  # not part of this run's pace
            self._bar.update(done)

    def steps(self, done, measured):
        """`done` more steps of every seed; measured: Metrics of the epoch so far, numpy [S]."""
        if self._bar is None:
            return
        seen = max(measured.count.sum(), 1)
        loss = measured.loss.sum() / seen
        self._bar.set_description_str(
            f'{self._name}: epoch {self._epoch}/{self._epochs} loss {loss:.3f}{self._validation}',
            refresh=False,
        )
        self._bar.update(done)

    def epoch(self, number, history):
        """An epoch is over; history: name -> per epoch a list of one number a seed."""
        self._epoch = min(number + 1, self._epochs)
        if 'validation_accuracy' in history:
            accuracy = _mean(history['validation_accuracy'][-1])
            self._validation = f' validation {100 * accuracy:.2f}%'
        if self._bar is None:
            spent = time.monotonic() - self._began
            left = spent / (number - self._before) * (self._epochs - number)
            print(
                f'{self._name}: epoch {number}/{self._epochs}'
                f' loss {_mean(history["train_loss"][-1]):.3f}{self._validation}'
                f' {spent:.0f} s, at most {left:.0f} s left',
                file=self._stream,
                flush=True,
            )

    def note(self, text):
        """Says something beside the progress."""
        line = f'{self._name}: {text}'
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.write(line, file=self._stream)

    def close(self):
        """Ends the bar's line."""
        if self._bar is not None:
            self._bar.close()


class Board:
    """Where the tasks of a sweep report their epochs from other processes (an actor of Ray's)."""

    def __init__(self):
        self._seen = {}

    def report(self, index, host, epoch):
        """Task `index` has finished `epoch` epochs on `host`; 0 when it starts."""
        self._seen[index] = (host, epoch)

    def read(self):
        """{task: (host, epochs)} of every task that has begun."""
        return self._seen


class SweepProgress:
    """One view of all tasks of a sweep: epochs of all seeds, tasks done, running and waiting."""

    def __init__(self, tasks, stream=None):
        """tasks: (name, seeds, epochs) of each."""
        self._tasks = tasks
        self._stream = sys.stderr if stream is None else stream
        self._done, self._seen = set(), {}
        self._began = self._said = time.monotonic()
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm(
                total=sum(seeds * epochs for _, seeds, epochs in tasks),
                file=self._stream,
                bar_format='{desc} |{bar}| {percentage:3.0f}% [{elapsed}<{remaining}]',
            )

    def say(self, line):
        """Prints a line, above the bar if there is one."""
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.write(line, file=self._stream)

    def update(self, seen):
        """seen: {task: (host, epochs)}, as the Board has it."""
        self._seen = seen
        if self._bar is not None:
            self._draw()
        elif time.monotonic() - self._said > _SECONDS_BETWEEN_LINES:
            total = sum(seeds * epochs for _, seeds, epochs in self._tasks)
            spent = time.monotonic() - self._began
            self.say(f'{self._state()}, {self._seed_epochs() / total:.0%}, {spent:.0f} s')
            self._said = time.monotonic()

    def finished(self, index, accuracy, host):
        """Task `index` is done; accuracy: of each seed, None where it diverged."""
        self._done.add(index)
        name = self._tasks[index][0]
        self.say(f'{name}: {100 * _mean(accuracy):.2f}% on {host} ({self._state()})')
        self._said = time.monotonic()
        if self._bar is not None:
            self._draw()

    def _draw(self):
        self._bar.n = self._seed_epochs()
        self._bar.set_description_str(self._state())

    def _state(self):
        running = len(self._seen.keys() - self._done)
        return f'{len(self._done)} of {len(self._tasks)} tasks done, {running} running'

    def _seed_epochs(self):
        """Epochs of all seeds that are done; early stopping may have spared some."""
        return sum(
            seeds * (epochs if i in self._done else self._seen.get(i, ('', 0))[1])
            for i, (_, seeds, epochs) in enumerate(self._tasks)
        )

    def close(self):
        """Ends the bar's line."""
        if self._bar is not None:
            self._bar.close()
