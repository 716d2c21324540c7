"""Makes table.md from speed.json: each table with a heading and a note."""

import textwrap

from experiments.speed import tables
from experiments.speed.networks import NETWORKS, OPTIMIZERS, Network

_INTRODUCTION = """# Speed

The benchmark trains on Fashion-MNIST with batches of {usual}, float32 and no augmentation.
{others}\
A rate is images per second of all seeds together, for the forward pass, the backward pass and
the update. Every contestant is a process of its own. The contestants take turns of some seconds,
round after round. A rate is the median over the rounds. A ratio is the median of the ratios of
the rounds, with the least and the most in parentheses. PyTorch is eager, in the faster of its two
memory formats. It trains seeds one after the other, so its rate does not depend on their number.

{machines}
[speed.json](speed.json) has all raw numbers. `make bench` makes both files.
"""

_SECTIONS = (  # (title, function that makes the table, note)
    (
        'Summary',
        tables.summary,
        'Images per second; in parentheses, how many times as fast as PyTorch.',
    ),
    (
        'Images per second',
        tables.images,
        'The images of all seeds count. The last column is the most cores that other programs\n'
        "used during a turn. A tenth of a core is too much, mainly for PyTorch, because PyTorch's\n"
        'threads wait for each other in every operation.',
    ),
    (
        'Plain lax.conv',
        tables.convolutions,
        "Images per second of one seed in the same training loop: with JAX's own operations\n"
        '(`lax.conv`, the whole batch at once), and with the layers of fmnist_jax/models. On a\n'
        'CPU the gradients of `lax.conv` are slow inside a compiled loop (jax issue 12868).',
    ),
    (
        'Seconds per epoch',
        tables.epochs,
        'The time of 60,000 images for one seed; seeds trained together share the time. The last\n'
        "column is what the report (number in parentheses) prints or implies for its authors'\n"
        'machine.',
    ),
    (
        'Arithmetic',
        tables.arithmetic,
        'GFLOP/s of the convolutions and dense layers: 3 × 2 × multiply-adds per image (forward\n'
        "pass and both gradients). The matrix product is JAX's in float32 on all cores, the best\n"
        'of several.',
    ),
    (
        'Memory and start',
        tables.memory,
        'Memory is the peak in MB: of the whole process on a CPU (with imports, data set and our\n'
        'compiler), of the device on a GPU. Compiling: all programs of a row at the first start.\n'
        'Second start: from the start of the process to the end of its first step, with the\n'
        'compiled programs in the cache and without the imports.',
    ),
    (
        'Cost grows linearly',
        tables.parts,
        "Seconds for a part of an epoch's steps, and the fraction of the whole epoch's time. One\n"
        'seed.',
    ),
    (
        'A step in the loop',
        tables.steps,
        'Milliseconds per step of one seed: in the loop of an epoch; compiled by itself, outside\n'
        'of any loop; in a call of the loop for a single step, minus the time of a call without a\n'
        "step. A call without a step still draws the epoch's permutation; training calls the loop\n"
        'about once per second. The last column is the rate of several seeds together, divided by\n'
        'the rate of one seed.',
    ),
    (
        'Ways to run seeds',
        tables.modes,
        'vmap: all seeds of a device at once. map: one seed after the other. map:k: k at once.',
    ),
)


def _describe(entry):
    """One line: the machine, versions, commit and arguments of an entry."""
    machine, commit = entry['machine'], entry['commit'] or 'unknown'
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    device = '' if machine['platform'] == 'cpu' else f'{machine["kind"]}, '
    where = f'{device}{machine["cpu"]}, {machine["cores"]} cores'
    arguments = ', '.join(f'{name} {v}' for name, v in entry['arguments'].items() if v)
    return f'{where}; {versions}; commit {commit[:12]}; {arguments}'


def _measured_on(contents):
    """One line per machine, versions and commit, with the networks measured there."""
    lines = {}
    for part in ('networks', 'modes'):
        for name, entry in contents[part].items():
            lines.setdefault(_describe(entry), []).append(name)
    if len(lines) == 1:
        return textwrap.fill(f'Measured on {next(iter(lines))}.', 100) + '\n'
    return ''.join(f'- {", ".join(names)}: {line}.\n' for line, names in lines.items())


def _others(names):
    """One line for each network with another batch size or optimizer; '' without any."""
    usual, lines = Network({}), ''
    for name in names:
        batch, optimizer = NETWORKS[name].batch_size, NETWORKS[name].optimizer
        if (batch, optimizer) != (usual.batch_size, usual.optimizer):
            lines += f'{name} has batches of {batch} and {OPTIMIZERS[optimizer].text}.\n'
    if 'speed_net' in names:
        lines += 'speed_net has its own widths, (32, 96, 128); those of the records are narrower.\n'
    return lines


def page(contents):
    """The page as Markdown, from the contents of speed.json; what it lacks has no row."""
    networks, modes = contents['networks'], contents['modes']
    usual = Network({})
    text = _INTRODUCTION.format(
        usual=f'{usual.batch_size}, {OPTIMIZERS[usual.optimizer].text}',
        others=_others(dict.fromkeys([*networks, *modes])),
        machines=_measured_on(contents),
    )
    for title, make, note in _SECTIONS:
        body = make(modes if make is tables.modes else networks)
        if body:
            text += f'\n## {title}\n\n{body}\n{note}\n'
    return text
