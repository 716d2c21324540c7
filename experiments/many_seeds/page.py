"""The page of experiments/many_seeds: how far chance moves an accuracy, and what that means."""

import base64
import json
import math
import pathlib
import zlib
from typing import NamedTuple

import numpy as np

from fmnist_jax import files
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import markdown, percent
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import style
from fmnist_jax.results.statistics import CONFIDENCE, ENOUGH_SEEDS, pooled_std

NAMES = {'fcn': "report 002's network, 3 epochs", 'lenet5': 'LeNet-5, 1 epoch'}
_GRIDS = ('tuning_1_layer', 'tuning_2_layers', 'tuning_3_layers')
_NOISE = (*_GRIDS, 'ann_vs_cnn', 'cnn_l2')  # tables with seeds of report 004's CNNs
_DRAWS = 20_000  # of simulations and bootstraps


class Seeds(NamedTuple):
    """All seeds of a network that vary in one way."""

    accuracy: np.ndarray  # [K] fractions
    correct: np.ndarray  # [N] how many of the K seeds are right about each test image


def read_lines(path):
    """The lines of runs.jsonl; a last line that a kill has torn is left out.

    Raises:
      ConfigError: another line is damaged.
    """
    if not pathlib.Path(path).exists():
        return []
    *lines, _torn = pathlib.Path(path).read_bytes().split(b'\n')
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise ConfigError(f'{path}: a damaged line ({error}); delete that line') from error


def read(path):
    """{(network, source): Seeds} of runs.jsonl."""
    accuracy, correct = {}, {}
    for line in read_lines(path):
        key = line['network'], line['source']
        accuracy.setdefault(key, []).extend(line['accuracy'])
        counts = np.frombuffer(zlib.decompress(base64.b64decode(line['correct'])), np.uint16)
        correct[key] = correct.get(key, 0) + counts.astype(int)
    return {key: Seeds(np.array(accuracy[key]), correct[key]) for key in accuracy}


class Parts(NamedTuple):
    """Standard deviations of the test accuracy of one seed on images drawn anew; fractions."""

    training: float  # of the seeds' true accuracies, on infinitely many images
    pairs: float  # which of the test images a seed happens to get right
    images: float  # which images are drawn: easy or difficult ones for all seeds


def parts(seeds):
    """The Parts of Seeds, by the analysis of variance of seeds x images.

    Whether seed s is right about image i is m + a_s + b_i + c_si. On fixed images, accuracies vary
    with var(a) + var(c)/N; one image's outcomes vary over the seeds with var(a) + var(c). Negative
    estimates become 0.
    """
    count, images = len(seeds.accuracy), len(seeds.correct)
    share = seeds.correct / count
    of_an_image = (share * (1 - share)).mean() * count / (count - 1)
    of_accuracies = seeds.accuracy.var(ddof=1)
    pairs = (of_an_image - of_accuracies) * images / (images - 1)
    between_images = share.var(ddof=1) - pairs / count
    variances = (of_accuracies - pairs / images, pairs / images, between_images / images)
    return Parts(*(math.sqrt(max(0.0, variance)) for variance in variances))


def std_interval(values, seed=0):
    """Percentile bootstrap interval (95 %) for the standard deviation of values."""
    rng, n = np.random.default_rng(seed), len(values)
    draws = [values[rng.integers(0, n, n)].std(ddof=1) for _ in range(_DRAWS // 10)]
    return tuple(np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist())


def best_above_mean(std, count, seed=0):
    """(mean, 2.5 %, 97.5 %) of how far the best of `count` equal networks lies above their mean."""
    draws = np.random.default_rng(seed).normal(0, std, (_DRAWS, count))
    above = draws.max(1) - draws.mean(1)
    return above.mean(), *np.quantile(above, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])


def chance_to_reach(reported, summary):
    """P(one more seed has at least this accuracy), by the predictive Student's t of a Summary."""
    from scipy.special import stdtr

    scale = summary.std * math.sqrt(1 + 1 / summary.count)
    return float(stdtr(summary.count - 1, -(reported - summary.mean) / scale))


# The page.


def _spread_table(runs):
    lines = []
    for network, name in NAMES.items():
        if (network, 'all') in runs:
            accuracy = runs[network, 'all'].accuracy
            low, high = std_interval(accuracy)
            lines.append(
                [
                    name,
                    str(len(accuracy)),
                    percent(accuracy.mean()),
                    f'{percent(accuracy.std(ddof=1))} ({percent(low)} to {percent(high)})',
                    f'{percent(accuracy.min())} to {percent(accuracy.max())}',
                ]
            )
    heading = ('network', 'seeds', 'mean', 'sd (95 % interval)', 'lowest to highest')
    return markdown(heading, lines)


def _parts_table(runs):
    lines = []
    for network, name in NAMES.items():
        if (network, 'all') in runs:
            found = parts(runs[network, 'all'])
            total = math.sqrt(sum(part**2 for part in found))
            lines.append([name, *map(percent, found), percent(total)])
    heading = ('network', 'training', 'training x images', 'draw of the images', 'all')
    return markdown(heading, lines)


def _sources_table(runs):
    lines = []
    for (network, source), seeds in sorted(runs.items()):
        if source != 'all' and (network, 'all') in runs and len(seeds.accuracy) > 2:
            low, high = std_interval(seeds.accuracy)
            std, of_all = seeds.accuracy.std(ddof=1), runs[network, 'all'].accuracy.std(ddof=1)
            lines.append(
                [
                    NAMES[network],
                    source,
                    str(len(seeds.accuracy)),
                    f'{percent(std)} ({percent(low)} to {percent(high)})',
                    f'{100 * std**2 / of_all**2:.0f} %',
                ]
            )
    heading = ('network', 'what varies', 'seeds', 'sd (95 % interval)', 'share of the variance')
    return markdown(heading, lines)


def _share(probability):
    return f'{100 * probability:.{0 if probability > 0.1 else 2}f} %'


def _lucky_table(experiments):
    lines = []
    for file in sorted(experiments.glob('*/results.jsonl')):
        for row in table_rows.read(file.parent)[1]:
            enough = row.accuracy.count >= ENOUGH_SEEDS and row.accuracy.trained == 1
            is_own = not row.repeats and not row.calibrated_on
            if row.reported is not None and is_own and enough:
                chance = chance_to_reach(row.reported, row.accuracy)
                lines.append(
                    [
                        f'{file.parent.name}: {row.name}',
                        row.reported_text,
                        f'{percent(row.accuracy.mean)} ± {percent(row.accuracy.std)}',
                        str(row.accuracy.count),
                        _share(chance),
                        _share(1 - (1 - chance) ** 10),
                    ]
                )
    heading = ('row', 'report', 'ours: mean ± sd', 'seeds', 'one seed', 'best of ten seeds')
    return markdown(heading, lines)


def _noise(experiments):
    """The standard deviation of one seed of report 004's CNNs, pooled: statistics.Pooled."""
    groups = []
    for name in _NOISE:
        for row in table_rows.read(experiments / name)[1]:
            model = row.result and row.result.get('model')
            if model in ('tuned_cnn', 'base_cnn') and row.dataset == 'fashion_mnist':
                groups.append(row.known_accuracies)
    return pooled_std(groups)


def _curse_table(experiments, std):
    lines = []
    for name in _GRIDS:
        rows = [r for r in table_rows.read(experiments / name)[1] if r.reported is not None]
        reported = np.array([row.reported for row in rows])
        run = np.array([row.accuracy.mean for row in rows if row.accuracy.count])
        mean, low, high = best_above_mean(std, len(rows))
        lines.append(
            [
                name,
                str(len(rows)),
                f'{percent(mean)} ({percent(low)} to {percent(high)})',
                percent(reported.max() - reported.mean()),
                percent(run.max() - run.mean()) if len(run) else '',
            ]
        )
    heading = ('grid', 'rows', 'by noise alone (95 %)', "report's best", 'our best')
    return markdown(heading, lines)


def late_epochs(result, last=10):
    """Test accuracies of the last epochs of each seed: [seeds, last]; report 004's validation."""
    return np.array(result['history']['validation_accuracy'][-last:], float).T


def _late_table(experiments):
    """How far one late epoch lies from the others."""
    lines = []
    for name in _GRIDS:
        spreads, lowest, reached = [], [], []
        for row in table_rows.read(experiments / name)[1]:
            if row.reported is None or not row.is_run:
                continue
            for late in late_epochs(row.result):
                steps = np.arange(len(late))
                trend = np.polyval(np.polyfit(steps, late, 1), steps)
                spreads.append(np.square(late - trend).sum() / (len(late) - 2))
                lowest.append(late.mean() - late.min())
                reached.append(late.min() <= row.reported)
        if spreads:
            spread, drop = math.sqrt(np.mean(spreads)), np.median(lowest)
            lines.append(
                [
                    name,
                    str(len(spreads)),
                    percent(spread),
                    percent(drop),
                    f'{sum(reached)} of {len(reached)}',
                ]
            )
    heading = ('grid', 'runs', 'sd', 'lowest below mean (median)', "lowest at or below report's")
    return markdown(heading, lines)


def histogram(runs):
    """The SVG of the histograms of the seeds that vary in everything."""
    networks = [network for network in NAMES if (network, 'all') in runs]
    with style.look():
        plot = style.new(1.9 * len(networks) + 0.5, 'Test accuracy of each seed')
        for i, network in enumerate(networks):
            accuracy = 100 * runs[network, 'all'].accuracy
            axes = plot.add_subplot(len(networks), 1, i + 1)
            axes.hist(accuracy, bins='auto', color=style.BLUE)
            axes.axvline(accuracy.mean(), color=style.ORANGE)
            axes.set_title(f'{NAMES[network]}: {len(accuracy)} seeds', fontsize=style.SMALL)
            axes.set_ylabel('seeds')
        axes.set_xlabel('test accuracy in %')
        plot.subplots_adjust(hspace=0.5)
        return style.svg(plot)


_HEADING = """# Many seeds: how far chance moves a test accuracy

`python experiments/many_seeds/many_seeds.py` trains the seeds and writes this page. Accuracies and
standard deviations are in per cent and points, on Fashion-MNIST. The plan is 1,000 seeds of each
network; the tables say how many there are.
"""
_NOTHING = """
No seed is trained yet: `--minutes=20` trains the first ones.
"""
_SEEDS = """
![Histograms of the test accuracy of each seed](histogram.svg)

{spread}
## The part of the test images

Standard deviation of the accuracy of one seed. *Training*: of the seeds' true accuracies, on
infinitely many images. *Training x images*: which of 10,000 test images a seed happens to get
right. On our fixed test images, seeds differ by these two. *Draw of the images*: how far another
draw of 10,000 images would move all seeds together; it does not separate networks that are tested
on the same images.

{parts}
## What the seed decides

Each row varies one of the four and takes the rest from seed 0. The shares need not sum to 100 %,
because the sources interact: different seeds end in different places, whatever the cause. LeNet-5
has no dropout here.

{sources}"""
_TABLES = """
## How likely a lucky seed is

The chance that one more seed of our row, and the best of ten, has at least the reported accuracy
(Student's t over our seeds, rows with five seeds or more, without those by whose numbers we chose a
setting). A report that prints its best run of several has the second one.

{lucky}
## The winner's curse of report 004's grids

The report names the best networks of its grids, with one run for each. One seed of its CNNs has a
standard deviation of {std} points ({dof} degrees of freedom, pooled over our rows with two seeds or
more). If all networks of a grid were equally good, the best run would still lie so many points
above their mean (simulation, normal). Another run of the winner loses that much on average.

{curse}
## One late epoch

The report prints the accuracy after the last of 20 epochs. Our networks' test accuracy still moves
from epoch to epoch. The table has the standard deviation of the last ten epochs about their linear
trend, how far the lowest of them lies below their mean, and how many runs have a late epoch that is
as low as the report's number.

{late}"""


def write(folder, path, experiments):
    """Writes table.md, and histogram.svg if there are seeds, to a folder.

    Args:
      path: runs.jsonl.
      experiments: the folder of the committed tables.

    Raises:
      ConfigError: a damaged file.
    """
    runs, noise, text = read(path), _noise(experiments), _HEADING + _NOTHING
    if any(source == 'all' for _, source in runs):
        files.write(folder / 'histogram.svg', histogram(runs))
        tables = {
            'spread': _spread_table(runs),
            'parts': _parts_table(runs),
            'sources': _sources_table(runs),
        }
        text = _HEADING + _SEEDS.format(**tables)
    text += _TABLES.format(
        lucky=_lucky_table(experiments),
        std=percent(noise.std),
        dof=noise.dof,
        curse=_curse_table(experiments, noise.std),
        late=_late_table(experiments),
    )
    files.write(folder / 'table.md', text)
