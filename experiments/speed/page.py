"""speed.json -> table.md: the tables, with a heading and a note each."""

import textwrap

from experiments.speed import tables
from experiments.speed.networks import BATCH_SIZE

_INTRODUCTION = """# Speed

Training on Fashion-MNIST: batches of {batch}, Adam, float32, no augmentation; forward, backward
and update, images/s of all seeds together. Every contestant is a process of its own; they take
turns of some seconds, one round after the other. Rates are medians over the rounds; a ratio is
the median of the rounds' ratios (least to most). PyTorch is eager, in the faster of its two
memory formats; it trains seeds one after the other, so its rate is the same for any number.

{machines}
All raw numbers: [speed.json](speed.json). Made by `make bench`.
"""

_SECTIONS = (
    (
        'Images a second',
        tables.images,
        'Seeds trained together: the images of all of them count. Last, the most cores that other\n'
        'programs used during a turn: a tenth of a core is too many, above all for PyTorch, whose\n'
        'threads wait for each other in every operation.',
    ),
    (
        'Seconds of an epoch',
        tables.epochs,
        '60,000 images, one seed; of several seeds together, the time that each takes up. In the\n'
        "last column what the report (its number) prints or implies, on its authors' machine.",
    ),
    (
        'Arithmetic',
        tables.arithmetic,
        'GFLOP/s of the convolutions and dense layers: 3 × 2 × multiply-adds an image (forward,\n'
        "both gradients). The matrix product is jax's, float32, all cores, best of several.",
    ),
    (
        'Memory and start',
        tables.memory,
        'Memory in MB: the peak of the whole process (imports, data set and, for ours, the\n'
        'compiler included), on a GPU of the device. Compiling: all programs of a row, first\n'
        'start. Second start: from the start of the process to the end of its first step, with\n'
        'the compiled programs in the cache and without the imports.',
    ),
    (
        'Cost grows linearly',
        tables.parts,
        "Seconds of a part of an epoch's steps, and as a share of the whole epoch's; one seed.",
    ),
    (
        'A step in the loop',
        tables.steps,
        'Milliseconds of one step of one seed: in the loop of an epoch; compiled by itself,\n'
        'outside of any loop; in a call of the loop for a single step, less a call without any\n'
        "(which draws the epoch's order all the same; fit.py calls about once a second). On the\n"
        'right the images/s of several seeds together, over those of one seed by itself.',
    ),
    (
        'Ways to run seeds',
        tables.modes,
        'vmap: all seeds of a device at once; map: one after the other; map:k: k at once.',
    ),
)


def _describe(entry):
    """Where and with what an entry was measured, in words."""
    machine, commit = entry['machine'], entry['commit'] or 'unknown'
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    device = '' if machine['platform'] == 'cpu' else f'{machine["kind"]}, '
    where = f'{device}{machine["cpu"]}, {machine["cores"]} cores'
    told = {name: value for name, value in entry['arguments'].items() if value}
    arguments = ', '.join(f'{name} {value}' for name, value in told.items())
    return f'{where}; {versions}; commit {commit[:12]}; {arguments}'


def _measured_on(contents):
    """A line for each machine, version and commit, with what was measured there."""
    lines = {}
    for part in ('networks', 'modes'):
        for name, entry in contents[part].items():
            lines.setdefault(_describe(entry), []).append(name)
    if len(lines) == 1:
        return textwrap.fill(f'Measured on {next(iter(lines))}.', 100) + '\n'
    return ''.join(f'- {", ".join(names)}: {line}.\n' for line, names in lines.items())


def page(contents):
    """The whole page of what speed.json holds: text in Markdown."""
    networks, modes = contents['networks'], contents['modes']
    text = _INTRODUCTION.format(batch=BATCH_SIZE, machines=_measured_on(contents))
    for title, make, note in _SECTIONS:
        body = make(modes if make is tables.modes else networks)
        if body:
            text += f'\n## {title}\n\n{body}\n{note}\n'
    return text
