"""Numbers as cells of tables, and what stands below a table."""

import math
import textwrap


def percent(fraction):
    """0.9094 -> 90.94; nothing for None and NaN."""
    return '' if fraction is None or math.isnan(fraction) else f'{100 * fraction:.2f}'


def interval(bounds):
    """(0.88, 0.9) -> 88.00 to 90.00; nothing where they are NaN."""
    low, high = bounds
    return '' if math.isnan(low) else f'{percent(low)} to {percent(high)}'


def number(value, digits):
    """With so many decimals; nothing for None and NaN."""
    return '' if value is None or math.isnan(value) else f'{value:.{digits}f}'


def without_empty_columns(rows):
    """Rows of cells, the first the heading, less the columns that are empty below it."""
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    return [[row[i] for i in kept] for row in rows]


def notes(items):
    """A list of what the words of a table mean, in lines that a terminal can show."""
    lines = [textwrap.fill(f'- {item}', width=99, subsequent_indent='  ') for item in items]
    return '\n' + '\n'.join(lines) + '\n' if lines else ''
