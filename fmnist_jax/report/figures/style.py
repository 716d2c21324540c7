"""One look for all figures, and the same SVG, byte for byte, for the same numbers.

Colours are told apart in greyscale by shape or dashes as well. Blue and orange are of Okabe and
Ito's palette for colour-blind readers (2008).
"""

import contextlib
import html
import io
import re
from typing import Any, NamedTuple

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


# What a figure is for those who show it.


class Drawing(NamedTuple):
    """A figure with its words."""

    name: str  # stem of its file
    title: str
    caption: str  # what is drawn, and how to read it
    alt: str  # what it shows, for those who cannot see it
    figure: Any  # matplotlib's Figure


def wrapped(name, width):
    """A row's name in lines of at most `width` characters, broken after _, - or a space if any."""
    lines = []
    while len(name) > width:
        cut = max(name.rfind(separator, 0, width) for separator in '_- ,') + 1
        cut = cut if cut > width // 3 else width
        lines.append(name[:cut])
        name = name[cut:]
    return '\n'.join([*lines, name])


def per_cent(fraction):
    """0.9094 -> '90.94 %'."""
    return f'{100 * fraction:.2f} %'


def best_in_words(entries, choose=max, show=per_cent):
    """'a with 91.00 %'; of several data sets 'a with 98.40 % (mnist), b with 91.00 % (…)'.

    Args:
      entries: (data set, number, row's name) of each row, at least one.
      choose: max or min.
      show: number -> its text.
    """
    best = {}
    for dataset in dict.fromkeys(dataset for dataset, _, _ in entries):
        mine = [(number, name) for of, number, name in entries if of == dataset]
        number, name = choose(mine, key=lambda pair: pair[0])
        best[dataset] = f'{name} with {show(number)}'
    if len(best) == 1:
        return next(iter(best.values()))
    return ', '.join(f'{words} ({dataset})' for dataset, words in best.items())


# An SVG file's text as part of an HTML page: the page's colours, ids of its own, an alt text.

# Colours become the page's, which are others where the reader prefers a dark one.
_COLOURS = {
    INK: 'var(--ink)',
    MUTED: 'var(--muted)',
    RULE: 'var(--rule)',
    PAPER: 'var(--paper)',
    BLUE: 'var(--blue)',
    ORANGE: 'var(--orange)',
}


def inline(svg, prefix, label):
    """The <svg> element for a page.

    Args:
      svg: text of a file that `style.svg` made.
      prefix: of all ids, which are unique in a page that holds many figures.
      label: what the figure shows, for those who cannot see it.
    """
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    svg = re.sub(r'<style.*?</style>', '', svg, flags=re.DOTALL)  # would hold for the whole page
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups()

    def change(tag):
        """A tag with the page's colours and names of its own in place of matplotlib's."""
        if tag.startswith('<svg'):
            label_text = html.escape(label)
            return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label_text}">'
        for colour, name in _COLOURS.items():
            tag = tag.replace(colour, name)
        tag = re.sub(r" font-family: '[^']*';", '', tag)
        tag = re.sub(r' id="', f' id="{prefix}-', tag)
        return re.sub(r'(href="#|url\(#)', rf'\g<1>{prefix}-', tag)

    return in_tags(change, svg)
