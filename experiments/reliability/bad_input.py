"""Tries bad settings and damaged files and counts the outcomes; writes bad_input.md.

    python experiments/reliability/bad_input.py              all cases, three minutes
    python experiments/reliability/bad_input.py --damages=20 fewer damages of each file

Every case must be refused or accepted; bad_input.md says what both mean.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent))

from experiments.reliability import bad_config_files, bad_configs, bad_files
from fmnist_jax import markdown

_INTRODUCTION = """*Refused*: the error is one line that names the field or the file. On the command
line, the exit code is 2 and there is no traceback. *Accepted* settings were traced through
training, evaluation and test. *Accepted* files gave the data that was written, or have no checksum
(Keras weights, result lines). Files were cut off, or had blocks of zeros, changed bytes, garbage or
other contents. `python experiments/reliability/bad_input.py` makes this page.
"""
CONFIG = pathlib.Path(__file__).resolve().parent.parent.parent / 'configs' / 'quickstart.py'


def trials(folder, damages):
    """Pairs of (the kind of input, function that returns {case: outcome})."""
    return (
        ('a field of a row', lambda: bad_configs.rows(traced=set())),
        ('a flag', lambda: bad_configs.command_lines(CONFIG)),
        ("a user's config file", lambda: bad_config_files.config_files(folder)),
        ('IDX file', lambda: bad_files.idx(folder, damages)),
        ('contents of IDX files', lambda: bad_files.idx_contents(folder)),
        ('Keras weights', lambda: bad_files.weights(folder, damages // 8)),
        ('result lines', lambda: bad_files.result_lines(folder, damages)),
        ("a workdir's config.json", lambda: bad_files.configs(folder, damages)),
        ('predictions', lambda: bad_files.predictions(folder, damages)),
    )


def table(folder, damages):
    """(Markdown table of counts, {case: outcome} of the failures)."""
    lines, failures = [('what', 'cases', 'refused', 'accepted', 'anything else')], {}
    for what, run in trials(folder, damages):
        outcomes = run()
        wrong = {c: o for c, o in outcomes.items() if o not in ('refused', 'accepted')}
        counts = [list(outcomes.values()).count(o) for o in ('refused', 'accepted')]
        lines.append((what, *(f'{n:,}' for n in (len(outcomes), *counts, len(wrong)))))
        failures |= {f'{what}: {case}': outcome for case, outcome in wrong.items()}
    return markdown.grid(lines), failures


def main():
    """Writes bad_input.md if no case failed; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--damages', type=int, default=400, help='damaged versions of each file')
    damages = parser.parse_args().damages
    with tempfile.TemporaryDirectory() as folder:
        text, failures = table(folder, damages)
    for case, outcome in list(failures.items())[:20]:
        print(f'{case}: {outcome}', file=sys.stderr)
    print(text)
    if failures:
        return 1
    page = f'# Bad settings and damaged files\n\n{_INTRODUCTION}\n{text}\n'
    pathlib.Path(__file__).with_suffix('.md').write_text(page)
    return 0


if __name__ == '__main__':
    sys.exit(main())
