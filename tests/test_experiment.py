"""What a table lacks, as tasks."""

import pytest
from settings_for_tests import small_settings

from fmnist_jax import experiment


@pytest.mark.parametrize(
    ('have', 'most', 'expected'),
    [
        (None, 0, [(0, 5)]),
        (None, 2, [(0, 2), (2, 2), (4, 1)]),
        ([0, 1], 0, [(2, 3)]),
        ([2, 3], 0, [(0, 2), (4, 1)]),  # a cluster was stopped before the first seeds were done
        ([1], 2, [(0, 1), (2, 2), (4, 1)]),
        ([0, 1, 2, 3, 4, 5], 1, []),
    ],
)
def test_tasks_are_the_seeds_that_a_row_lacks(have, most, expected):
    settings = small_settings(num_seeds=5)
    row = {'name': 'a'}
    done = have and {'seeds': have}
    tasks = experiment._missing(row, settings, done, most)
    assert [(task.first, task.count) for task in tasks] == expected
    for task in tasks:
        assert (task.own.seed, task.own.num_seeds) == (task.first, task.count)
        assert (task.settings.seed, task.settings.num_seeds) == (0, 5)
    names = {(0, 5): 'a', (4, 1): 'a seed 4', (2, 3): 'a seeds 2 to 4'}
    for task in tasks:
        assert task.name == names.get((task.first, task.count), task.name)
