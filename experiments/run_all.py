"""Runs every table of the five reports, within a time limit; what is there already is kept.

    python experiments/run_all.py --minutes=25 --num_seeds=10
    python experiments/run_all.py --minutes=480 -- --pretrained=weights.h5 --fresh=conv_pw_13

Each table is one call of fmnist_jax.main into experiments/<config>/, the quick ones first. When
the time is up the row that runs is stopped: the same command goes on from its last checkpoint. With
more seeds than a row has, the missing ones are added. What follows `--` is handed to every call but
that of scikit-learn's classifiers: a script of their own, which knows no flag of fmnist_jax.main.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import time

from fmnist_jax.config.cli import Parser

ROOT = pathlib.Path(__file__).resolve().parent.parent
_SCRIPTS = {'scikit_learn': 'experiments/scikit_learn/baseline.py'}  # the others are configs
_CALLS = (  # (config or script, rows)
    ('fcn_optimizers', '*'),
    ('fcn_regularization', '*'),
    ('fcn_scaling', '*'),
    ('scikit_learn', '*'),  # the last of report 002
    ('lenet', '*'),
    ('ann_vs_cnn', '*'),
    ('cnn_variants', 'cnn_4*'),
    ('cnn_variants', 'cnn_2*'),
    ('cnn2_tuned', '*'),
    ('mobilenet', '*'),
    ('cnn_l2', '*'),
    ('tuning_1_layer', '*'),
    ('tuning_2_layers', '*'),
    ('tuning_3_layers', '*'),
    ('cnn_variants', '*'),
)
TABLES = tuple((name, rows) for name, rows in _CALLS if name not in _SCRIPTS)
_SECONDS_TO_START = 30  # with less left a table would be stopped while it loads and compiles
_SECONDS_TO_STOP = 60  # after Ctrl-C: a call of the compiled loop has to end


def _command(name, rows, options):
    if name in _SCRIPTS:
        return [sys.executable, _SCRIPTS[name], f'--num_seeds={options.num_seeds}']
    of_weights = ('--pretrained', '--fresh')  # refused where no row starts from weights
    flags = [f for f in options.main_flags if name == 'mobilenet' or not f.startswith(of_weights)]
    return [
        *(sys.executable, '-m', 'fmnist_jax.main', f'--config=configs/{name}.py'),
        *(f'--rows={rows}', f'--workdir=experiments/{name}'),
        *(f'--config.num_seeds={options.num_seeds}', *flags),
    ]


def _run(command, seconds):
    """The command's exit code; None if it was stopped because its time was up."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # as Ctrl-C: what is done is kept
        try:
            process.wait(timeout=_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return None
    except KeyboardInterrupt:
        process.wait()
        raise


def _options(argv):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, required=True, help='time limit of all tables')
    parser.add_argument('--num_seeds', type=int, default=5, help='of every row (5)')
    parser.add_argument('--tables', default='', help='by name, separated by commas (all)')
    parser.add_argument('main_flags', nargs='*', metavar='-- FLAG', help="fmnist_jax.main's flags")
    options = parser.parse_args(argv)
    known = {name for name, _ in _CALLS}
    options.tables = [name for name in options.tables.split(',') if name]
    unknown = sorted(set(options.tables) - known)
    if unknown:
        parser.error(f'--tables={",".join(unknown)}: expected some of {", ".join(sorted(known))}')
    if not options.minutes >= 1:  # so written that NaN is refused, too
        parser.error(f'--minutes={options.minutes:g}: expected 1 or more')
    if options.num_seeds < 1:
        parser.error(f'--num_seeds={options.num_seeds}: expected 1 or more')
    return options


def main(argv=None):
    """Runs the tables.

    Returns:
      0 if all are done, 1 if time ran out, 2 if a table failed, 130 if one was stopped by Ctrl-C.
    """
    options = _options(argv)
    deadline = time.monotonic() + 60 * options.minutes
    failed = []
    for name, rows in _CALLS:
        if options.tables and name not in options.tables:
            continue
        left, code = deadline - time.monotonic(), None
        if left >= _SECONDS_TO_START:
            print(f'\n=== {name} {rows}', file=sys.stderr, flush=True)
            code = _run(_command(name, rows, options), left)
        if code is None:
            print('Time is up; the same command goes on from here.', file=sys.stderr)
            return 1
        if code == 130:
            return 130
        if code:
            failed.append(name)  # its own message says why; the others can still run
    if failed:
        print(f'Not finished: {", ".join(dict.fromkeys(failed))}; see above.', file=sys.stderr)
    return 2 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
