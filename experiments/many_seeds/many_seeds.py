"""Trains hundreds of seeds of two small networks: how far chance alone moves a test accuracy.

    python experiments/many_seeds/many_seeds.py --minutes=20    trains, writes the page
    python experiments/many_seeds/many_seeds.py --minutes=0     writes the page alone

The networks are report 002's with dropout 0.2 (3 epochs) and report 003's LeNet-5 with ReLU and max
pooling (1 epoch). A seed decides four things: the validation split, the initialization, the order
of the images and dropout. Up to 1,000 seeds vary all of them; up to 200 more vary one, and take the
rest from seed 0. `runs.jsonl` keeps a line for each batch of seeds. Ctrl-C loses the batch that is
training; the same command goes on after the last line.
"""

import base64
import collections
import contextlib
import json
import pathlib
import sys
import time
import zlib
from unittest import mock

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from experiments.many_seeds import page  # noqa: E402
from fmnist_jax import files, make_settings  # noqa: E402
from fmnist_jax.config.cli import Parser, say  # noqa: E402
from fmnist_jax.config.settings import settings_hash  # noqa: E402
from fmnist_jax.data import datasets  # noqa: E402
from fmnist_jax.errors import ConfigError, DataError  # noqa: E402
from fmnist_jax.fit import mesh  # noqa: E402
from fmnist_jax.fit.fit import fit  # noqa: E402
from fmnist_jax.train import step  # noqa: E402

BATCH = 10  # seeds of a line
NETWORKS = {  # name: (config, row, its changes)
    'fcn': ('fcn_regularization', 'dropout_0.2', {'epochs': 3}),
    'lenet5': ('lenet', 'relu_max', {'epochs': 1}),
}
# What varies: the random keys that depend on the seed.
SOURCES = {
    'all': None,
    'split': (),
    'initialization': (step.INIT,),
    'order': (step.PERMUTATION,),
    'dropout': (step.STEP,),
}
TARGETS = dict.fromkeys(SOURCES, 200) | {'all': 1000}


def jobs():
    """The (network, source) to train; LeNet-5 has no dropout here."""
    return [(n, s) for n in NETWORKS for s in SOURCES if (n, s) != ('lenet5', 'dropout')]


def settings_of(network, first=0, count=BATCH):
    """Settings of some seeds of a network."""
    config, row, change = NETWORKS[network]
    seeds = {'seed': first, 'num_seeds': count}
    return make_settings(change | seeds, str(ROOT / 'configs' / f'{config}.py'), row)


@contextlib.contextmanager
def only(source):
    """Inside, only `source` depends on the seed: split and random keys are those of seed 0."""
    if SOURCES[source] is None:
        yield
        return
    seed_key, split = step.seed_key, datasets.split

    def own_key(seed, purpose):
        return seed_key(seed if purpose in SOURCES[source] else 0, purpose)

    def own_split(total, held_out, seed, *options):
        return split(total, held_out, seed if source == 'split' else 0, *options)

    keys = mock.patch.object(step, 'seed_key', own_key)
    with keys, mock.patch.object(datasets, 'split', own_split):
        yield


def train(settings, source, dataset, cache):
    """(test accuracy of each seed, how many seeds are right about each test image: uint16 [N])."""
    layout = mesh.make_layout(settings)
    with only(source):
        result = fit(settings, dataset, layout, cache)
    correct = result.logits.argmax(-1) == dataset.test_labels
    return correct.mean(1), correct.sum(0).astype(np.uint16)


def run(path, dataset, seconds, say, settings_of=settings_of, targets=None):
    """Trains batches until the time is up or all targets are reached; appends a line for each.

    The next batch is of the job that is the furthest from its target.

    Raises:
      ConfigError: a line of the file is of other settings.
    """
    targets = targets or TARGETS
    done, caches, end = collections.Counter(), collections.defaultdict(dict), time.time() + seconds
    hashes = {network: settings_hash(settings_of(network)) for network in NETWORKS}
    for line in page.read_lines(path):
        if line['settings'] != hashes[line['network']]:
            name = line['network']
            raise ConfigError(f'{path}: seeds of other settings of {name}; move the file away')
        done[line['network'], line['source']] += len(line['accuracy'])
    while time.time() < end:
        job = min(jobs(), key=lambda job: done[job] / targets[job[1]])
        network, source = job
        if done[job] >= targets[source]:
            return
        settings = settings_of(network, done[job])
        began = time.time()
        accuracy, correct = train(settings, source, dataset, caches[job])
        line = {
            'network': network,
            'source': source,
            'first': done[job],
            'accuracy': accuracy.round(6).tolist(),
            'correct': base64.b64encode(zlib.compress(correct.tobytes(), 9)).decode(),
            'seconds': round(time.time() - began, 1),
            'settings': hashes[network],
        }
        files.append_line(path, json.dumps(line).encode() + b'\n')
        done[job] += len(accuracy)
        say(f'{network}, {source}: {done[job]} of {targets[source]} seeds, {line["seconds"]} s')


def _options(argv):
    parser = Parser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=20.0, help='time to train (20)')
    parser.add_argument('--data_dir', help='the same as for fmnist_jax.main')
    parser.add_argument('--folder', type=pathlib.Path, default=pathlib.Path(__file__).parent)
    return parser.parse_args(argv)


def main(argv=None):
    """Runs the command; returns the exit code (0 done, 2 user error, 130 Ctrl-C)."""
    options = _options(argv)

    path = options.folder / 'runs.jsonl'
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        if options.minutes > 0:
            dataset = datasets.load('fashion_mnist', options.data_dir)
            run(path, dataset, 60 * options.minutes, say)
        page.write(options.folder, path, ROOT / 'experiments')
    except (ConfigError, DataError, OSError) as error:
        say(f'error: {error}')
        return 2
    except KeyboardInterrupt:
        say('\nStopped. Finished batches are kept; run the same command again to resume.')
        return 130
    say(f'{options.folder}/table.md')
    return 0


if __name__ == '__main__':
    sys.exit(main())
