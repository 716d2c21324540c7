"""Computes rates and ratios from the raw numbers of speed.json."""

import statistics
from typing import NamedTuple

from experiments.speed.networks import EPOCH_IMAGES


class Ratio(NamedTuple):
    """The ratio of two contestants' rates, over the rounds."""

    median: float
    least: float
    most: float


def images_per_second(contestant):
    """Images per second of all seeds together: the median over the turns."""
    return statistics.median(t['images'] / t['seconds'] for t in contestant['turns'])


def ratio(ours, theirs):
    """Our rate divided by theirs, per round.

    The two turns of a round are seconds apart, so a slower machine slows both down.
    """
    ratios = [
        (a['images'] / a['seconds']) / (b['images'] / b['seconds'])
        for a, b in zip(ours['turns'], theirs['turns'], strict=True)
    ]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def of_side(entry, side, **fields):
    """The contestants of `side` ('jax', 'torch' or 'plain') whose fields have these values."""
    return [
        c
        for c in entry['contestants']
        if c['side'] == side and all(c[name] == value for name, value in fields.items())
    ]


def best_torch(entry, compute='float32'):
    """The faster memory format of PyTorch; None if it was not measured."""
    return max(of_side(entry, 'torch', compute=compute), key=images_per_second, default=None)


def ours(entry, seeds):
    """Our program with this number of seeds; None if it was not measured."""
    return next(iter(of_side(entry, 'jax', seeds=seeds)), None)


def plain(entry):
    """One seed of our program with `lax.conv`; None if it was not measured."""
    return next(iter(of_side(entry, 'plain')), None)


def other_cores(entry):
    """The most cores that other programs used during a kept turn; None if unknown."""
    turns = [turn for contestant in entry['contestants'] for turn in contestant['turns']]
    return max((t['other_cores'] for t in turns if t['other_cores'] is not None), default=None)


def epoch_seconds(contestant):
    """Seconds per epoch of 60,000 images and seed; seeds trained together share the time."""
    return EPOCH_IMAGES / images_per_second(contestant)


def training_flops(multiply_adds):
    """Floating-point operations to train on one image: forward pass and both gradients.

    A multiply-add is two operations, and each gradient costs as much as the forward pass. The
    input gradient of the first layer is counted although it is never computed.
    """
    return 3 * 2 * multiply_adds


def gflops(contestant, multiply_adds):
    """Arithmetic rate of the layers: 10^9 floating-point operations per second."""
    return images_per_second(contestant) * training_flops(multiply_adds) / 1e9


def step_milliseconds(turns):
    """Median milliseconds per step, from the turns of Bench.loop.

    Returns:
      {'in_loop', 'own_program', 'single_call' (without the cost of a call), 'call'}.
    """

    def median(time):
        return 1000 * statistics.median(time(t) for t in turns)

    return {
        'in_loop': median(lambda t: t['in_loop'] / t['steps']),
        'own_program': median(lambda t: t['own_program'] / t['steps']),
        'single_call': median(
            lambda t: t['single_calls'] / t['steps'] - t['empty_calls'] / t['calls']
        ),
        'call': median(lambda t: t['empty_calls'] / t['calls']),
    }


def part_seconds(parts):
    """{share of an epoch: median seconds}, from Bench.parts_of_an_epoch."""
    shares = sorted({p['share'] for p in parts})
    return {s: statistics.median(p['seconds'] for p in parts if p['share'] == s) for s in shares}
