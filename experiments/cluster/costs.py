"""Estimates the time of all tables on one machine and on many.

    python experiments/cluster/costs.py            for machines like the measured one
    python experiments/cluster/costs.py --k=30     for machines that train 30 times as fast
    python experiments/cluster/costs.py --write    writes the tables of the README beside it

The script measures nothing. Rates and start times come from experiments/speed/speed.json. A third
table compares the estimate with the training times of the committed result lines.
"""

import functools
import heapq
import importlib
import json
import pathlib
import statistics
import sys
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent))

from experiments.run_all import TABLES
from experiments.speed import rates
from fmnist_jax.config.cli import Parser
from fmnist_jax.config.settings import resolve
from fmnist_jax.files import write_between
from fmnist_jax.markdown import markdown, significant
from fmnist_jax.models import make_model
from fmnist_jax.models.operations import multiply_adds
from fmnist_jax.results import lines as result_lines

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_IMAGES = 60_000  # training images, with those held out for validation
_SEEDS_MEASURED = 4  # trained together
# The timed network whose speed stands for a network that was not timed, scaled by multiply-adds.
_STAND_INS = dict.fromkeys(('cnn_1', 'cnn_3', 'cnn_4', 'cnn_5'), 'cnn_2') | {
    'ann': 'fcn',
    'base_cnn': 'tuned_cnn',
}
_MACHINES = (1, 8, 64, 512)
_SEEDS_PER_TASK = (0, 25, 5, 1)


class Row(NamedTuple):
    """The cost of a row on the measured machine."""

    table: str
    name: str
    model: str
    seconds: float  # to train one of several seeds
    start: float  # seconds to start a process, with compiling
    origin: str  # of the rate: 'timed', or the network that stands for it


def rows(speed):
    """Every row of the reports' tables as a Row, in the order of run_all.py."""
    costs = []
    for table in dict.fromkeys(config for config, _ in TABLES):
        config = importlib.import_module(f'configs.{table}').get_config()
        for row in config.rows:
            settings = resolve(config, row)
            images = _IMAGES - settings.dataset.num_validation
            rate, start, origin = _rate(speed, settings)
            seconds = settings.epochs * images / rate
            costs.append(Row(table, row['name'], settings.model.name, seconds, start, origin))
    return costs


def _rate(speed, settings):
    """(images per second of all seeds, seconds to start, origin of the rate) of a row."""
    name = _STAND_INS.get(settings.model.name, settings.model.name)
    entry = speed['networks'][name]
    timed = rates.ours(entry, _SEEDS_MEASURED)
    side, channels = settings.dataset.image_size, settings.dataset.channels
    ours = _multiply_adds(json.dumps(settings.model.to_dict()), side, channels)
    rate = rates.images_per_second(timed) * entry['multiply_adds'] / ours
    same = name == settings.model.name and ours == entry['multiply_adds']
    return rate, timed['start']['start_seconds'], 'timed' if same else f"{name}'s by operations"


@functools.cache
def _multiply_adds(fields, side, channels):
    """Multiply-adds of the network with these fields (JSON, so that the cache can hash them)."""
    fields = json.loads(fields)
    return multiply_adds(make_model(fields.pop('name'), **fields), (side, side, channels))


def tasks(rows, num_seeds, seeds_per_task, k=1.0):
    """Seconds of each task, with rows cut by --seeds_per_task; 0 keeps rows whole.

    Each task starts a process and compiles. A faster machine (k) does not speed that up.
    """
    most = seeds_per_task or num_seeds
    counts = [min(most, num_seeds - first) for first in range(0, num_seeds, most)]
    return [row.start + count * row.seconds / k for row in rows for count in counts]


def makespan(tasks, machines):
    """Seconds until all tasks are done, if each task goes to the first free machine."""
    free = [0.0] * machines
    for seconds in tasks:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def _hours(seconds):
    return significant(seconds / 3600)


def networks_table(rows, num_seeds):
    """Markdown: the time of each network, one line per network."""
    lines = []
    for model in dict.fromkeys(row.model for row in rows):
        costs = [row for row in rows if row.model == model]
        origin = ', '.join(dict.fromkeys(row.origin for row in costs))
        per_seed = [row.seconds for row in costs]
        ends = dict.fromkeys(significant(s) for s in (min(per_seed), max(per_seed)))
        lines.append([
            model,
            origin,
            str(len(costs)),
            ' to '.join(ends),
            _hours(num_seeds * sum(per_seed)),
            significant(costs[0].start),
        ])  # fmt: skip
    total = _hours(num_seeds * sum(row.seconds for row in rows))
    lines.append(['all', '', str(len(rows)), '', total, ''])
    heading = ['network', 'speed', 'rows', 's / seed', f'hours, {num_seeds} seeds', 'start, s']
    return markdown(heading, lines)


def machines_table(rows, num_seeds, k=1.0):
    """Markdown: hours for all tables, by size of a task and number of machines."""
    lines = []
    for seeds_per_task in _SEEDS_PER_TASK:
        seconds = tasks(rows, num_seeds, seeds_per_task, k)
        overhead = len(seconds) / len(rows) * sum(row.start for row in rows) / sum(seconds)
        lines.append([
            str(seeds_per_task or num_seeds),
            f'{len(seconds):,}',
            _hours(max(seconds)),
            f'{100 * overhead:.1f} %',
            significant(sum(seconds) / max(seconds), 2),
            *(_hours(makespan(seconds, machines)) for machines in _MACHINES),
        ])  # fmt: skip
    heading = ['seeds per task', 'tasks', 'longest, hours', 'starts', 'useful machines']
    heading += [f'{n} machine{"s" if n > 1 else ""}' for n in _MACHINES]
    return markdown(heading, lines)


def check_table(rows):
    """Markdown: the training time of committed rows, divided by the estimate."""
    estimates = {(row.table, row.name): row.seconds for row in rows}
    lines = []
    for table in dict.fromkeys(row.table for row in rows):
        ratios = [
            result['train_seconds'] / (len(result['seeds']) * estimates[table, result['row']])
            for result in result_lines.read(ROOT / 'experiments' / table)
            if (table, result['row']) in estimates
        ]
        if ratios:
            middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
            lines.append([table, str(len(ratios)), f'{middle:.2f} ({least:.2f} to {most:.2f})'])
    return markdown(['table', 'rows run', 'time / estimate'], lines)


def text(rows, num_seeds, k=1.0):
    """All tables."""
    return '\n'.join([
        networks_table(rows, num_seeds),
        machines_table(rows, num_seeds, k),
        check_table(rows),
    ])  # fmt: skip


def main(argv=None):
    """Prints the tables, or writes them into README.md."""
    parser = Parser(description=__doc__)
    parser.add_argument('--num_seeds', type=int, default=100, help='seeds of every row (100)')
    parser.add_argument('--k', type=float, default=1.0, help='speed relative to the measured (1)')
    parser.add_argument('--write', action='store_true', help='write the tables into README.md')
    options = parser.parse_args(argv)
    if options.num_seeds < 1 or not options.k > 0:
        parser.error('--num_seeds and --k: expected more than 0')
    if options.write and (options.num_seeds, options.k) != (100, 1.0):
        parser.error('--write: README.md holds the tables of 100 seeds and k = 1')
    speed = json.loads((ROOT / 'experiments' / 'speed' / 'speed.json').read_text())
    tables = text(rows(speed), options.num_seeds, options.k)
    if not options.write:
        print(tables, end='')
        return
    write_between(pathlib.Path(__file__).parent / 'README.md', 'costs.py', tables)


if __name__ == '__main__':
    main()
