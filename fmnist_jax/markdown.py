"""Markdown tables."""


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
