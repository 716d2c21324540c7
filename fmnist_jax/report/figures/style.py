"""One look for all figures, and the same SVG, byte for byte, for the same numbers.

Colours are told apart in greyscale by shape or dashes as well. Blue and orange are of Okabe and
Ito's palette for colour-blind readers (2008).
"""

import contextlib
import io
import re

INK, MUTED, RULE, PAPER = '#1f2328', '#646c76', '#dfe3e8', '#ffffff'
BLUE, ORANGE = '#0072b2', '#d55e00'
WIDTH = 7.2  # inches, of every figure

_STYLE = {
    'axes.edgecolor': MUTED,
    'axes.grid': True,
    'axes.labelcolor': INK,
    'axes.labelsize': 8.5,
    'axes.linewidth': 0.6,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.titlecolor': INK,
    'axes.titlelocation': 'left',
    'axes.titlesize': 8.5,
    'figure.facecolor': PAPER,
    'axes.facecolor': 'none',
    'font.family': 'DejaVu Sans',  # comes with matplotlib: the same layout everywhere
    'font.size': 8.5,
    'grid.color': RULE,
    'grid.linewidth': 0.6,
    'legend.fontsize': 8.5,
    'legend.frameon': False,
    'lines.linewidth': 1.4,
    'svg.fonttype': 'none',  # text stays text: small files that can be searched and read aloud
    'svg.hashsalt': 'fmnist_jax',
    'text.color': INK,
    'text.parse_math': False,  # a $ in a row's name is a $
    'xtick.color': MUTED,
    'xtick.labelcolor': INK,
    'xtick.labelsize': 8,
    'ytick.color': MUTED,
    'ytick.labelcolor': INK,
    'ytick.labelsize': 8,
}


@contextlib.contextmanager
def look():
    """Everything drawn and saved within has this look, whatever the user's matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new(height):
    """An empty figure, `height` in inches; to be called within `look`."""
    from matplotlib.figure import Figure  # without pyplot: no window, no list of open figures

    return Figure(figsize=(WIDTH, height), layout='constrained')


def _shorter(match):
    """A path's coordinates with two decimals: a hundredth of a point is below a pixel."""
    numbers = re.sub(r'\d+\.\d{3,}', lambda number: f'{float(number[0]):.2f}', match[2])
    return f' {match[1]}="{numbers}"'


def in_tags(change, text):
    """Applies a function to every tag of an SVG; its texts, escaped, stay as they are."""
    return re.sub(r'<[^>]*>', lambda tag: change(tag[0]), text)


def svg(figure):
    """The figure as the text of an SVG file."""
    file = io.StringIO()
    with look():
        figure.savefig(file, format='svg', metadata={'Date': None, 'Creator': None})
    return in_tags(lambda tag: re.sub(r' (d|x|y)="([^"]*)"', _shorter, tag), file.getvalue())


def save(figure, path):
    """Writes the figure as the file's ending says: .svg or .png.

    Raises:
      OSError: the file cannot be written.
    """
    if path.suffix == '.svg':
        path.write_text(svg(figure), encoding='utf-8')
        return
    with look():
        figure.savefig(path, dpi=200, metadata={'Software': None})
