"""Markdown tables."""

import math
import textwrap


def markdown(heading, rows):
    """An aligned Markdown table; nothing without rows."""
    return grid([heading, *rows]) + '\n' if rows else ''


def grid(rows):
    """Rows of cells, the first the heading, as an aligned Markdown table without a last newline."""
    rows = [[cell.replace('|', r'\|') for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        '| ' + ' | '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + ' |'
        for row in rows
    ]
    lines.insert(1, '|' + '|'.join('-' * (w + 2) for w in widths) + '|')
    return '\n'.join(lines)


def significant(number, digits=3):
    """23456.7 -> 23,500; 0.012345 -> 0.0123; nothing for None."""
    if number is None:
        return ''
    rounded = float(f'{number:.{digits}g}')
    if abs(rounded) >= 10 ** (digits - 1):
        return f'{rounded:,.0f}'
    return f'{rounded:g}'


# Numbers as cells of tables, and what stands below a table.


def percent(fraction):
    """0.9094 -> 90.94; nothing for None and NaN."""
    return '' if fraction is None or math.isnan(fraction) else f'{100 * fraction:.2f}'


def sides(shape):
    """(28, 28, 1) -> 28×28×1."""
    return '×'.join(map(str, shape))


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
