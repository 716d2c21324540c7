"""The HTML page: what it says, that nothing can be injected, that it needs nothing else."""

import base64
import itertools
import pathlib
import re

import browser_for_tests
import numpy as np
import pytest
from html_for_tests import Reader
from report_for_tests import add_predictions, fill, history, line
from small_files import bare_environment, small

from configs import base
from fmnist_jax import report
from fmnist_jax.report import page, provenance, rows
from fmnist_jax.results import lines, workdirs

__all__ = ['bare_environment', 'small']  # fixtures

ROOT = pathlib.Path(__file__).parent.parent.parent
COMMITTED = sorted(path.parent for path in (ROOT / 'experiments').glob('*/results.jsonl'))
HOSTILE = '</style><script>alert(1)</script><img src=x onerror=alert(2)>"\'&{{ 7 * 7 }}'


def two_tables(folder):
    claims = [{'text': 'A beats B.', 'comparisons': [['a', 'b']]}]
    fill(
        folder / 'one',
        line('a', [0.909, 0.91, 0.911], reported=0.91, history=history()),
        line('b', [0.51, 0.511, 0.512], reported=0.9, also_reported={'x': 1}),
        claims=claims,
    )
    mnist = line('b', [0.7], reported=0.7, dataset='mnist')
    fill(folder / 'two', line('a', [0.8, 0.801], reported=0.7), mnist)
    return [folder / 'one', folder / 'two']


def test_first_screen_counts_the_verdicts(tmp_path):
    read = Reader(page.page(two_tables(tmp_path)))
    # one: a consistent, b higher, c not run; two: a lower, b of one seed, c not run
    assert '1 of 3 reported numbers are consistent with ours' in read.text
    assert 'counted apart: 1 with one seed, 2 not run yet' in read.text
    assert '1 ◐ one seed' in read.text and '2 ○ not run yet' in read.text
    assert '2 of 3' in read.text and '1 holds' in read.text
    assert read.text.index('are consistent') < read.text.index('A beats B.')


def test_rows_claims_and_provenance(tmp_path):
    results = line(
        'a', train_images=54000, parameters=7, commit='0123456789abcdef', seeds=[0, 1, 2]
    )
    results['device'] = {'platform': 'gpu', 'kind': 'H200', 'count': 2}
    results['versions'] = {'jax': '9.9', 'flax': None}
    results |= {'finished': '2026-01-02T03:04:05+00:00', 'train_seconds': 7200.0}
    claims = [{'text': 'A beats B.', 'comparisons': [['a', 'b']]}]
    fill(tmp_path, results, line('b', [0.5, 0.51, 0.52]), claims=claims)
    text = Reader(page.page([tmp_path])).text
    for words in (
        '91.00 ± 1.00',
        '88.52 to 93.48',
        'A beats B.',
        'a > b',
        '+40.00',
        'holds',
        '2 × H200',
        'jax 9.9',
        '0123456789ab',
        '2026-01-02',
        '2.0 h, all rows',
        '54,000 training images',
        'batch_size = 128',
        '1 of 3 rows: c (report 95.00)',
    ):
        assert words in text, words
    assert 'Left out' not in text  # older lines have no confusion counts
    assert '0123456789abc' not in text


def test_the_command_runs_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = {'num_seeds': 4, 'dataset': {'name': 'mnist'}}
    one, done = (rows.not_run(base.row(name, {}, 0.9)) for name in ('a [1]', 'b'))
    done = done._replace(dataset='mnist')
    words = provenance.command(ROOT / 'experiments' / 'lenet', config, [one, done])
    assert words == (
        "python -m fmnist_jax.main --config=configs/lenet.py '--rows=a [[]1]' "
        '--config.num_seeds=4 --config.dataset.name=mnist --workdir=experiments/lenet'
    )
    config['dataset']['name'] = 'folder'
    words = provenance.command(ROOT / 'experiments' / 'lenet', config, [one])
    assert '--config.dataset.name=folder --data_dir=PATH --workdir' in words
    several = provenance.command(tmp_path / 'other', {}, [one, one])
    assert several == f'python -m fmnist_jax.main --config=FILE --workdir={tmp_path}/other'
    assert provenance.command(tmp_path / 'other', {}, [done]) == ''


def test_nothing_can_be_injected(tmp_path):
    workdir = tmp_path / 'x" onload="alert(3)'
    claims = [{'text': HOSTILE, 'comparisons': [[HOSTILE, 'b']]}]
    versions = {'jax': HOSTILE}
    result = line(HOSTILE, history=history(), versions=versions, commit=HOSTILE, model=HOSTILE)
    fill(workdir, result, line('b', [0.1, 0.2]), names=[HOSTILE, 'b', HOSTILE + 'c'], claims=claims)
    config = (workdir / 'config.json').read_text()
    (workdir / 'config.json').write_text(config.replace('"one run"', '"<script>x</script>"'))
    text = page.page([workdir])
    read = Reader(text)
    assert not read.all('script') and not read.all('img') and len(read.all('style')) == 1
    assert not any(name.startswith('on') for _, a in read.elements for name in a)
    assert '{{ 7 * 7 }}' in read.text and HOSTILE in read.text
    assert '<script>x</script>' in read.text  # shown as text


@pytest.mark.slow
def test_the_page_needs_nothing_else(tmp_path, small):
    labels = np.arange(20) % 10
    folders = two_tables(tmp_path)
    extra = line('c', [0.99, 0.98], reported=None) | add_predictions(folders[0], 'c', labels)
    lines.append(folders[0], extra)
    for text in (page.page(folders, small.parent), page.page(COMMITTED)):
        assert 'http://' not in text and 'https://' not in text and '@import' not in text
        assert len(text.encode()) < 2e6
        read = Reader(text)
        ids = [a['id'] for _, a in read.elements if 'id' in a]
        assert len(ids) == len(set(ids))
        for tag, attributes in read.elements:
            for name in ('href', 'xlink:href', 'src'):
                target = attributes.get(name, '#' + ids[0])
                inside = target[0] == '#' and target[1:] in ids
                assert inside or target.startswith('data:image/png;'), (tag, target)
        used = re.findall(r'url\(#([^)]*)\)', text)
        assert used and set(used) <= set(ids)
        labelled = [a['aria-labelledby'] for _, a in read.elements if 'aria-labelledby' in a]
        assert set(labelled) <= set(ids)


def test_long_sections_are_folded_and_listed(tmp_path):
    read = Reader(page.page(two_tables(tmp_path)))
    links = [a['href'] for a in read.all('a')]
    assert {'#overview', '#table-1-one', '#table-2-two'} <= set(links) and read.all('nav')
    assert len(read.all('details')) >= 6 and not any('open' in a for a in read.all('details'))
    assert not Reader(page.page([tmp_path / 'one'])).all('nav')


def test_counts_of_the_overview_and_of_the_section_are_equal(tmp_path):
    config = base.get_config()
    config.rows = (base.row('a', {}, 0.9), base.row('b', {}, 0.9, repeats=True))
    workdirs.acquire(tmp_path / 'w', config)
    for name in 'ab':
        lines.append(tmp_path / 'w', line(name, [0.899, 0.9, 0.901], reported=0.9))
    folders = [tmp_path / 'w', fill(tmp_path / 'x', line('a', [0.5], reported=None), names='a')]
    read = Reader(page.page(folders))
    assert '1 ● consistent' in read.text and '● 1 consistent' in read.text
    assert '● 2 consistent' not in read.text
    assert '● 2 consistent' in Reader(page.page(folders[:1])).text


def test_a_table_without_reported_numbers_says_so(tmp_path):
    config = base.get_config()
    config.rows = (base.row('a', {}),)
    workdirs.acquire(tmp_path, config)
    lines.append(tmp_path, line('a', reported=None))
    text = Reader(page.page([tmp_path])).text
    assert 'the report prints no number' in text and 'no verdict yet' not in text


def test_structure_for_screen_readers(tmp_path):
    read = Reader(page.page(two_tables(tmp_path)))
    assert read.all('html')[0]['lang'] == 'en' and len(read.all('h1')) == 1
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch('h[1-6]', tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(a.get('scope') in ('col', 'row', 'rowgroup') for a in read.all('th'))
    drawn = read.all('svg')
    assert len(drawn) == 4  # accuracy of both, two kinds of curves of the first
    assert all(a['role'] == 'img' and a['aria-label'] for a in drawn)
    scrolled = [a for _, a in read.elements if 'scroll' in a.get('class', '').split()]
    assert all(a['tabindex'] == '0' for a in scrolled)


def test_drawn_images_have_no_verdicts(tmp_path):
    fill(tmp_path, line('a', dataset='synthetic'), line('b', dataset='synthetic'), names='ab')
    text = Reader(page.page([tmp_path])).text
    assert 'SYNTHETIC' in text and 'No number of a report can be compared' in text


def test_the_same_results_give_the_same_page(tmp_path):
    folders = two_tables(tmp_path)
    assert page.page(folders) == page.page(folders)


def test_command_writes_the_page(tmp_path, capsys):
    two_tables(tmp_path)
    assert report.main([str(tmp_path), '--html']) == 0
    out, said = capsys.readouterr()
    assert out.startswith('| table')
    one, two, written = said.splitlines()
    assert one == f'{tmp_path}/one: table 1 of 2' and two == f'{tmp_path}/two: table 2 of 2'
    assert written == f'{tmp_path}/report.html: written'
    named = tmp_path / 'page.html'
    assert report.main([str(tmp_path / 'one'), f'--html={named}']) == 0
    assert '<h1>one run</h1>' in named.read_text()  # a table alone gives its title
    capsys.readouterr()
    assert report.main([str(tmp_path), f'--html={tmp_path}/none/page.html']) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1


def test_template_and_styles_are_packaged():
    text = (ROOT / 'pyproject.toml').read_text()
    assert '"fmnist_jax.report" = ["page.html", "page.css", "model_card.md.j2"]' in text


# --- in a browser -----------------------------------------------------------------------------


@pytest.mark.skipif(not browser_for_tests.installed(), reason='no Chromium')
def test_in_a_browser(tmp_path, small):
    folders = two_tables(tmp_path / 'tables')
    extra = line('c', [0.99, 0.98], reported=None)
    extra |= add_predictions(folders[0], 'c', np.arange(20) % 10)
    lines.append(folders[0], extra)
    file = tmp_path / 'page.html'
    file.write_text(page.page(folders, small.parent), encoding='utf-8')
    visible = """[...document.querySelectorAll('section.table td.v .verdict')].every(e =>
        e.getBoundingClientRect().right <= innerWidth)"""
    overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
    wide = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') &&
        !e.closest('.skip, .hidden') && e.getBoundingClientRect().right > innerWidth).length"""
    with browser_for_tests.browser(tmp_path / 'profile') as browser:
        backgrounds = {}
        for scheme in ('light', 'dark'):
            for width in (320, 390, 800, 1400):
                browser.open(file, width, scheme)
                assert width < 390 or browser.evaluate(visible)
                assert browser.evaluate(overflow) == 0
                assert browser.evaluate(wide) == 0
            backgrounds[scheme] = browser.evaluate(
                'getComputedStyle(document.body).backgroundColor'
            )
        assert backgrounds == {'light': 'rgb(255, 255, 255)', 'dark': 'rgb(20, 24, 29)'}
        images = "[...document.querySelectorAll('svg image')].map(i => i.getBBox().width)"
        assert len(browser.evaluate(images)) == 3 and min(browser.evaluate(images)) > 20
        browser.open(file, 1000, media='print')
        printed = browser.call('Page.printToPDF', preferCSSPageSize=True)
        assert 1 <= base64.b64decode(printed['data']).count(b'/Type /Page\n') <= 4
        assert browser.complaints == []
        fetched = [url for url in browser.requests if not url.startswith('data:')]
        assert set(fetched) == {file.as_uri()}
