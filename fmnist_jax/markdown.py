"""Cells of a Markdown table."""


def markdown(heading, rows):
    """An aligned Markdown table; nothing without rows."""
    if not rows:
        return ''
    widths = [max(len(row[i]) for row in (heading, *rows)) for i in range(len(heading))]
    lines = [
        '| ' + ' | '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + ' |'
        for row in (heading, *rows)
    ]
    lines.insert(1, '|' + '|'.join('-' * (w + 2) for w in widths) + '|')
    return '\n'.join(lines) + '\n'


def significant(number, digits=3):
    """23456.7 -> 23,500; 0.012345 -> 0.0123; nothing for None."""
    if number is None:
        return ''
    rounded = float(f'{number:.{digits}g}')
    if abs(rounded) >= 10 ** (digits - 1):
        return f'{rounded:,.0f}'
    return f'{rounded:g}'
