"""The tables of table.md. Each function maps {network: its entry in speed.json} to Markdown."""

from experiments.speed import rates
from experiments.speed.networks import NETWORKS
from fmnist_jax.markdown import markdown, significant


def _times(ratio):
    return f'{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})'


def _megabytes(memory):
    return f'{memory["peak_bytes"] / 1e6:,.0f}' if memory else ''


def _seeds(entries):
    """All numbers of seeds that were timed, sorted."""
    return sorted({c['seeds'] for e in entries.values() for c in rates.of_side(e, 'jax')})


def _with(seeds):
    return f'{seeds} seed{"s" * (seeds > 1)}'


def summary(entries):
    """The README's table: PyTorch's rate and ours, with the ratio in parentheses."""
    seeds, rows = _seeds(entries), []
    for name, entry in entries.items():
        theirs = rates.best_torch(entry)
        cells = [name, significant(rates.images_per_second(theirs)) if theirs else '']
        for count in seeds:
            ours = rates.ours(entry, count)
            cell = significant(rates.images_per_second(ours)) if ours else ''
            if ours and theirs:
                cell += f' ({rates.ratio(ours, theirs).median:.2f} ×)'
            cells.append(cell)
        rows.append(cells)
    return markdown(['network', 'PyTorch', *[f'ours, {_with(n)}' for n in seeds]], rows)


def images(entries):
    seeds, rows = _seeds(entries), []
    for name, entry in entries.items():
        theirs = rates.best_torch(entry)
        cells = [name, '', '']
        if theirs:
            cells[1:] = significant(rates.images_per_second(theirs)), theirs['memory_format']
        for count in seeds:
            ours = rates.ours(entry, count)
            cells.append(significant(rates.images_per_second(ours)) if ours else '')
            cells.append(_times(rates.ratio(ours, theirs)) if ours and theirs else '')
        rows.append([*cells, significant(rates.other_cores(entry), 2)])
    ours = [cell for n in seeds for cell in (f'ours, {_with(n)}', '× PyTorch')]
    return markdown(['network', 'PyTorch', 'memory format', *ours, 'other programs, cores'], rows)


def epochs(entries):
    seeds, rows = _seeds(entries), []
    for name, entry in entries.items():
        network = NETWORKS[name]
        columns = [rates.best_torch(entry), *[rates.ours(entry, count) for count in seeds]]
        times = [significant(rates.epoch_seconds(c)) if c else '' for c in columns]
        printed = f'{network.epoch_seconds:g} ({network.report})' if network.epoch_seconds else ''
        rows.append([name, *times, printed])
    heading = ['network', 'PyTorch', *[f'ours, {_with(n)}' for n in seeds], 'the report']
    return markdown(heading, rows)


def arithmetic(entries):
    seeds, rows = _seeds(entries), []
    for name, entry in entries.items():
        count, product = entry['multiply_adds'], entry['matrix_product']['gflops']
        columns = [rates.best_torch(entry), *[rates.ours(entry, n) for n in seeds]]
        reached = [rates.gflops(c, count) if c else None for c in columns]
        share = f'{100 * max(filter(None, reached[1:])) / product:.0f} %'
        cells = [significant(g) for g in (count / 1e6, *reached, product)]
        rows.append([name, *cells, share])
    ours = [f'ours, {_with(n)}' for n in seeds]
    heading = ['network', 'multiply-adds, 10⁶', 'PyTorch', *ours, 'matrix product', 'ours / that']
    return markdown(heading, rows)


def convolutions(entries):
    rows = []
    for name, entry in entries.items():
        ours, plain = rates.ours(entry, 1), rates.plain(entry)
        if ours and plain:
            speeds = [significant(rates.images_per_second(c)) for c in (plain, ours)]
            rows.append([name, *speeds, _times(rates.ratio(ours, plain))])
    heading = ['network', 'plain lax.conv', 'our layers', 'ours / plain']
    return markdown(heading, rows) if rows else ''


def memory(entries):
    seeds, rows = sorted({int(n) for e in entries.values() for n in e['memory']}), []
    for name, entry in entries.items():
        theirs, second = rates.best_torch(entry), entry['second_start']
        ours = rates.ours(entry, second['seeds'])['start']
        start = second['start_seconds'] - second['import_seconds']
        rows.append([
            name,
            f'{ours["parameters"]:,}',
            _megabytes(theirs and theirs['memory']),
            *[_megabytes(entry['memory'].get(str(n))) for n in seeds],
            significant(ours['compile_seconds'], 2),
            significant(start, 2),
            _with(second['seeds']),
        ])  # fmt: skip
    ours = [f'ours, {_with(n)}' for n in seeds]
    heading = ['network', 'parameters', 'PyTorch', *ours, 'compiling, s', 'second start, s', 'of']
    return markdown(heading, rows)


def parts(entries):
    rows = []
    for name, entry in entries.items():
        if entry.get('parts'):
            seconds = rates.part_seconds(entry['parts'])
            rows.append([name, *[f'{s:.2f} s = {s / seconds[1]:.2f}' for s in seconds.values()]])
    return markdown(['network', '1/4 of an epoch', '1/2', 'all'], rows)


def steps(entries):
    rows = []
    for name, entry in entries.items():
        if not entry.get('loop'):
            continue
        step = rates.step_milliseconds(entry['loop'])
        together = []
        one = rates.ours(entry, 1)
        for several in rates.of_side(entry, 'jax'):
            if several['seeds'] > 1:
                together.append(f'{several["seeds"]}: {_times(rates.ratio(several, one))}')
        names = ('in_loop', 'own_program', 'single_call', 'call')
        times = [significant(step[n]) for n in names]
        relative = f'{step["in_loop"] / step["own_program"]:.2f}'
        rows.append([name, *times, relative, '; '.join(together)])
    heading = ['network', 'in the loop', 'by itself', 'loop of one step', 'a call']
    return markdown([*heading, 'loop / by itself', 'seeds: times as fast together'], rows)


def _each_of_ours(groups):
    """Yields ({'contestants': a group}, one of our contestants in it) for all of ours."""
    for contestants in groups:
        group = {'contestants': contestants}
        for ours in rates.of_side(group, 'jax'):
            yield group, ours


def modes(entries):
    rows = []
    for name, entry in entries.items():
        for group, ours in _each_of_ours(entry['groups']):
            theirs = rates.best_torch(group, ours['compute'])
            rows.append([
                name,
                entry['machine']['kind'],
                ours['compute'],
                str(ours['seeds']),
                ours['mode'],
                significant(rates.images_per_second(ours)),
                significant(rates.epoch_seconds(ours)),
                significant(rates.images_per_second(theirs)) if theirs else '',
                _times(rates.ratio(ours, theirs)) if theirs else '',
                _megabytes(ours['memory']),
                significant(ours['start']['compile_seconds'], 2),
                significant(rates.other_cores(group), 2),
            ])  # fmt: skip
    heading = ['network', 'device', 'compute', 'seeds', 'mode', 'images/s', 'epoch of a seed, s']
    heading += ['PyTorch', '× PyTorch', 'memory, MB', 'compiling, s', 'other programs, cores']
    return markdown(heading, rows)
