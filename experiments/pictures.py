"""Draws the reports' pictures from our result lines, and writes experiments/pictures.md.

    python experiments/pictures.py
    python experiments/pictures.py --experiments=runs    other workdirs, with the configs' names

Each picture is an SVG file in the folder of its table. The learning curves, the confusion matrices
and the networks come from the committed result lines. Response maps need parameters, which git
leaves out: without them the committed picture stays.
"""

import itertools
import pathlib
import sys
import textwrap
from typing import NamedTuple

import numpy as np

from fmnist_jax.config.cli import Parser, exit_code
from fmnist_jax.data.datasets import CLASS_NAMES
from fmnist_jax.markdown import interval, markdown, percent
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.curves import TENSORBOARD, learning_curves
from fmnist_jax.report.figures.mistakes import class_accuracy, class_rates, confusion, counts_of
from fmnist_jax.report.figures.network import architecture, response_maps
from fmnist_jax.results.statistics import summarize

HERE = pathlib.Path(__file__).resolve().parent
LOOK_ALIKE = ('Shirt', 'Coat', 'Pullover')  # report 004, section 3.1


_HEAD = """\
# The reports' pictures, from our result lines

`python experiments/pictures.py` draws them. Curves: the mean over the seeds still training, shaded
from the lowest to the highest seed; errors (100 − accuracy) and losses have a log scale. Diamonds:
the report's numbers, which it gives for its last epoch. Training is measured while the network
learns, with dropout and augmentation, validation after each epoch. *Smoothed* is TensorBoard's
average of the earlier epochs, with its default weight 0.6: report 003 prints such numbers."""


class Picture(NamedTuple):
    """A picture of a report."""

    source: str  # the report, and the picture's name there
    table: str
    name: str  # of the file
    rows: tuple
    draw: tuple  # 'accuracy', 'loss', 'smoothed', 'network', 'responses', 'classes'


_CURVES = ('accuracy', 'loss')
PICTURES = (
    Picture('001, Pictures 2 and 3', 'cnn2_tuned', 'tuned', ('tuned',), _CURVES),
    Picture('002, Figure 1', 'fcn_optimizers', 'baseline', ('baseline_sgd_0.03',), _CURVES),
    Picture(
        '002, Figure 2',
        'fcn_regularization',
        'dropout',
        ('base', 'dropout_0.2', 'dropout_0.4'),
        _CURVES,
    ),
    Picture(
        '002, Figure 3',
        'fcn_regularization',
        'initialization',
        ('base', 'xavier_uniform', 'random_normal'),
        _CURVES,
    ),
    Picture('003, Figure 2', 'lenet', 'network', ('base',), ('network',)),
    Picture(
        '003, Figures 3 and 4',
        'lenet',
        'best',
        ('relu_max_sgd_augment',),
        (*_CURVES, 'smoothed'),
    ),
    Picture(
        '003, Figures 5 and 6',
        'lenet',
        'worst',
        ('tanh_max_sgd_augment',),
        (*_CURVES, 'smoothed'),
    ),
    Picture('004, section 3.1', 'ann_vs_cnn', 'ann', ('ann_mnist', 'ann_fashion_mnist'), _CURVES),
    Picture('004, Figure 1', 'ann_vs_cnn', 'base', ('base_cnn_regularized',), ('network',)),
    Picture(
        '004, response maps of section 4.2',
        'ann_vs_cnn',
        'base',
        ('base_cnn_regularized',),
        ('responses',),
    ),
    Picture(
        '004, overfitting and regularization',
        'ann_vs_cnn',
        'regularization',
        ('base_cnn_unregularized', 'base_cnn_regularized'),
        _CURVES,
    ),
    Picture(
        '004, section 6',
        'ann_vs_cnn',
        'final',
        ('cnn_mnist', 'cnn_fashion_mnist'),
        _CURVES,
    ),
    *(
        Picture('004: which classes look alike', table, row, (row,), ('classes',))
        for table, row in (
            ('ann_vs_cnn', 'ann_fashion_mnist'),
            ('ann_vs_cnn', 'cnn_fashion_mnist'),
            ('scikit_learn', 'gradient_boosting'),
        )
    ),
)


def _draw(picture, experiments, data_dir):
    """[(file name, report.figures.style.Figure)] of a picture, without those that cannot be."""
    workdir = experiments / picture.table
    known = {row.name: row for row in table_rows.read(workdir)[1]}
    rows = [known[name] for name in picture.rows]
    drawn = []
    for kind in picture.draw:
        if kind in _CURVES:
            figures = [learning_curves(rows, kind)]
        elif kind == 'smoothed':
            figures = [learning_curves(rows, q, TENSORBOARD) for q in _CURVES]
        elif kind == 'network':
            figures = [architecture(rows[0])[0]]
        elif kind == 'responses':
            figures = [response_maps(rows, workdir, data_dir)[0]]
        else:
            figures = [confusion(rows), class_accuracy(rows)]
        end = '_smoothed' if kind == 'smoothed' else ''
        drawn += [(f'{picture.name}_{f.name}{end}.svg', f) for f in figures if f is not None]
    return drawn


def write_pictures(experiments, data_dir=None):
    """Writes the pictures' files; Markdown that shows them."""
    lines = []
    for picture in PICTURES:
        with style.look():
            drawn = _draw(picture, experiments, data_dir)
            if not drawn:
                print(f'{picture.source}: nothing to draw yet', file=sys.stderr)
                continue
            for name, figure in drawn:
                (experiments / picture.table / name).write_text(style.svg(figure.plot))
        heading = f'## Report {picture.source}\n'
        lines += [heading] if heading not in lines else []
        for name, figure in drawn:
            lines.append(f'![{figure.alt}]({picture.table}/{name})\n')
            if picture.draw[0] not in _CURVES:
                lines.append(f'*{figure.caption}*\n')
    return '\n'.join(lines)


def _pair_rates(counts):
    """{pair of classes: of their images, the fraction taken for the other} of counts [10, 10]."""
    total = counts.sum(1)
    return {
        (a, b): (counts[a, b] + counts[b, a]) / (total[a] + total[b])
        for a, b in itertools.combinations(range(len(counts)), 2)
    }


def look_alike(experiments):
    """Markdown: whether Shirt, Coat and Pullover are the most confused classes.

    Of every row on Fashion-MNIST with confusion matrices: the most confused pairs, and the least
    confused pair of the three classes minus the most confused other pair, over seeds.
    """
    names = CLASS_NAMES['fashion_mnist']
    three = set(map(names.index, LOOK_ALIKE))
    lines, inside = [], []
    for path in sorted(experiments.glob('*/results.jsonl')):
        for row in table_rows.read(path.parent)[1]:
            counts = counts_of(row) if row.dataset == 'fashion_mnist' else None
            if counts is None or row.accuracy.mean < 0.8:  # hardly trained
                continue
            rates = [_pair_rates(seed) for seed in counts]
            mean = {pair: np.mean([r[pair] for r in rates]) for pair in rates[0]}
            first = sorted(mean, key=mean.get, reverse=True)[:4]
            gaps = [
                min(r[pair] for pair in r if three.issuperset(pair))
                - max(r[pair] for pair in r if not three.issuperset(pair))
                for r in rates
            ]
            gap = summarize(gaps)
            inside.append(gap.mean)
            words = ', '.join(f'{names[a]}–{names[b]} {percent(mean[a, b])}' for a, b in first)
            where, seeds = f'{path.parent.name}: {row.name}', str(len(rates))
            lines.append((where, seeds, words, f'{100 * gap.mean:+.2f}', interval(gap.interval)))
    if not lines:
        return ''
    heading = ('row', 'seeds', 'most confused pairs, %', 'gap', '95 % interval')
    holds = sum(gap > 0 for gap in inside)
    words = (
        'Of the images of two classes, the per cent taken for the other one, as a mean over seeds. '
        'gap: the least confused pair of the three classes minus the most confused pair of all '
        'others, in points. If it is above 0, the three are the most confused classes: in '
        f'{holds} of {len(inside)} rows.'
    )
    title = '## Claim of report 004: Shirt, Coat and Pullover look alike'
    return f'{title}\n\n{textwrap.fill(words, 99)}\n\n{markdown(heading, lines)}'


def classes_table(experiments):
    """Markdown: precision and recall of every class in the rows of the pictures of classes."""
    parts = []
    for picture in (p for p in PICTURES if p.draw == ('classes',)):
        known = {row.name: row for row in table_rows.read(experiments / picture.table)[1]}
        row = known[picture.rows[0]]
        counts = counts_of(row)
        if counts is None:
            continue
        recall, precision = (np.nanmean(rates, 0) for rates in class_rates(counts))
        names = CLASS_NAMES[row.dataset]
        lines = [(names[k], percent(recall[k]), percent(precision[k])) for k in np.argsort(recall)]
        title = f'{picture.table}: {row.name}, mean of {len(counts)} seed{"s" * (len(counts) > 1)}'
        parts.append(f'{title}\n\n{markdown(("class", "recall", "precision"), lines)}')
    return '## Recall (accuracy of a class) and precision, %\n\n' + '\n'.join(parts)


def _main(argv):
    parser = Parser(description=__doc__)
    parser.add_argument('--experiments', type=pathlib.Path, default=HERE, help='folder of workdirs')
    parser.add_argument('--data_dir', help='folder with fashion_mnist/, for response maps')
    options = parser.parse_args(argv)
    text = write_pictures(options.experiments, options.data_dir)
    page = [
        _HEAD,
        look_alike(options.experiments),
        classes_table(options.experiments),
        text,
    ]
    (options.experiments / 'pictures.md').write_text('\n\n'.join(filter(None, page)))


def main(argv=None):
    """The command; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, argv)


if __name__ == '__main__':
    sys.exit(main())
