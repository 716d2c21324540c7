"""One self-contained HTML page of all tables: page.html is its template, page.css its style."""

import collections
import re

from markupsafe import Markup, escape

from fmnist_jax.report import claims, figures, provenance, readings, scorecard, tables
from fmnist_jax.report import rows as table_rows
from fmnist_jax.report.figures import style
from fmnist_jax.report.model_card import template
from fmnist_jax.report.other_numbers import other_numbers_grid
from fmnist_jax.report.rows import JUDGED, VERDICTS, verdict_counts

_OUTCOMES = {'holds': 'consistent', 'does not hold': 'higher'}  # share the verdicts' colours


def _section(number, workdir, data_dir, repeats, classes):
    """What the template shows of one workdir. Adds to `classes`, {CSS declarations: class name}."""
    config, rows = table_rows.read(workdir)
    is_real = not any(row.dataset == 'synthetic' for row in rows)
    evaluated = claims.evaluate(config['claims'], workdir) if is_real else []
    drawn, _ = figures.draw(rows, workdir, data_dir)
    svgs = [
        style.inline(style.svg(figure.plot), f'f{number}-{k}', figure.alt, classes)
        for k, figure in enumerate(drawn)
    ]
    slug = re.sub(r'[^\w-]+', '-', workdir.resolve().name)
    return {
        'anchor': f'table-{number}-{slug}',
        'title': str(config['title']),
        'workdir': workdir,
        'config': config,
        'rows': rows,
        'counts': verdict_counts(rows, repeats),
        'claims': evaluated,
        'figures': list(zip(drawn, svgs, strict=True)),
    }


def page(folders, data_dir=None, not_run=(), say=lambda line: None):
    """The page's HTML.

    Args:
      folders: pathlib.Path of each workdir.
      data_dir: folder of the test images and labels (`arrays.labels_at_hand`).
      not_run: [tables.Table] without a workdir.
      say: receives a line of progress for each workdir.
    """
    is_single = len(folders) == 1
    sections, classes = [], {}
    for number, workdir in enumerate(folders, 1):
        say(f'{workdir}: table {number} of {len(folders)}')
        sections.append(_section(number, workdir, data_dir, is_single, classes))
    sections.sort(key=lambda section: section['title'])
    missing = [(table, verdict_counts(table.rows)) for table in not_run]
    scored = [
        (s['title'], s['rows'], scorecard.of_report(s['config'], s['claims'])) for s in sections
    ]
    scored += [(table.title, table.rows, []) for table in not_run]
    total = collections.Counter()
    for counts in [s['counts'] for s in sections] + [counts for _, counts in missing]:
        total.update(counts)
    filters = {
        'svg': Markup,  # matplotlib escaped its texts
        'breakable': lambda name: escape(name).replace('_', Markup('_<wbr>')),
    }
    return template('page.html', filters, autoescape=True).render(
        sections=sections,
        not_run=missing,
        total=total,
        verdicts=VERDICTS,
        judged=sum(total[name] for name in JUDGED),
        outcomes=_OUTCOMES,
        scores=scorecard.scores(scored),
        scorecard=scorecard,
        tables=tables,
        claims=claims,
        provenance=provenance,
        readings=readings,
        other_numbers=other_numbers_grid,
        classes=classes,
        title=sections[0]['title'] if is_single else 'Fashion-MNIST reports, re-run',
    )
