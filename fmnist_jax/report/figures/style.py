"""One look for all figures; the same numbers give the same SVG, byte for byte.

Shapes and dashes tell the colours apart in greyscale, too. Blue and orange are from Okabe and Ito's
palette for colour-blind readers (2008). Margins are fixed, in inches: to measure texts would draw
every figure twice.
"""

import contextlib
import html
import io
import pathlib
import re
from typing import Any, NamedTuple

_COLOURS = {  # as in figures.mplstyle; the page has others in dark mode
    'ink': '#1f2328',
    'muted': '#646c76',
    'rule': '#dfe3e8',
    'paper': '#ffffff',
    'blue': '#0072b2',
    'orange': '#d55e00',
}
INK, MUTED, RULE, PAPER, BLUE, ORANGE = _COLOURS.values()
WIDTH = 7.2  # inches, of every figure
LINE = 0.14  # inches, the height of a line of text
SMALL = 7.5  # points
RING = {'ms': 3, 'mfc': 'none', 'mec': MUTED, 'mew': 0.7}  # a seed

_STYLE = pathlib.Path(__file__).parent / 'figures.mplstyle'


class Figure(NamedTuple):
    """A plot with its words."""

    name: str  # stem of its file
    title: str
    caption: str  # what is drawn, and how to read it
    alt: str  # what it shows, for readers who cannot see it
    plot: Any  # matplotlib's Figure


@contextlib.contextmanager
def look():
    """Draws and saves with this look, whatever the user's matplotlibrc says."""
    import matplotlib.style

    with matplotlib.style.context(_STYLE, after_reset=True):
        yield


def new(height, title, left=0.6, right=0.15, top=0.4, bottom=0.45):
    """An empty matplotlib Figure with its title; sizes in inches. To be called within `look`."""
    from matplotlib.figure import Figure as Plot  # without pyplot: no window

    plot = Plot(figsize=(WIDTH, height))
    plot.subplots_adjust(left / WIDTH, bottom / height, 1 - right / WIDTH, 1 - top / height)
    plot.text(0.006, 1 - 0.06 / height, title, va='top', fontsize=9.5, weight='bold')
    return plot


def beside(axes, x, y, text, **options):
    """Text on the line y, x axes' widths from the left."""
    place = axes.get_yaxis_transform()
    axes.text(x, y, text, transform=place, va='center', fontsize=SMALL, **options)


def finish_lines(axes, names, x_label):
    """The axes of a figure with one named line below the other."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis='x')
    axes.spines['left'].set_visible(False)
    axes.set_xlabel(x_label)


def legend(plot, *handles_and_labels, **options):
    """A legend below the title, at the left of the whole plot."""
    anchor = (0, 1 - 0.22 / plot.get_figheight())
    options |= {'loc': 'upper left', 'bbox_to_anchor': anchor, 'borderaxespad': 0}
    plot.legend(*handles_and_labels, **options)


def width_of(names, points=8):
    """Inches that the longest line of `names` may take at the left of an axis."""
    longest = max(len(line) for name in names for line in name.split('\n'))
    return 0.2 + longest * 0.64 * points / 72


def wrapped(name, width):
    """A row's name in lines of at most `width` characters, broken after _, - or a space."""
    lines = []
    while len(name) > width:
        cut = max(name.rfind(separator, 0, width) for separator in '_- ,') + 1
        cut = cut if cut > width // 3 else width
        lines.append(name[:cut])
        name = name[cut:]
    return '\n'.join([*lines, name])


def best_in_words(entries, show, choose=max):
    """'a with 91.00 %' of [(data set, number, name)]; 'a with 98.40 % (mnist), b …' of several."""
    best = {}
    for dataset in dict.fromkeys(dataset for dataset, _, _ in entries):
        of_dataset = [entry for entry in entries if entry[0] == dataset]
        _, number, name = choose(of_dataset, key=lambda entry: entry[1])
        best[dataset] = f'{name} with {show(number)}'
    if len(best) == 1:
        return next(iter(best.values()))
    return ', '.join(f'{words} ({dataset})' for dataset, words in best.items())


# Files.


def _change_tags(change, svg):
    """Applies a function to every tag of an SVG; its texts are escaped and stay as they are."""
    return re.sub(r'<[^>]*>', lambda tag: change(tag[0]), svg)


def _tenth(number):
    return f'{float(number):.1f}'.removesuffix('.0')


def _smaller(svg):
    """The SVG without what draws nothing, and with coordinates to a tenth of a point."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    def coordinates(match):
        numbers = re.sub(r'\d+\.\d+', lambda number: _tenth(number[0]), match[2])
        numbers = re.sub(r'\s*([MLQCz])\s*', r'\1', numbers)
        return f' {match[1]}="{numbers}"'

    def change(tag):
        tag = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else '', tag)
        tag = re.sub(r' transform="rotate\(-?0 [^"]*"', '', tag)
        return re.sub(r' (d|x|y|transform)="([^"]*)"', coordinates, tag)

    svg = re.sub(r'>\s+<', '><', _change_tags(change, svg))
    return re.sub(r'<g[^>]*/>|<g></g>', '', svg)


def svg(plot):
    """The text of an SVG file."""
    file = io.StringIO()
    with look():
        plot.savefig(file, format='svg', metadata={'Date': None, 'Creator': None})
    return _smaller(file.getvalue())


def save(plot, path, dpi=200):
    """Writes a plot to an SVG file, or a PNG file of this resolution."""
    if path.suffix == '.svg':
        path.write_text(svg(plot), encoding='utf-8')
    else:
        with look():
            plot.savefig(path, dpi=dpi, metadata={'Software': None})


def inline(svg, prefix, label, classes):
    """The <svg> element for a page, with the page's colours, of the text of an SVG file.

    `prefix` makes its ids unique in the page. `classes`, {CSS declarations: class name}, gets
    those of the figure.
    """
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>|<style.*?</style>', '', svg, flags=re.DOTALL)
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups()

    def named(match):
        return f' class="{classes.setdefault(match[1], f"s{len(classes)}")}"'

    def change(tag):
        """Changes one tag of the SVG."""
        if tag.startswith('<svg'):
            label_text = html.escape(label)
            return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label_text}">'
        for name, colour in _COLOURS.items():
            tag = tag.replace(colour, f'var(--{name})')
        tag = re.sub(r" font-family: '[^']*';", '', tag)
        tag = re.sub(r' style="([^"]*)"', named, tag)
        tag = re.sub(r' id="', f' id="{prefix}-', tag)
        return re.sub(r'(href="#|url\(#)', rf'\g<1>{prefix}-', tag)

    return _change_tags(change, svg)
