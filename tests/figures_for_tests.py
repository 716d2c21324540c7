"""Figures as the SVG text that users get."""

import xml.etree.ElementTree as ElementTree

from fmnist_jax.report.figures import style


def draw(function, *arguments):
    with style.look():
        figure = function(*arguments)
    return figure, style.svg(figure.plot)


def texts(svg):
    """All texts of an SVG file, which must be well-formed."""
    root = ElementTree.fromstring(svg)
    return [''.join(element.itertext()) for element in root.iter() if element.tag.endswith('text')]
