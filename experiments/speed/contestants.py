"""One network's contestants and their turns: raw numbers; rates.py makes rates of them."""

import contextlib
import tempfile

from experiments.speed.networks import EPOCH_IMAGES, our_change
from experiments.speed.processes import Worker, WorkerError

# An epoch in parts is timed where a whole one takes no longer than this with one seed.
_LONGEST_EPOCH = 40.0  # seconds
_EMPTY_CALLS = 5
_FEWEST_STEPS = 8  # of a turn and of a call of our loop, as in fit.py
# With one of two cores busy elsewhere, fcn was 6 to 125 times slower in PyTorch, 2 to 9 in ours.
_DISTURBED = 0.1  # cores


class Bench:
    """Starts contestants, has them take turns, closes them all at the end."""

    def __init__(self, name, options, say):
        """
        Args:
          name: of networks.NETWORKS.
          options: what benchmark.py was told: images, turn_seconds, repetitions, change, sides.
          say: function of a line of progress.
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
        """A worker with PyTorch's network: (its entry, the Worker)."""
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
        """A worker with our program: (its entry, the Worker)."""
        label = f'ours, {seeds} seed{"s" * (seeds > 1)}'
        label += _unless(mode, 'auto') + _unless(compute, 'float32') + note
        change = our_change(self.name, seeds, mode, compute, self.options.change)
        options = {'change': change, 'images': self.options.images, 'cache': self._cache}
        fields = {'mode': mode, 'compute': compute, 'seeds': seeds}
        return self._start('jax', label, options, fields)

    def _start(self, side, label, options, fields):
        self.say(f'{label}: starting')
        try:
            worker = self._stack.enter_context(Worker(side, options))
        except WorkerError as error:
            raise WorkerError(f'{self.name}: {label}: {error}') from error
        entry = {'side': side, 'label': label, **fields, 'start': worker.facts, 'turns': []}
        return entry, worker

    def rounds(self, contestants):
        """Every contestant's turn, again and again; each starts with a turn that is not kept.

        Args:
          contestants: list of (entry, Worker); the entries get their steps, turns and memory.
        """
        for entry, worker in contestants:
            entry['steps'] = max(_FEWEST_STEPS, self._steps_of_a_turn(worker))
            per_second = round(entry['steps'] / self.options.turn_seconds)
            entry['per_call'] = max(_FEWEST_STEPS, per_second)
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
        """So many steps last about `turn_seconds`."""
        steps, wanted = 1, self.options.turn_seconds
        while True:
            seconds = worker.ask('train', steps=steps)['seconds']
            if seconds > wanted / 6:
                return max(1, round(steps * wanted / seconds))
            steps *= 2 if seconds > wanted / 60 else 8

    def second_start(self, seeds):
        """Start seconds of the program whose compilation the cache holds by now."""
        entry, worker = self.start_ours(seeds, note=', second start')
        worker.close()
        return {'seeds': seeds, **entry['start']}

    def memory(self, seeds):
        """Memory of a short training of so many seeds together."""
        _, worker = self.start_ours(seeds, note=', memory')
        worker.ask('train', steps=2)
        memory = worker.ask('memory')
        worker.close()
        return memory

    def parts_of_an_epoch(self, entry, worker):
        """Seconds of 1/4, 1/2 and all of an epoch's steps; None where that takes too long."""
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
        """One seed's step in the loop, as a program of its own, and as a call of the loop."""
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
    """Trains for a turn's steps; ours in calls of about a second, as the product does."""
    calls = {} if entry['side'] == 'torch' else {'per_call': entry['per_call']}
    return worker.ask('train', steps=steps or entry['steps'], **calls)


def _unless(value, usual):
    return '' if value == usual else f', {value}'
