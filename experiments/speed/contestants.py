"""Runs the contestants of one network in turns and collects raw numbers for rates.py."""

import contextlib
import tempfile

from experiments.speed.networks import EPOCH_IMAGES, NETWORKS, our_change
from experiments.speed.processes import Worker, WorkerError

_LONGEST_EPOCH = 40.0  # seconds; parts of a longer epoch are not timed
_EMPTY_CALLS = 5
_MIN_STEPS = 8  # per turn and per call of our loop, as in fmnist_jax/fit/fit.py
_DISTURBED = 0.1  # cores used by other programs; more slows PyTorch's threads down


class Bench:
    """Starts contestants, lets them take turns, and closes them at the end."""

    def __init__(self, name, options, say):
        """
        Args:
          name: a key of networks.NETWORKS.
          options: the flags of benchmark.py: images, turn_seconds, repetitions, change.
          say: prints one line of progress.
        """
        self.name, self.options = name, options
        self.say = lambda line: say(f'{name}: {line}')
        self._stack = contextlib.ExitStack()
        self._cache = self._stack.enter_context(tempfile.TemporaryDirectory(prefix='speed_xla_'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def start_torch(self, memory_format, compute='float32'):
        """Starts PyTorch's network; returns (its entry, the Worker)."""
        label = f'PyTorch, {memory_format}' + _unless(compute, 'float32')
        options = {
            'network': self.name,
            'memory_format': memory_format,
            'dataset': self.options.change.get('dataset.name', 'fashion_mnist'),
            'images': self.options.images,
            'compute': compute,
        }
        fields = {'memory_format': memory_format, 'compute': compute, 'seeds': 1}
        return self._start('torch', label, options, fields)

    def start_ours(self, seeds, mode='auto', compute='float32', note=''):
        """Starts our program; returns (its entry, the Worker)."""
        label = f'ours, {seeds} seed{"s" * (seeds > 1)}'
        label += _unless(mode, 'auto') + _unless(compute, 'float32') + note
        change = our_change(self.name, seeds, mode, compute, self.options.change)
        options = {'change': change, 'images': self.options.images, 'cache': self._cache}
        fields = {'mode': mode, 'compute': compute, 'seeds': seeds}
        return self._start('jax', label, options, fields)

    def start_plain(self):
        """Starts one seed of our program with JAX's own operations in place of our layers'."""
        whole_batch = {'micro_batch': NETWORKS[self.name].batch_size}
        change = our_change(self.name, seeds=1, extra=self.options.change | whole_batch)
        options = {'change': change, 'images': self.options.images, 'plain': True}
        return self._start('plain', 'plain lax.conv, 1 seed', options, {'seeds': 1})

    def _start(self, side, label, options, fields):
        self.say(f'{label}: starting')
        program = 'torch' if side == 'torch' else 'jax'
        try:
            worker = self._stack.enter_context(Worker(program, options))
        except WorkerError as error:
            raise WorkerError(f'{self.name}: {label}: {error}') from error
        entry = {'side': side, 'label': label, **fields, 'start': worker.facts, 'turns': []}
        return entry, worker

    def rounds(self, contestants):
        """Lets the contestants take turns, round after round, after one warm-up turn each.

        Args:
          contestants: list of (entry, Worker); adds steps, turns and memory to each entry.
        """
        for entry, worker in contestants:
            least = 1 if entry['side'] == 'plain' else _MIN_STEPS  # a step may take ten seconds
            entry['steps'] = max(least, self._steps_of_a_turn(worker))
            per_second = round(entry['steps'] / self.options.turn_seconds)
            entry['per_call'] = max(least, per_second)
            _turn(entry, worker)
        for i in range(self.options.repetitions):
            for entry, worker in contestants:
                turn = _turn(entry, worker)
                entry['turns'].append(turn)
                rate = turn['images'] / turn['seconds']
                self.say(f'round {i + 1}, {entry["label"]}: {rate:,.0f} images/s')
                if (turn['other_cores'] or 0) > _DISTURBED:
                    self.say(f'DISTURBED: other programs used {turn["other_cores"]:.1f} cores')
        for entry, worker in contestants:
            entry['memory'] = worker.ask('memory')

    def _steps_of_a_turn(self, worker):
        """Number of steps that take about `turn_seconds`."""
        steps, wanted = 1, self.options.turn_seconds
        while True:
            seconds = worker.ask('train', steps=steps)['seconds']
            if seconds > wanted / 6:
                return max(1, round(steps * wanted / seconds))
            steps *= 2 if seconds > wanted / 60 else 8

    def second_start(self, seeds):
        """Seconds to start a program whose compiled form is in the cache."""
        entry, worker = self.start_ours(seeds, note=', second start')
        worker.close()
        return {'seeds': seeds, **entry['start']}

    def memory(self, seeds):
        """Memory of a short training of `seeds` seeds together."""
        _, worker = self.start_ours(seeds, note=', memory')
        worker.ask('train', steps=2)
        memory = worker.ask('memory')
        worker.close()
        return memory

    def parts_of_an_epoch(self, entry, worker):
        """Times 1/4, 1/2 and all of an epoch's steps; None if that takes too long."""
        turn = entry['turns'][-1]
        images = self.options.images or EPOCH_IMAGES
        if images / turn['images'] * turn['seconds'] > _LONGEST_EPOCH:
            return None
        per_epoch = images / turn['images'] * entry['steps']
        parts = []
        for _ in range(min(3, self.options.repetitions)):
            for share in (1 / 4, 1 / 2, 1):
                steps = round(per_epoch * share)
                self.say(f'{steps} steps of an epoch')
                parts.append({'share': share, 'steps': steps, **_turn(entry, worker, steps)})
        return parts

    def loop(self, entry, worker):
        """Times one seed's step in the loop, as its own program, and as a call of the loop."""
        self.say('the step alone: compiling')
        worker.ask('single_steps', steps=1)
        steps, turns = max(1, entry['steps'] // 3), []
        for i in range(self.options.repetitions):
            self.say(f'in the loop and alone, round {i + 1}')
            turns.append({
                'steps': steps,
                'in_loop': worker.ask('train', steps=steps)['seconds'],
                'own_program': worker.ask('single_steps', steps=steps)['seconds'],
                'single_calls': worker.ask('train', steps=steps, per_call=1)['seconds'],
                'empty_calls': worker.ask('empty_calls', calls=_EMPTY_CALLS)['seconds'],
                'calls': _EMPTY_CALLS,
            })  # fmt: skip
        return turns


def _turn(entry, worker, steps=None):
    """Trains for a turn; our side uses calls of about a second, as fmnist_jax.main does."""
    calls = {} if entry['side'] == 'torch' else {'per_call': entry['per_call']}
    return worker.ask('train', steps=steps or entry['steps'], **calls)


def _unless(value, usual):
    return '' if value == usual else f', {value}'
