"""Progress of a row or of a sweep: a bar on a terminal, plain lines elsewhere."""

import math
import sys
import time

import numpy as np
from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30  # of a sweep without a terminal


def _mean(values):
    """Mean of the numbers that are not None; NaN if there is none."""
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else float('nan')


class _Progress:
    def __init__(self, total, title, stream):
        self._stream = sys.stderr if stream is None else stream
        self._began, self._bar = time.monotonic(), None
        if self._stream.isatty():
            shape = '{desc} |{bar}| {percentage:3.0f}% [{elapsed}<{remaining}]'
            self._bar = tqdm(total=total, desc=title, file=self._stream, bar_format=shape)

    def say(self, line):
        """Prints a line, above the bar if there is one."""
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.write(line, file=self._stream)

    def close(self):
        if self._bar is not None:
            self._bar.close()


class RowProgress(_Progress):
    """Progress of one row: epoch, loss, validation accuracy (means over seeds), time left."""

    def __init__(self, name, epochs, steps_per_epoch, stream=None):
        super().__init__(epochs * steps_per_epoch, f'{name}: compiling', stream)
        self._name, self._epochs, self._steps = name, epochs, steps_per_epoch
        self._epoch, self._validation = 1, ''
        self._before = 0  # epochs of the run that this one resumes

    def resume(self, epochs, steps):
        """The run resumes after this many epochs and steps of the next one."""
        done = epochs * self._steps + steps
        self._before, self._epoch = done / self._steps, min(epochs + 1, self._epochs)
        within = f'step {steps}/{self._steps} of ' if steps else ''
        self.note(f'goes on after {within}epoch {epochs + bool(steps)}')
        if self._bar is not None:
            self._bar.initial = done  # not part of this run's pace
            self._bar.update(done)

    def steps(self, done, metrics):
        """`done` more steps of every seed; metrics: Metrics of the epoch so far, numpy [S]."""
        if self._bar is not None:
            loss = metrics.loss.sum() / max(metrics.count.sum(), 1)
            text = f'epoch {self._epoch}/{self._epochs} loss {loss:.3f}{self._validation}'
            self._bar.set_description_str(f'{self._name}: {text}', refresh=False)
            self._bar.update(done)

    def epoch(self, number, history):
        """Epoch `number` is over; history: as in fit.FitResult."""
        self._epoch = min(number + 1, self._epochs)
        if 'validation_accuracy' in history:
            accuracy = _mean(history['validation_accuracy'][-1])
            self._validation = f' validation {100 * accuracy:.2f}%'
        if self._bar is None:
            spent = time.monotonic() - self._began
            left = spent / (number - self._before) * (self._epochs - number)
            self.note(
                f'epoch {number}/{self._epochs}'
                f' loss {_mean(history["train_loss"][-1]):.3f}{self._validation} {spent:.0f} s'
                + (f', at most {math.ceil(left)} s left' if number < self._epochs else '')
            )

    def note(self, text):
        self.say(f'{self._name}: {text}')


class Board:
    """Collects {task: (host, finished epochs)} of a sweep from other processes (a Ray actor)."""

    def __init__(self):
        self._seen = {}

    def report(self, index, host, epoch):
        self._seen[index] = (host, epoch)

    def read(self):
        return self._seen


class SweepProgress(_Progress):
    """Progress of all tasks of a sweep: epochs of all seeds, tasks done and running."""

    def __init__(self, tasks, stream=None):
        """tasks: (name, seeds, epochs) of each."""
        self._tasks, self._done, self._seen = tasks, set(), {}
        self._total = sum(seeds * epochs for _, seeds, epochs in tasks)
        super().__init__(self._total, None, stream)
        self._said = self._began

    def update(self, seen):
        """seen: {task: (host, epochs)}, from `Board.read`."""
        self._seen = seen
        self._draw()
        if self._bar is None and time.monotonic() - self._said > _SECONDS_BETWEEN_LINES:
            spent = time.monotonic() - self._began
            self.say(f'{self._state()}, {self._seed_epochs() / self._total:.0%}, {spent:.0f} s')
            self._said = time.monotonic()

    def finished(self, index, accuracy, host):
        """Task `index` is done; accuracy: of each seed, None for a diverged one."""
        self._done.add(index)
        name = self._tasks[index][0]
        self.say(f'{name}: {100 * _mean(accuracy):.2f}% on {host} ({self._state()})')
        self._said = time.monotonic()
        self._draw()

    def _draw(self):
        if self._bar is not None:
            self._bar.n = self._seed_epochs()
            self._bar.set_description_str(self._state())

    def _state(self):
        running = len(self._seen.keys() - self._done)
        return f'{len(self._done)} of {len(self._tasks)} tasks done, {running} running'

    def _seed_epochs(self):
        """Finished epochs of all seeds; a finished task counts in full."""
        return sum(
            seeds * (epochs if i in self._done else self._seen.get(i, ('', 0))[1])
            for i, (_, seeds, epochs) in enumerate(self._tasks)
        )
