"""A run beside the project's own seeds."""

from report_for_tests import line

from fmnist_jax.report import committed
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
