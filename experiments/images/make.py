"""Makes the README's pictures: the accuracy plot of a table and a terminal capture of a run.

script -c 'python -m fmnist_jax.main --config=configs/quickstart.py' run.txt
python experiments/images/make.py run.txt
"""

import argparse
import html
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
COMMAND = 'python -m fmnist_jax.main --config=configs/quickstart.py'
_FIRST_CUT = 'train s'  # the table's columns from here on are times
_WIDTH, _HEIGHT = 6.0, 15  # pixels of a character cell
_LINE = (
    '<text x="12" y="{y}" fill="{color}" textLength="{length}" '
    'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{text}</text>'
)
_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"
  font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="10">
<title>{title}</title>
<rect width="100%" height="100%" rx="6" fill="#0d1117"/>
{lines}
</svg>
"""


def plot(table='fcn_optimizers'):
    """Writes accuracy.svg from the committed result lines of a table."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = shutil.copytree(HERE.parent / table, pathlib.Path(folder) / table)
        command = [sys.executable, '-m', 'fmnist_jax.report', str(workdir), '--figures']
        subprocess.run(command, check=True, cwd=HERE.parent.parent, stdout=subprocess.DEVNULL)
        shutil.copy(workdir / 'figures' / 'accuracy.svg', HERE / 'accuracy.svg')


def screen(capture):
    """The lines of a terminal capture: each bar in its last state, without notes and times."""
    end = None
    for line in capture.split('\n'):
        states = [state for state in line.split('\r') if state.strip()]
        if states and not states[-1].startswith(('Script ', '- ', '  ')):
            if states[-1].startswith('| row') and _FIRST_CUT in states[-1]:
                end = states[-1].index(_FIRST_CUT) - 1
            text = states[-1][:end] if states[-1].startswith('|') else states[-1]
            yield re.sub(r' \[\d[^]]*\]$', '', text)  # the bar's times


def terminal(capture):
    """Writes run.svg from the output of `script`."""
    lines = [f'$ {COMMAND}', *screen(capture)]
    shown = [
        _LINE.format(
            y=22 + _HEIGHT * i,
            color='#7ee787' if text.startswith('$') else '#e6edf3',
            length=_WIDTH * len(text),
            text=html.escape(text),
        )
        for i, text in enumerate(lines)
    ]
    page = _PAGE.format(
        width=_WIDTH * max(map(len, lines)) + 24,
        height=_HEIGHT * len(lines) + 20,
        title=f'Output of {COMMAND}',
        lines='\n'.join(shown),
    )
    (HERE / 'run.svg').write_text(page)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('run', nargs='?', type=pathlib.Path, help='what `script` wrote: run.txt')
    recorded = parser.parse_args().run
    plot()
    if recorded:
        terminal(recorded.read_bytes().decode())
