"""An SVG file's text as part of an HTML page: the page's colours, ids of its own, an alt text."""

import html
import re

from fmnist_jax.report.figures import style

# Colours become the page's, which are others where the reader prefers a dark one.
_COLOURS = {
    style.INK: 'var(--ink)',
    style.MUTED: 'var(--muted)',
    style.RULE: 'var(--rule)',
    style.PAPER: 'var(--paper)',
    style.BLUE: 'var(--blue)',
    style.ORANGE: 'var(--orange)',
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

    return style.in_tags(change, svg)
