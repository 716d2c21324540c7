"""One HTML page of all tables that needs nothing else: styles and figures are within.

page.html is the template (every text is escaped by Jinja), page.css its look; what they show is
put together here.
"""

import collections
import pathlib
import re
from typing import NamedTuple

from fmnist_jax.markdown import percent, without_empty_columns
from fmnist_jax.report import claims as claims_table
from fmnist_jax.report import figures
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.claims import evaluate
from fmnist_jax.report.figures import style
from fmnist_jax.report.figures.style import inline
from fmnist_jax.report.other_numbers import also_grid
from fmnist_jax.report.overview import best_reported, ours
from fmnist_jax.report.provenance import command, how_obtained, settings_text
from fmnist_jax.report.rows import JUDGED, VERDICTS, standing, verdict_counts
from fmnist_jax.report.tables import explanations, grid_summary, heading, row_grid, shown_name

_OUTCOMES = {'holds': 'consistent', 'does not hold': 'higher'}  # their colours are verdicts'


class Section(NamedTuple):
    """What the page says of one workdir."""

    anchor: str
    title: str
    heading: str
    rows: list  # rows.Row
    counts: dict  # {key of VERDICTS: rows with a number of the report}
    own: dict  # the same, less the rows that repeat another's
    best: dict | None  # the best number of the report
    grid: list  # cells of the rows' table, the heading first
    summary: str  # of a grid: mean and deviation over its rows
    notes: list  # what its columns mean
    also: list  # cells of what else the report prints, the heading first
    claims: list  # outcomes.Claim
    claims_grid: list  # (claim, cells of its comparisons), the heading first
    claims_notes: list
    drawings: list  # (drawing.Drawing, its <svg>)
    left_out: list  # why there are no more
    missing: list  # rows.Row not run yet
    command: str
    obtained: list  # (what, how)
    settings: str


def _best(rows):
    row = best_reported(rows)
    if row is None:
        return None
    return {
        'name': shown_name(row),
        'reported': percent(row.reported),
        'ours': ours(row),
        'verdict': standing(row),
    }


def _claims(config, rows, workdir):
    """(claims, their cells) of a workdir; none on drawn images."""
    if any(row.dataset == 'synthetic' for row in rows) or not config.get('claims'):
        return [], []
    claims = evaluate(config['claims'], workdir)
    grids = [(claim, claims_table.grid_of(claim)) for claim in claims]
    lines = [line for _, grid in grids for line in grid]
    shown, *lines = without_empty_columns([list(claims_table.HEADINGS), *lines])
    lines = iter(lines)
    return claims, [shown, *[(claim, [next(lines) for _ in grid]) for claim, grid in grids]]


def _section(number, workdir, data_dir):
    config, rows = table_rows.read(workdir, data_dir)
    claims, claims_grid = _claims(config, rows, workdir)
    drawings, left_out = figures.draw(rows, workdir, data_dir)
    slug = re.sub(r'[^\w-]+', '-', workdir.resolve().name)
    anchor = f'table-{number}-{slug}'
    grid = row_grid(rows)
    return Section(
        anchor=anchor,
        title=str(config['title']),
        heading=heading(str(config['title']), rows),
        rows=rows,
        counts=verdict_counts(rows, repeats=True),
        own=verdict_counts(rows),
        best=_best(rows),
        grid=grid,
        summary=grid_summary(rows) if config.get('grid') else '',
        notes=explanations(grid[0], rows),
        also=also_grid(rows),
        claims=claims,
        claims_grid=claims_grid,
        claims_notes=claims_table.explanations(claims),
        drawings=[(d, inline(style.svg(d.figure), f'{anchor}-{d.name}', d.alt)) for d in drawings],
        left_out=left_out,
        missing=[row for row in rows if not row.is_run],
        command=command(workdir, config, rows),
        obtained=how_obtained(rows),
        settings=settings_text(config),
    )


def page(folders, data_dir=None, unrun=()):
    """The page's HTML.

    Args:
      folders: pathlib.Path of each workdir, in the order wanted.
      data_dir: where the test images and labels are (`predictions.labels_at_hand`).
      unrun: listing.Table of tables of which nothing has been run.

    Raises:
      ConfigError, DataError: as `rows.read`, `outcomes.evaluate` and `figures.draw`.
    """
    import jinja2
    from markupsafe import Markup

    sections = [_section(number, w, data_dir) for number, w in enumerate(folders, 1)]
    sections.sort(key=lambda section: section.title)
    total = collections.Counter()
    alone = len(sections) == 1
    for table in [*sections, *unrun]:
        total.update(verdict_counts(table.rows, repeats=alone))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # A figure's texts were escaped when it was drawn.
    environment.filters['drawn'] = Markup
    environment.filters['percent'] = percent
    return environment.get_template('page.html').render(
        sections=sections,
        unrun=[(table, _best(table.rows), verdict_counts(table.rows)) for table in unrun],
        total=total,
        verdicts=VERDICTS,
        judged=sum(total[name] for name in JUDGED),
        outcomes=_OUTCOMES,
        title=sections[0].title if alone else 'Fashion-MNIST reports, re-run',
    )


def write(path, folders, data_dir=None, unrun=()):
    """Writes the page of workdirs, and of tables not run.

    Raises:
      ConfigError, DataError: as `page`.
      OSError: the file cannot be written.
    """
    pathlib.Path(path).write_text(page(folders, data_dir, unrun), encoding='utf-8')
