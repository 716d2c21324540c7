"""What a person sees: a bar on a terminal, lines elsewhere."""

import io
import sys

import numpy as np

from fmnist_jax.fit import progress
from fmnist_jax.fit.progress import RowProgress
from fmnist_jax.train.losses import Metrics


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(stream):
    progress = RowProgress('relu', epochs=2, steps_per_epoch=4, stream=stream)
    history = {'train_loss': [], 'validation_accuracy': []}
    for epoch in (1, 2):
        for _ in range(2):
            metrics = Metrics(np.array([8.0, 4.0]), np.array([1, 2]), np.array([4, 4]))
            progress.steps(2, metrics)
        history['train_loss'].append([1.0, None])  # a diverged or stopped seed
        history['validation_accuracy'].append([0.5, 0.7])
        progress.epoch(epoch, history)
    progress.close()
    return stream.getvalue()


def test_a_bar_on_a_terminal():
    text = train(Terminal())
    assert 'relu: compiling |' in text
    last = text.split('\r')[-1]
    assert 'relu: epoch 2/2 loss 1.500 validation 60.00% |' in last
    assert '100%' in last and last.endswith('\n')


def test_lines_elsewhere():
    lines = train(io.StringIO()).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith('relu: epoch 1/2 loss 1.000 validation 60.00% ')
    assert lines[0].endswith(' 0 s, at most 1 s left')
    assert lines[1] == 'relu: epoch 2/2 loss 1.000 validation 60.00% 0 s'  # nothing is left


def test_a_resumed_run_counts_its_own_time(capsys, monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr('fmnist_jax.fit.progress.time.monotonic', lambda: next(clock))
    progress = RowProgress('row', 9, 5, sys.stderr)
    progress.resume(7, 0)
    progress.epoch(8, {'train_loss': [[0.5]]})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == 'row: goes on after epoch 7'
    assert lines[1].endswith('10 s, at most 10 s left')  # one epoch took 10 s, one is left


def test_a_sweep_is_told_in_lines_without_a_terminal(monkeypatch):
    stream = io.StringIO()
    view = progress.SweepProgress([('a', 2, 10), ('b seed 3', 1, 20)], stream)
    view.update({0: ('host', 5)})
    assert stream.getvalue() == ''  # not at every look
    monkeypatch.setattr(progress, '_SECONDS_BETWEEN_LINES', -1)
    view.update({0: ('host', 5), 1: ('other', 0)})
    view.finished(0, [0.5, None], 'host')
    view.update({0: ('host', 5), 1: ('other', 10)})
    view.close()
    assert stream.getvalue().splitlines() == [
        '0 of 2 tasks done, 2 running, 25%, 0 s',
        'a: 50.00% on host (1 of 2 tasks done, 1 running)',
        '1 of 2 tasks done, 1 running, 75%, 0 s',
    ]


def test_a_sweeps_bar_counts_the_epochs_of_all_seeds():
    terminal = Terminal()
    view = progress.SweepProgress([('a', 2, 10), ('b', 1, 20)], terminal)
    view.update({0: ('host', 10), 1: ('host', 10)})
    view.finished(0, [0.5, 0.5], 'host')
    view.close()
    assert 'a: 50.00% on host' in terminal.getvalue()
    for part in ('0 of 2 tasks done, 2 running', '1 of 2 tasks done, 1 running', ' 75%'):
        assert part in terminal.getvalue()
