"""Measures one network: makes its entry of speed.json."""

import platform
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from experiments.speed.machine import cores, cpu_name
from experiments.speed.networks import NETWORKS
from experiments.speed.processes import WorkerError
from fmnist_jax.results.provenance import code_commit

_CORES_TO_START = 4  # of each contestant that starts beside others


def _torch(bench, options, compute='float32'):
    """Functions that start a PyTorch contestant, one per memory format; [] without PyTorch."""
    if not options.torch:
        return []
    # The memory format concerns images: a dense network needs only one.
    convolves = NETWORKS[bench.name].convolves
    formats = ('contiguous', 'channels_last') if convolves else ('contiguous',)
    return [partial(bench.start_torch, memory_format, compute) for memory_format in formats]


def _conditions(contestants, options):
    """The machine, versions, commit and arguments of an entry."""
    starts = [contestant['start'] for contestant in contestants]
    versions = {'python': platform.python_version()}
    for start in starts:
        versions |= start['versions']
    device = next(start['device'] for start in starts if 'device' in start)
    return {
        'machine': {**device, 'cpu': cpu_name(), 'cores': cores(), 'versions': versions},
        'commit': code_commit(),
        'arguments': {
            'images': options.images,
            'repetitions': options.repetitions,
            'turn_seconds': options.turn_seconds,
            **options.change,
        },
    }


def measure_network(bench, options):
    """Measures everything about a network except the ways to run seeds.

    Args:
      bench: contestants.Bench of the network.
      options: the parsed flags of benchmark.py.

    Raises:
      WorkerError: a contestant cannot start or died.
    """
    # Our side starts first, so settings that cannot start fail before PyTorch is timed.
    ours = [bench.start_ours(seeds) for seeds in options.seeds]
    convolves = NETWORKS[bench.name].convolves
    plain = _start_together(bench, [bench.start_plain] if convolves else [])
    theirs = [start() for start in _torch(bench, options)]
    bench.rounds(theirs + ours + plain)
    contestants = [contestant for contestant, _ in theirs + ours + plain]
    first, worker = ours[0]
    entry = {
        **_conditions(contestants, options),
        'contestants': contestants,
        **worker.ask('operations'),
        'matrix_product': worker.ask('matrix_product'),
    }
    if first['seeds'] == 1:
        entry['parts'] = bench.parts_of_an_epoch(first, worker)
        entry['loop'] = bench.loop(first, worker)
    entry['second_start'] = bench.second_start(options.seeds[-1])
    entry['memory'] = {str(contestant['seeds']): contestant['memory'] for contestant, _ in ours}
    for seeds in options.memory_seeds:
        if seeds not in options.seeds:
            entry['memory'][str(seeds)] = bench.memory(seeds)
    return entry


def measure_modes(bench, options):
    """Compares the ways to run seeds, for each number of seeds and compute type.

    PyTorch, all modes and all numbers of seeds of one compute type take turns. A mode that cannot
    start (too little memory, for example) is reported and left out.

    Args and Raises: as for measure_network.
    """
    groups = []
    for compute in options.compute:
        ours = [
            partial(bench.start_ours, seeds, mode, compute)
            for seeds in options.seeds
            for mode in options.modes
        ]
        group = _start_together(bench, ours + _torch(bench, options, compute))
        if not any(contestant['side'] == 'jax' for contestant, _ in group):
            continue
        bench.rounds(group)
        for _, worker in group:
            worker.close()
        groups.append([contestant for contestant, _ in group])
    if not groups:
        raise WorkerError(f'{bench.name}: no mode could start')
    contestants = [contestant for group in groups for contestant in group]
    return {**_conditions(contestants, options), 'groups': groups}


def _start_together(bench, starts):
    """Starts contestants, several at a time where there are many cores; leaves out what fails."""

    def attempt(start):
        try:
            return start()
        except WorkerError as error:
            bench.say(f'left out: {error}')

    with ThreadPoolExecutor(max(1, cores() // _CORES_TO_START)) as pool:
        return [started for started in pool.map(attempt, starts) if started]
