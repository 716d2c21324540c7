"""Times our training against PyTorch's on this machine; writes speed.json and table.md.

    python experiments/speed/benchmark.py                              # minutes per network
    python experiments/speed/benchmark.py --networks=lenet5            # replaces one network
    python experiments/speed/benchmark.py --modes=vmap,map,map:4 --seeds=1,8,32
    python experiments/speed/benchmark.py --table                      # only table.md

A flag such as --config.micro_batch=8 sets a config field of our side. Close other programs first.
Ctrl-C keeps the networks that are finished.
"""

import argparse
import contextlib
import importlib.util
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent))

from experiments.speed.contestants import Bench
from experiments.speed.measure import measure_modes, measure_network
from experiments.speed.networks import DEFAULT, NETWORKS
from experiments.speed.page import page
from experiments.speed.processes import WorkerError
from fmnist_jax.config.cli import Parser, say

_MODES = ('vmap', 'map')


def _words(known):
    """An argparse type: comma-separated words of `known`."""

    def read(text):
        for word in text.split(','):
            if word not in known:
                raise argparse.ArgumentTypeError(f'{word!r}: expected some of {", ".join(known)}')
        return text.split(',')

    return read


def _counts(text):
    """An argparse type: comma-separated whole numbers of at least 1."""
    if not all(word.isdecimal() and int(word) for word in text.split(',')):
        raise argparse.ArgumentTypeError(f'{text!r}: expected numbers such as 1,4')
    return [int(word) for word in text.split(',')]


def _count(text):
    return _counts(text)[0]


def _seconds(text):
    """An argparse type: a number above 0."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f'{text!r}: expected seconds, such as 1.5')


def _modes(text):
    """An argparse type: comma-separated 'vmap', 'map' or 'map:4'."""
    for word in text.split(','):
        mode, colon, chunk = word.partition(':')
        if mode not in _MODES or (
            colon and (mode != 'map' or not chunk.isdecimal() or not int(chunk))
        ):
            raise argparse.ArgumentTypeError(f'{word!r}: expected vmap, map or map:K')
    return text.split(',')


def _change(words):
    """Reads the flags that argparse does not know: ['--config.epochs=2'] -> {'epochs': 2}."""
    change = {}
    for word in words:
        name, equals, value = word.partition('=')
        if not name.startswith('--config.') or not equals:
            raise argparse.ArgumentTypeError(f'{word!r}: no such flag; see --help')
        with contextlib.suppress(ValueError):  # not a number: keep the text
            value = json.loads(value)
        change[name.removeprefix('--config.')] = value
    return change


def _options(argv):
    """Parses the command line; a wrong flag ends the program with one line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add('--networks', type=_words(NETWORKS), default=list(DEFAULT), help='comma-separated')
    add('--seeds', type=_counts, default=[1, 4], help='numbers of seeds to train together')
    add('--memory_seeds', type=_counts, default=[1, 2, 4], help='the same, for the peak memory')
    add('--repetitions', type=_count, default=5, help='number of rounds')
    add('--turn_seconds', type=_seconds, default=3.0, help='length of a turn')
    add('--images', type=_count, default=None, help='train on the first IMAGES images only')
    add('--modes', type=_modes, default=None, help='only compare ways to run seeds: vmap,map:4')
    add('--compute', type=_words(('float32', 'bfloat16')), default=['float32'], help='for --modes')
    add('--out', type=pathlib.Path, default=pathlib.Path(__file__).parent, help='output folder')
    add('--table', action='store_true', help='only write table.md again')
    options, rest = parser.parse_known_args(argv)
    try:
        options.change = _change(rest)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    options.torch = importlib.util.find_spec('torch') is not None
    return options


def _read(folder):
    path = folder / 'speed.json'
    empty = {'networks': {}, 'modes': {}}
    return empty | json.loads(path.read_text()) if path.exists() else empty


def _write(folder, contents):
    """Writes speed.json (whole or not at all) and table.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ('networks', 'modes'):  # sorted as NETWORKS is
        contents[part] = {n: contents[part][n] for n in NETWORKS if n in contents[part]}
    temporary = folder / 'speed.json.tmp'
    temporary.write_text(json.dumps(contents, indent=1) + '\n')
    temporary.replace(folder / 'speed.json')
    (folder / 'table.md').write_text(page(contents))


def _measure(options):
    """Measures one network after the other and writes both files after each; returns a code."""
    measure, part = (measure_modes, 'modes') if options.modes else (measure_network, 'networks')
    failed = False
    for name in options.networks:
        try:
            with Bench(name, options, say) as bench:
                entry = measure(bench, options)
        except WorkerError as error:
            failed = True
            say(f'error: {error}')
            continue
        contents = _read(options.out)
        contents[part][name] = entry
        _write(options.out, contents)
        say(f'{name}: written to {options.out / "speed.json"}')
    return 2 if failed else 0


def main(argv=None):
    """Runs the command; returns the exit code (0 done, 2 an error, 130 interrupted)."""
    options = _options(argv)
    if options.table:
        _write(options.out, _read(options.out))
        return 0
    if not options.torch:
        say("error: PyTorch is not installed: pip install -e '.[bench]'. Timing our side only.")
    try:
        code = _measure(options)
    except KeyboardInterrupt:
        say('\nStopped. The finished networks are kept.')
        return 130
    if (options.out / 'table.md').exists():
        print((options.out / 'table.md').read_text())
    return code


if __name__ == '__main__':
    sys.exit(main())
