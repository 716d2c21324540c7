"""A run beside the project's own seeds."""

from report_for_tests import cells, fill, line

from fmnist_jax import report
from fmnist_jax.report import committed, rows
from fmnist_jax.results import lines as result_lines


def project(tmp_path, accuracies=(0.90, 0.91, 0.92, 0.91)):
    (tmp_path / 'table').mkdir(parents=True)
    result_lines.append(tmp_path / 'table', line('a', accuracies))
    return tmp_path


def test_seeds_that_could_be_the_projects_reproduce_it(tmp_path):
    text = committed.comparison([line('mine', (0.915, 0.905))], project(tmp_path))
    assert text.startswith("mine: your 2 seeds lie where one more of the project's 4 seeds (88.")
    assert text.endswith("this installation reproduces the project's numbers.")


def test_a_seed_far_away_is_counted(tmp_path):
    text = committed.comparison([line('mine', (0.915, 0.80))], project(tmp_path))
    assert text.startswith('mine: 1 of your 2 seeds lie where')


def test_other_settings_few_seeds_and_other_data_are_not_compared(tmp_path):
    folder = project(tmp_path)
    for change in ({'epochs': 3}, {'dataset': {'name': 'mnist'}}):
        other = line('mine') | {'config': line()['config'] | change}
        assert committed.comparison([other], folder) == ''
    assert committed.comparison([line('mine')], project(tmp_path / 'few', (0.9, 0.91))) == ''
    assert committed.comparison([line('mine')], tmp_path / 'nowhere') == ''


def test_few_seeds_take_the_deviation_of_the_projects_seeds_of_the_same_settings(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    project(tmp_path / 'experiments', (0.908, 0.910, 0.912, 0.909, 0.911))
    fill(tmp_path / 'runs', line('b', (0.912, 0.908), reported=0.909), names='b')
    _, (row,) = rows.read(tmp_path / 'runs')
    assert row.verdict == 'consistent' and row.pool.pooled.dof == 4
    text = report.workdir_table(tmp_path / 'runs')
    assert 'rows of the same settings on fashion_mnist' in ' '.join(text.split())
    assert [cells(text)[1][k] for k in (0, 2)] == ['b', 'consistent']
    (tmp_path / 'experiments' / 'table' / 'results.jsonl').write_text('{}\n')  # damaged
    _, (row,) = rows.read(tmp_path / 'runs')
    assert row.verdict == 'cannot_tell'  # two seeds alone
