"""What a figure is for those who show it."""

from typing import Any, NamedTuple


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
