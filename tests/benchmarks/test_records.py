"""Our own tables: goals, seconds, the ablation, and the pages made from them."""

import pathlib

import pytest
from report_for_tests import cells, line

from experiments import records
from fmnist_jax.config.settings import plain, resolve, settings_hash
from fmnist_jax.models.operations import multiply_adds
from fmnist_jax.report.rows import from_result, not_run
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results import workdirs
from fmnist_jax.train.step import model_of

ROOT = pathlib.Path(records.__file__).parent.parent
CONFIG = """
from configs import base
from configs.base import row

GOALS = {goals}


def get_config():
    config = base.get_config()
    config.title = 'Ours'
    config.rows = ({rows})
    return config
"""
CPU = {'platform': 'cpu', 'kind': 'cpu', 'count': 2, 'cpu_cores': 2}
GPU = {'platform': 'gpu', 'kind': 'Fast', 'count': 1, 'cpu_cores': 16}
CURVE = [[0.90, 0.91, 0.92], [0.93, 0.945, 0.94], [0.95, 0.95, 0.95]]


def config_of(root, table):
    return records.load_config(root / 'configs' / f'{table}.py')


def add(root, table, name, accuracies, **more):
    """Adds a result line of a row with the settings of its config."""
    config, workdir = config_of(root, table), root / 'experiments' / table
    workdirs.acquire(workdir, config)
    settings = resolve(config, next(row for row in config.rows if row['name'] == name))
    fields = {
        'reported': None,
        'parameters': 61_706,
        'train_images': 54_000,
        'device': CPU,
        'history': dict.fromkeys(('train_accuracy', 'validation_accuracy'), CURVE),
        'config': plain(settings),
        'config_hash': settings_hash(settings),
    }
    result_lines.append(workdir, line(name, accuracies, **fields | more))


@pytest.fixture
def root(tmp_path):
    """A checkout with the three configs and no results."""
    for folder in ('configs', 'experiments/images'):
        (tmp_path / folder).mkdir(parents=True)
    texts = {
        'speedrun': (
            {'fast_93': 0.93, 'fast_94': 0.94},
            "row('fast_93', {'epochs': 3}), row('fast_94', {'epochs': 3, 'augment.flip': True})",
        ),
        'small': ({'tiny': 0.93}, "row('tiny', {'epochs': 3}), row('trial', {'epochs': 2}),"),
        'speedrun_ablation': (
            {},
            "row('full', {'epochs': 3, 'augment.flip': True}), row('no_flip', {'epochs': 3}),"
            "row('smooth', {'epochs': 3, 'augment.flip': True, 'label_smoothing': 0.1})",
        ),
    }
    for table, (goals, rows) in texts.items():
        (tmp_path / 'configs' / f'{table}.py').write_text(CONFIG.format(goals=goals, rows=rows))
    text = '# Title\n<!-- records.py begins -->\nold\n<!-- records.py ends -->\nrest\n'
    (tmp_path / 'README.md').write_text(text)
    return tmp_path


def read(root):
    folders = root / 'configs', root / 'experiments'
    return [record for table in records.TABLES for record in records.records(table, *folders)]


@pytest.mark.parametrize(
    ('accuracies', 'expected'),
    [
        ((0.941, 0.942, 0.943), 'reached'),  # 94.20 ± 0.10: the bound is 0.17 below the mean
        ((0.9405, 0.9415, 0.9425), 'mean above'),  # by 0.15
        ((0.935, 0.938, 0.941), 'missed'),
        ((0.95,), 'mean above'),  # one seed has no spread
    ],
)
def test_a_goal_is_reached_if_the_lower_bound_is_above_it(accuracies, expected):
    row = from_result(line('a', accuracies))
    assert records.verdict(records.Record('small', row, {}, 0.94)) == expected


def test_rows_without_results_or_goals_have_no_verdict():
    missing = not_run({'name': 'a', 'reported': None})
    assert records.verdict(records.Record('small', missing, {}, 0.94)) == ''
    row = from_result(line('a'))
    assert records.verdict(records.Record('small', row, {}, None)) == ''


def test_rows_that_are_not_run_are_on_the_page_alone(root, capsys):
    assert records.main([f'--root={root}']) == 0
    assert capsys.readouterr().out == ''
    table = records.page(read(root), '', []).partition('## ')[0]
    heading, *rows = cells(table)
    rows = {row[0]: dict(zip(heading, row, strict=True)) for row in rows}
    assert {'fast_93', 'fast_94', 'tiny'} <= rows.keys()
    assert {row['test accuracy'] for row in rows.values()} == {'not run'}
    assert rows['fast_93']['goal'] == '93.00'


def test_the_table_has_flops_seconds_and_devices(root):
    add(root, 'speedrun', 'fast_93', (0.931, 0.932, 0.933), train_seconds=30)
    add(root, 'speedrun', 'fast_93', (0.932, 0.933, 0.931), seeds=[3, 4, 5], train_seconds=60)
    more = {'history': {}, 'seeds': [6], 'device': GPU, 'train_seconds': 1}
    more['history'] = {name: [[0.9]] * 3 for name in ('train_accuracy', 'validation_accuracy')}
    add(root, 'speedrun', 'fast_93', (0.932,), **more)
    add(root, 'small', 'tiny', (0.92, 0.925, 0.93), train_seconds=6, device=GPU)
    found = read(root)
    text = records.readme_table(found)
    heading, fast, tiny = cells(text)
    fast, tiny = (dict(zip(heading, row, strict=True)) for row in (fast, tiny))
    settings = resolve(config_of(root, 'speedrun'), {'epochs': 3})
    tflop = 6 * multiply_adds(model_of(settings), (28, 28, 1)) * 54_000 * 3 / 1e12
    assert float(fast['TFLOP']) == pytest.approx(tflop, rel=0.01)
    assert (fast['s / seed'], fast['n']) == ('10', '7')  # the quickest run on the CPU
    assert (fast['parameters'], fast['goal reached']) == ('61,706', 'reached')
    assert (tiny['s / seed'], tiny['goal reached']) == ('2', 'missed')
    assert 'Seconds of fast_93: 3 seeds together on CPU, 2 cores. ' in text
    assert 'Seconds of tiny: 3 seeds together on 1 × Fast. ' in text


def test_synthetic_images_and_changed_settings_do_not_count(root):
    add(root, 'speedrun', 'fast_93', (0.99, 0.99, 0.99), changed={'epochs': [3, 40]})
    add(root, 'small', 'tiny', (0.99, 0.99, 0.99), dataset='synthetic')
    assert not any(record.row.is_run for record in read(root))


def test_the_ablation_compares_with_the_full_recipe(root):
    add(root, 'speedrun_ablation', 'full', (0.940, 0.941, 0.942))
    add(root, 'speedrun_ablation', 'full', (0.943, 0.944, 0.942), seeds=[3, 4, 5])
    add(root, 'speedrun_ablation', 'no_flip', (0.930, 0.931, 0.932))
    rows = records.records('speedrun_ablation', root / 'configs', root / 'experiments')
    heading, *lines = cells(records.ablation_table(rows, 0.94))
    first, no_flip, smooth = (dict(zip(heading, cells_, strict=True)) for cells_ in lines)
    assert (first['row'], first['differs in'], first['n']) == ('full', 'the full recipe', '6')
    assert no_flip['differs in'] == 'augment.flip: True → False'
    assert no_flip['difference'] == '-1.10'
    # Pooled: sqrt(12e-6 / 7) = 0.131 points; t (7 degrees of freedom) 2.365; 1/6 + 1/3.
    assert no_flip['95 % interval'] == '-1.32 to -0.88'
    assert no_flip['validation accuracy'] == '95.00 ± 0.00'
    assert (no_flip['epochs to 94 %'], no_flip['seeds that reach it']) == ('2', '3 of 3')
    assert smooth['differs in'] == 'label_smoothing: 0.0 → 0.1'
    assert (smooth['test accuracy'], smooth['difference']) == ('not run', '')


def test_the_pages_and_figures_are_written(root):
    add(root, 'speedrun', 'fast_94', (0.940, 0.941, 0.942))
    add(root, 'speedrun_ablation', 'full', (0.940, 0.941, 0.942))
    add(root, 'speedrun_ablation', 'no_flip', (0.930, 0.931, 0.932))
    add(root, 'small', 'tiny', (0.92, 0.925, 0.93))
    assert records.main([f'--root={root}', '--write']) == 0
    page = (root / 'experiments' / 'records.md').read_text()
    assert '`python -m fmnist_jax.main --config=configs/speedrun.py --rows=fast_94`' in page
    assert (
        '## Ablation' in page
        and '| augment.flip: True → False ' in page
        and '| -1.00 ' in page
        and '| DARTS ' in page
    )
    assert '| 94.10 ± 0.10  | 93.85 to 94.35 |' in page
    readme = (root / 'README.md').read_text()
    assert readme.startswith('# Title\n<!-- records.py begins -->\n| row ')
    assert readme.endswith('<!-- records.py ends -->\nrest\n') and 'old' not in readme
    texts = {path.name: path.read_text() for path in (root / 'experiments/images').iterdir()}
    assert sorted(texts) == ['records_parameters.svg', 'records_seconds.svg']
    for name, text in texts.items():
        assert f'images/{name}' in page and 'fast_94' in text and len(text) < 100_000
    assert 'tiny' in texts['records_parameters.svg']
    assert '100,000' in texts['records_parameters.svg']  # plain numbers on the log axis


def test_a_goal_of_no_row_is_refused(root, capsys):
    file = root / 'configs' / 'small.py'
    file.write_text(file.read_text().replace("'tiny': 0.93", "'tinny': 0.93"))
    assert records.main([f'--root={root}']) == 2
    assert 'small.py: GOALS names no row: tinny' in capsys.readouterr().err


def test_the_readme_shows_the_result_lines():
    """`python experiments/records.py --write` writes the table."""
    assert records.readme_table(read(ROOT)) in (ROOT / 'README.md').read_text()
