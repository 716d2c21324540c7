"""Runs every table of the five reports within a time limit and keeps finished rows.

    python experiments/run_all.py --minutes=25
    python experiments/run_all.py --minutes=480 -- --pretrained=weights.h5 --fresh=conv_pw_13

Each table is one call of fmnist_jax.main with the workdir experiments/<config>/; quick tables come
first. When the time is up, the script stops the running row; the same command resumes it from its
last checkpoint. Every row of a table gets the number of seeds that its config declares, or
--num_seeds, whatever its verdict is. Flags after `--` go to every call of fmnist_jax.main, but not
to the script of scikit-learn's classifiers.
"""

import pathlib
import signal
import subprocess
import sys
import time

from fmnist_jax.config.cli import Parser

ROOT = pathlib.Path(__file__).resolve().parent.parent
_SCRIPTS = {'scikit_learn': 'experiments/scikit_learn/baseline.py'}  # all others are configs
_REPORTS = (  # (config or script, rows)
    ('fcn_optimizers', '*'),
    ('fcn_regularization', '*'),
    ('fcn_scaling', '*'),
    ('scikit_learn', '*'),
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
READINGS = (  # of what the reports leave open, after their own tables
    ('rmsprop_rules', '*'),
    ('readings_003', '*'),
    ('readings_002', '*'),
    ('readings_001', '*'),
    ('readings_004', '*'),
    ('readings_000', '*'),
)
_CALLS = _REPORTS + READINGS
TABLES = tuple((name, rows) for name, rows in _REPORTS if name not in _SCRIPTS)
_SECONDS_TO_START = 30  # with less time left, a table would stop while it still compiles
_SECONDS_TO_STOP = 60  # after Ctrl-C, for the current call of the compiled loop to end


def _command(name, rows, options):
    seeds = [f'num_seeds={options.num_seeds}'] if options.num_seeds else []
    if name in _SCRIPTS:
        return [sys.executable, _SCRIPTS[name], *(f'--{flag}' for flag in seeds)]
    weights = ('--pretrained', '--fresh')  # an error for tables without pretrained weights
    flags = [f for f in options.main_flags if name == 'mobilenet' or not f.startswith(weights)]
    return [
        sys.executable,
        '-m',
        'fmnist_jax.main',
        f'--config=configs/{name}.py',
        f'--rows={rows}',
        f'--workdir=experiments/{name}',
        *(f'--config.{flag}' for flag in seeds),
        *flags,
    ]


def _run(command, seconds):
    """Runs the command; returns its exit code, or None if the time was up first."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # like Ctrl-C: the command keeps finished work
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
    parser = Parser(description=__doc__)
    parser.add_argument('--minutes', type=float, required=True, help='time limit for all tables')
    parser.add_argument('--num_seeds', type=int, help="seeds of every row (its config's number)")
    parser.add_argument('--tables', default='', help='names of tables, comma-separated (all)')
    parser.add_argument('main_flags', nargs='*', metavar='-- FLAG', help='flags of fmnist_jax.main')
    options = parser.parse_args(argv)
    known = {name for name, _ in _CALLS}
    options.tables = [name for name in options.tables.split(',') if name]
    unknown = sorted(set(options.tables) - known)
    if unknown:
        parser.error(f'--tables={",".join(unknown)}: expected some of {", ".join(sorted(known))}')
    if not options.minutes >= 1:  # also true for NaN
        parser.error(f'--minutes={options.minutes:g}: expected 1 or more')
    if options.num_seeds is not None and options.num_seeds < 1:
        parser.error(f'--num_seeds={options.num_seeds}: expected 1 or more')
    return options


def main(argv=None):
    """Runs the tables.

    Returns:
      0 if all tables are done, 1 if the time was up, 2 if a table failed, 130 after Ctrl-C.
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
            print('Time is up; run the same command again to resume.', file=sys.stderr)
            return 1
        if code == 130:
            return 130
        if code:
            failed.append(name)  # the table's own message says why; the other tables still run
    if failed:
        print(f'Not finished: {", ".join(dict.fromkeys(failed))}; see above.', file=sys.stderr)
    return 2 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
