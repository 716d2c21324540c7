"""Makes the pages of our own tables: the fewest FLOPs and the fewest parameters to an accuracy.

    python experiments/records.py            prints README's table
    python experiments/records.py --write    writes it into README.md, and records.md with its
                                             figures

All figures come from the committed result lines of configs/speedrun.py, speedrun_gpu.py, small.py
and speedrun_ablation.py. GOALS in a config is {row: mean test accuracy to reach}.
"""

import pathlib
import runpy
import statistics
import sys
from math import isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import scipy.special

from fmnist_jax.config.cli import Parser, exit_code
from fmnist_jax.config.settings import difference, plain, resolve
from fmnist_jax.config.table import load_config
from fmnist_jax.errors import ConfigError
from fmnist_jax.files import whole_lines, write, write_between
from fmnist_jax.markdown import interval, markdown, notes, percent, significant
from fmnist_jax.models import model_fields
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.curves import history
from fmnist_jax.report.provenance import devices
from fmnist_jax.report.tables import mean_and_std, shown_name
from fmnist_jax.report.target import epoch_tflop, first_epochs
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results.measures import test_accuracy, validation_accuracy
from fmnist_jax.results.statistics import (
    CONFIDENCE,
    LEVEL,
    not_worse,
    pooled_std,
    summarize,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = ('speedrun', 'speedrun_gpu', 'small')
# A table, its row without a change, and the row of speedrun whose recipe it takes apart.
ABLATION, FULL, RECIPE = 'speedrun_ablation', 'full', 'fast_93'
PUBLISHED = (  # (network, parameters, epochs, test accuracy in %, remark)
    ("fast.ai's small ResNet", '', '5', '93.4', ''),
    ("fast.ai's small ResNet", '', '20', '94.3', ''),
    ("fast.ai's small ResNet", '', '50', '94.9', ''),
    ('ResNet-preact-20', '0.27 M', '', '95.0 to 95.5', ''),
    ('WRN-28-10, random erasing', '', '', '96.35', 'best test epoch'),
    ('Shake-shake', '', '', '96.40', ''),
    ('DARTS', '', '', '96.9', ''),
)


class Record(NamedTuple):
    """A row of our own tables with its goal."""

    table: str
    row: table_rows.Row  # not run, if its line is of other images or of changed settings
    settings: dict  # nested, as its config has them today
    goal: float | None
    device: str = ''  # of most of its seeds
    seconds: float | None = None  # of training, of one seed in the quickest run there
    together: int = 0  # how many seeds that run trained together

    @property
    def tflop(self):
        """TFLOP of a training of one seed; None if it is not run."""
        if not self.row.is_run:
            return None
        return epoch_tflop(self.row.result) * self.row.epochs_trained


def records(table, configs, experiments):
    """The Records of a table's rows, run or not; [] without its config.

    Args:
      configs, experiments: folders of the config files and of the workdirs.

    Raises:
      ConfigError: a damaged file, or GOALS that names no row.
    """
    file, workdir = configs / f'{table}.py', experiments / table
    if not file.is_file():
        return []
    config = load_config(file)
    goals = runpy.run_path(str(file)).get('GOALS', {})
    unknown = goals.keys() - {row['name'] for row in config.rows}
    if unknown:
        raise ConfigError(f'{file}: GOALS names no row: {", ".join(sorted(unknown))}')
    run = {}
    if (workdir / 'results.jsonl').is_file():
        run = {row.name: row for row in table_rows.read(workdir)[1] if _counts(row)}
    found = []
    for declared in config.rows:
        name = declared['name']
        row = run.get(name) or table_rows.not_run(declared)
        settings = plain(resolve(config, declared))
        record = Record(table, row, settings, goals.get(name))
        found.append(record._replace(**_times(workdir, name)) if row.is_run else record)
    return found


def _counts(row):
    """Whether a Row is run as its table says, on Fashion-MNIST."""
    return row.dataset == 'fashion_mnist' and not row.changed and row.accuracy.count > 0


def _times(workdir, name):
    """{field of Record: value}: the times on the device of most of a row's seeds."""
    texts = whole_lines((workdir / 'results.jsonl').read_bytes())
    runs = [run for run in map(result_lines.parse, texts) if run['row'] == name]
    by_device = {}
    for run in runs:
        by_device.setdefault(devices([run]), []).append(run)
    counts = {device: sum(len(r['seeds']) for r in by_device[device]) for device in by_device}
    device = max(counts, key=counts.get)
    # Other programs only slow a run down.
    seconds, together = min(
        (run['train_seconds'] / len(run['seeds']), len(run['seeds'])) for run in by_device[device]
    )
    return {'device': device, 'seconds': seconds, 'together': together}


def verdict(record):
    """Whether the mean test accuracy reaches the goal: a one-sided t test over the seeds."""
    values, goal = record.row.known_accuracies, record.goal
    if not values or goal is None:
        return ''
    # p < 5 % exactly if the one-sided 95 % lower bound of the mean is above the goal.
    if not_worse([1], [values], -goal).p < LEVEL:
        return 'reached'
    return 'mean above' if np.mean(values) > goal else 'missed'


# Tables.

_REACHED = (
    'No report has these rows: they train to the goal with few operations or few parameters. '
    '*Reached*: the mean is above the goal (one-sided t test, 5 %). '
    'Seconds are upper bounds: other programs ran beside some rows. '
    '[Details](experiments/records.md).'
)


def _cells(record):
    """{heading: cell} of README's table."""
    row = record.row
    parameters = row.result['parameters'] if row.is_run else None
    return {
        'row': shown_name(row),
        'parameters': f'{parameters:,}' if parameters else '',
        'TFLOP': significant(record.tflop),
        's / seed': significant(record.seconds),
        'n': str(row.accuracy.count) if row.is_run else '',
        'test accuracy': mean_and_std(row.accuracy) if row.is_run else 'not run',
        'goal': percent(record.goal),
        'goal reached': verdict(record),
    }


def _more_cells(record):
    """{heading: cell} of records.md's table."""
    row, settings = record.row, record.settings
    validation = summarize(validation_accuracy(row.result)) if row.is_run else summarize([])
    of_readme = _cells(record)
    return {
        **{name: of_readme[name] for name in ('row', 'parameters')},
        'epochs': f'{row.epochs_trained if row.is_run else settings["epochs"]:g}',
        'batch size': str(settings['batch_size']),
        **{name: of_readme[name] for name in ('TFLOP', 's / seed', 'n')},
        'validation accuracy': mean_and_std(validation),
        'test accuracy': of_readme['test accuracy'],
        '95 % interval': interval(row.accuracy.interval),
        **{name: of_readme[name] for name in ('goal', 'goal reached')},
        'command': f'`python -m fmnist_jax.main --config=configs/{record.table}.py '
        f'--rows={row.name}`',
    }


def _table(cells):
    """Markdown of [{heading: cell}]; nothing without lines."""
    return markdown(list(cells[0]), [list(line.values()) for line in cells]) if cells else ''


def _device_sentences(found):
    """How the seconds were measured: one sentence a device."""
    by_device = {}
    for record in found:
        if record.row.is_run:
            by_device.setdefault(record.device or 'an unknown device', []).append(record)
    sentences = []
    for device, its in by_device.items():
        counts = [record.together for record in its]
        seeds = ' to '.join(dict.fromkeys(map(str, (min(counts), max(counts)))))
        names = ', '.join(record.row.name for record in its)
        of_rows = f' of {names}' if len(by_device) > 1 else ''
        plural = 's' * (max(counts) > 1)
        sentences.append(f'Seconds{of_rows}: {seeds} seed{plural} together on {device}.')
    return sentences


def readme_table(found):
    """README's table of the Records with a goal that are run, with a sentence for each device."""
    found = [record for record in found if record.goal is not None and record.row.is_run]
    if not found:
        return ''
    below = f'{" ".join(_device_sentences(found))} {_REACHED}\n'
    return f'{_table(list(map(_cells, found)))}\n{below}'


def _effective(settings):
    """Settings without seeds, with the values that None and an optimizer's 0.0 stand for."""
    defaults = model_fields(settings['model']['name'])
    model = {name: defaults.get(name) if v is None else v for name, v in settings['model'].items()}
    optimizer = dict(settings['optimizer'])
    if optimizer['name'] == 'muon':
        optimizer['rest_factor'] = optimizer['rest_factor'] or 1.0
    own = {'seed': None, 'num_seeds': None}
    return settings | own | {'model': model, 'optimizer': optimizer}


def _left_out(record, full):
    """How a Record's settings differ from those of the full recipe, in one line."""
    changes = difference(*map(_effective, (full.settings, record.settings)))
    return '; '.join(changes).replace(' -> ', ' → ')


def ablation_table(rows, goal):
    """The rows of the ablation against its row of the full recipe; '' without that row.

    Args:
      rows: the Records of the ablation.
      goal: the accuracy that the recipe is to reach.
    """
    full = next((record for record in rows if record.row.name == FULL), None)
    if full is None or goal is None:
        return ''
    full = full._replace(goal=goal)
    pooled = pooled_std([record.row.known_accuracies for record in rows])
    return _table([_ablation_cells(record, full, pooled) for record in rows])


def _difference(record, full, pooled):
    """(difference of the means, its 95 % interval) of two Records with a Pooled spread."""
    counts = [len(r.row.known_accuracies) for r in (record, full)]
    if record.row is full.row or not all(counts):
        return nan, (nan, nan)
    difference = record.row.accuracy.mean - full.row.accuracy.mean
    error = pooled.std * sqrt(sum(1 / count for count in counts))
    half = scipy.special.stdtrit(pooled.dof, (1 + CONFIDENCE) / 2) * error
    return difference, (difference - half, difference + half)


def _ablation_cells(record, full, pooled):
    """{heading: cell} of a Record of the ablation."""
    row, change = record.row, _left_out(record, full)
    epochs = first_epochs(row.result['history'], full.goal) if row.is_run else []
    reached = [epoch for epoch in epochs if epoch]
    difference, bounds = _difference(record, full, pooled)
    validation = validation_accuracy(row.result) if row.is_run else []
    return {
        'row': shown_name(row),
        'differs in': change or 'the full recipe',
        'n': str(row.accuracy.count) if row.is_run else '',
        'test accuracy': mean_and_std(row.accuracy) if row.is_run else 'not run',
        'validation accuracy': mean_and_std(summarize(validation)),
        'difference': _points([difference]),
        '95 % interval': _points(bounds),
        f'epochs to {100 * full.goal:g} %': f'{statistics.median(reached):g}' if reached else '',
        'seeds that reach it': f'{len(reached)} of {len(epochs)}' if epochs else '',
    }


def _points(fractions):
    """(-0.012, 0.001) -> '-1.20 to +0.10'; nothing where they are NaN."""
    shown = ' to '.join(f'{100 * fraction:+.2f}' for fraction in fractions)
    return '' if isnan(fractions[0]) else shown


def published_table(found):
    """The published numbers and, below them, ours."""
    lines = [(*published, 'published, not run by us') for published in PUBLISHED]
    for record in (record for record in found if record.row.is_run):
        cells = _more_cells(record)
        seeds = f'mean ± sd, n = {cells["n"]}'
        ours = (cells['row'], cells['parameters'], cells['epochs'], cells['test accuracy'])
        lines.append((*ours, seeds, 'ours'))
    heading = ('network or row', 'parameters', 'epochs', 'test accuracy', 'remark', 'source')
    return markdown(heading, lines)


# Figures.

_LOWEST = 84  # per cent: hardly trained rows would squeeze the others


def _other_points(experiments):
    """[(parameters, test accuracy in %, 'table: row')] of all other committed networks."""
    own = {*TABLES, ABLATION, 'small_choices', 'speedrun_choices'}
    points = []
    for path in sorted(experiments.glob('*/results.jsonl')):
        for result in result_lines.read(path.parent):
            is_like_ours = result['dataset'] == 'fashion_mnist' and not result.get('changed')
            values = test_accuracy(result)
            if path.parent.name not in own and is_like_ours and result['parameters'] and values:
                name = f'{path.parent.name}: {result["row"]}'
                points.append((result['parameters'], 100 * float(np.mean(values)), name))
    return points


# speedrun_gpu has the networks of speedrun.
_MARKS = {'small': (style.BLUE, 'o', 'right'), 'speedrun': (style.ORANGE, 's', 'left')}


def parameters_figure(found, experiments):
    """The Figure of accuracy against parameters of all rows on Fashion-MNIST; None without any."""
    others = _other_points(experiments)
    drawn = [r for r in found if r.table in _MARKS]
    ours = [r for r in drawn if r.row.is_run and r.row.result['parameters']]
    if not others and not ours:
        return None
    plot = style.new(4.0, 'Test accuracy against number of parameters', top=0.55)
    axes = plot.add_subplot()
    seen = [point for point in others if point[1] >= _LOWEST]
    axes.plot(
        [x for x, _, _ in seen], [y for _, y, _ in seen], 'o', label='other tables', **style.RING
    )
    if seen:
        x, y, name = max(seen, key=lambda point: point[1])
        axes.annotate(name, (x, y), (0, 6), **_LABEL, ha='center', color=style.MUTED)
    for table, marks in _MARKS.items():
        _draw_ours(axes, [r for r in ours if r.table == table], table, *marks)
    axes.plot([], [], '_', color=style.INK, ms=12, label='goal')
    _log_axis(axes, 'parameters (log scale)', (1,))
    axes.set_ylim(bottom=_LOWEST)
    axes.grid(axis='y')
    axes.set_ylabel('test accuracy in %')
    style.legend(plot, ncols=4)
    below = len(others) - len(seen)
    caption = (
        'Test accuracy on Fashion-MNIST, mean over seeds. Rings: every row of the other tables; '
        'the best has its name. Filled: our rows, with one standard deviation over seeds. Short '
        'lines: their goals. '
        f'{below} rows below {_LOWEST} % are left out.'
    )
    alt = f'Scatter plot of {len(others)} rows of other tables and {len(ours)} of ours.'
    return style.Figure('records_parameters', 'Accuracy and parameters', caption, alt, plot)


_LABEL = {'textcoords': 'offset points', 'fontsize': style.SMALL}


def _log_axis(axes, label, subs):
    """A logarithmic x axis with plain numbers at `subs` of every decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_xscale('log')
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: significant(x)))
    axes.minorticks_off()
    axes.set_xlabel(label)


def _draw_ours(axes, its, table, colour, mark, ha):
    """The rows of one of our tables with their goals, and their names on one side."""
    for record in its:
        x, accuracy = record.row.result['parameters'], record.row.accuracy
        y = 100 * accuracy.mean
        if record.goal is not None:
            axes.plot(x, 100 * record.goal, '_', color=style.INK, ms=12)
        spread = 0 if isnan(accuracy.std) else 100 * accuracy.std
        axes.errorbar(x, y, spread, fmt=mark, color=colour, ms=5, zorder=3)
        axes.annotate(
            record.row.name, (x, y), (8 if ha == 'left' else -8, 2), **_LABEL, ha=ha, color=colour
        )
    if its:
        axes.plot([], [], mark, color=colour, label=table)


_LINES = ((style.BLUE, '-'), (style.ORANGE, '--'), (style.INK, ':'))
_FIRST = 80  # per cent of validation accuracy: the first epochs lie below


def seconds_figure(found):
    """The Figure of validation accuracy against seconds; None without a row that has a history."""
    drawn = [r for r in found if r.row.is_run and 'validation_accuracy' in history(r.row)]
    if not drawn:
        return None
    plot = style.new(3.4, 'Validation accuracy against seconds of training', top=0.55)
    axes = plot.add_subplot()
    several = len({record.device for record in drawn}) > 1
    for record, (colour, dashes) in zip(drawn, _LINES * len(drawn), strict=False):
        accuracy = 100 * history(record.row)['validation_accuracy']
        accuracy = accuracy[np.isfinite(accuracy).any(1)]
        seconds = record.seconds / record.row.epochs_trained * np.arange(1, len(accuracy) + 1)
        low, high = np.nanmin(accuracy, 1), np.nanmax(accuracy, 1)
        axes.fill_between(seconds, low, high, color=colour, alpha=0.22, lw=0)
        label = record.row.name + (f' ({record.device})' if several else '')
        axes.plot(seconds, np.nanmean(accuracy, 1), dashes, color=colour, label=label)
        if record.goal is not None:
            axes.axhline(100 * record.goal, color=style.RULE, lw=0.8, zorder=0.5)
    _log_axis(axes, 'seconds of training of one seed (log scale)', (1, 2, 5))
    axes.set_ylim(bottom=max(_FIRST, axes.get_ylim()[0]))
    axes.set_ylabel('validation accuracy in %')
    style.legend(plot, ncols=len(drawn))
    caption = (
        'Validation accuracy after each epoch: mean over seeds, shaded from the lowest to the '
        'highest seed. Seconds are of one seed, with validation and without compiling. Thin lines: '
        f'the goals for the test accuracy. The axis starts at {_FIRST} % or above.'
    )
    names = ', '.join(record.row.name for record in drawn)
    alt = f'Validation accuracy over seconds of training: {names}.'
    return style.Figure('records_seconds', 'Accuracy and seconds', caption, alt, plot)


# The page.

_HEAD = """# Records: our own tables

`python experiments/records.py --write` makes this page from the committed result lines. No report
has these rows. [speedrun](../configs/speedrun.py) trains to a mean test accuracy with the fewest
FLOPs, [speedrun_gpu](../configs/speedrun_gpu.py) does so in bfloat16 with many seeds together.
[small](../configs/small.py) trains networks under 100,000, 50,000 and 15,000 parameters.
Accuracies are in %; ± is the standard deviation over seeds.
"""
_NOTES = (
    'TFLOP: of a training of one seed, six times the multiply-adds of one image times the training '
    'images and epochs.',
    's / seed: seconds of training with validation, without compiling, divided by the number of '
    'seeds, of the quickest run. A row that was trained on several devices shows the one with most '
    'of its seeds.',
    'goal reached: *reached* if the one-sided 95 % lower bound of the mean test accuracy is above '
    'the goal (t test over seeds); *mean above* if only the mean is; else *missed*.',
)
_ABLATION = f"""## Ablation

Each row leaves out, replaces or adds one part of the recipe of {RECIPE}. All rows train on 50,000
images. Differences of the mean test accuracy from the row `{FULL}` are in points. Their 95 %
intervals take the standard deviation pooled over all rows of the table (t), because the rows have
few seeds; they are not corrected for the number of rows. Epochs: the median over the seeds whose
validation accuracy reaches the goal of {RECIPE}, until it does.
"""
_PUBLISHED = """## Published numbers

We did not run the published networks; their numbers are as printed there.
"""


def page(found, ablation, figures):
    """experiments/records.md.

    Args:
      found: the Records of TABLES.
      ablation: Markdown of the ablation, or ''.
      figures: [report.figures.style.Figure], in the folder images.
    """
    parts = [_HEAD]
    if found:
        parts.append(_table(list(map(_more_cells, found))) + notes(
            [*_device_sentences(found), *_NOTES]
        ))  # fmt: skip
    for figure in figures:
        image = f'![{figure.alt}](images/{figure.name}.svg)'
        parts.append(f'## {figure.title}\n\n{image}\n\n*{figure.caption}*\n')
    if ablation:
        parts.append(f'{_ABLATION}\n{ablation}')
    parts.append(f'{_PUBLISHED}\n{published_table(found)}')
    return '\n'.join(parts)


def write_pages(found, ablation, root):
    """Writes README's table, records.md and its figures to a checkout."""
    folder = root / 'experiments'
    with style.look():
        speedrun = [record for record in found if record.table == 'speedrun']
        drawn = [parameters_figure(found, folder), seconds_figure(speedrun)]
        figures = [figure for figure in drawn if figure is not None]
        for figure in figures:
            write(folder / 'images' / f'{figure.name}.svg', style.svg(figure.plot))
    write(folder / 'records.md', page(found, ablation, figures))
    write_between(root / 'README.md', 'records.py', readme_table(found))


def _main(argv):
    parser = Parser(description=__doc__)
    parser.add_argument('--write', action='store_true', help='write README.md and records.md')
    parser.add_argument(
        '--root', type=pathlib.Path, default=ROOT, help='folder of another checkout'
    )
    options = parser.parse_args(argv)
    folders = options.root / 'configs', options.root / 'experiments'
    if not all(folder.is_dir() for folder in folders):
        raise ConfigError(
            f'--root={options.root}: expected a checkout, with configs/ and experiments/'
        )
    found = [record for table in TABLES for record in records(table, *folders)]
    goal = next((record.goal for record in found if record.row.name == RECIPE), None)
    ablation = ablation_table(records(ABLATION, *folders), goal)
    if options.write:
        write_pages(found, ablation, options.root)
    else:
        print(readme_table(found), end='')


def main(argv=None):
    """The command; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, argv)


if __name__ == '__main__':
    sys.exit(main())
