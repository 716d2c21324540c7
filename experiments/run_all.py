"""Runs every table of the five reports, within a time limit; what is there already is kept.

    python experiments/run_all.py --minutes=25 --num_seeds=10
    python experiments/run_all.py --minutes=480 -- --pretrained=weights.h5 --fresh=conv_pw_13

Each table is one call of fmnist_jax.main into experiments/<config>/, the quick ones first. When
the time is up the row that runs is stopped: the same command goes on from its last checkpoint. With
more seeds than a row has, the missing ones are added. What follows `--` is handed to every call.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = (  # (config, rows)
    ('fcn_optimizers', '*'),
    ('fcn_regularization', '*'),
    ('lenet', '*'),
    ('ann_vs_cnn', '*'),
    ('cnn_variants', 'cnn_4*'),
    ('cnn_variants', 'cnn_2*'),
    ('cnn2_tuned', '*'),
    ('mobilenet', '*'),
    ('tuning_1_layer', '*'),
    ('tuning_2_layers', '*'),
    ('tuning_3_layers', '*'),
    ('cnn_variants', '*'),
)
_SECONDS_TO_STOP = 60  # after Ctrl-C: a call of the compiled loop has to end


def _command(config, rows, options):
    return [
        *(sys.executable, '-m', 'fmnist_jax.main', f'--config=configs/{config}.py'),
        *(f'--rows={rows}', f'--workdir=experiments/{config}'),
        *(f'--config.num_seeds={options.num_seeds}', *options.main_flags),
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--minutes', type=float, required=True, help='time limit of all tables')
    parser.add_argument('--num_seeds', type=int, default=5, help='of every row (5)')
    parser.add_argument('--tables', default='', help='configs by name, separated by commas (all)')
    parser.add_argument('main_flags', nargs='*', metavar='-- FLAG', help="fmnist_jax.main's flags")
    options = parser.parse_args(argv)
    known = {config for config, _ in TABLES}
    options.tables = [name for name in options.tables.split(',') if name]
    unknown = sorted(set(options.tables) - known)
    if unknown:
        parser.error(f'--tables={",".join(unknown)}: expected some of {", ".join(sorted(known))}')
    if options.minutes <= 0 or options.num_seeds < 1:
        parser.error('--minutes and --num_seeds: expected more than 0')
    return options


def main(argv=None):
    """Runs the tables; returns 0 if all are done, 1 if time ran out, 2 if a table failed."""
    options = _options(argv)
    deadline = time.monotonic() + 60 * options.minutes
    failed = []
    for config, rows in TABLES:
        if options.tables and config not in options.tables:
            continue
        print(f'\n=== {config} {rows}', file=sys.stderr, flush=True)
        code = _run(_command(config, rows, options), max(0, deadline - time.monotonic()))
        if code is None:
            print('Time is up; the same command goes on from here.', file=sys.stderr)
            return 1
        if code == 130:
            return 130
        if code:
            failed.append(config)  # its own message says why; the others can still run
    if failed:
        print(f'Not finished: {", ".join(failed)}; see above.', file=sys.stderr)
    return 2 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
