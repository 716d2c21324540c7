"""The estimate of the time on many machines, and its tables in the README."""

import json
import pathlib

import pytest

from experiments.cluster import costs
from experiments.cluster.costs import Row

FOLDER = pathlib.Path(costs.__file__).parent
ROWS = [Row('t', name, 'fcn', seconds, 3.0, 'timed') for name, seconds in (('a', 2.0), ('b', 5.0))]


def test_tasks_are_the_rows_in_groups_of_seeds():
    assert costs.tasks(ROWS, 4, 0) == [3 + 4 * 2, 3 + 4 * 5]
    assert costs.tasks(ROWS, 4, 3) == [3 + 3 * 2, 3 + 2, 3 + 3 * 5, 3 + 5]
    assert costs.tasks(ROWS, 4, 0, k=10) == pytest.approx([3.8, 5.0])  # starts take as long


def test_each_task_goes_to_the_first_free_machine():
    assert costs.makespan([4, 3, 2, 1], 1) == 10
    assert costs.makespan([4, 3, 2, 1], 2) == 5  # 4, 1 and 3, 2
    assert costs.makespan([1, 1, 6], 2) == 7
    assert costs.makespan([4, 3], 9) == 4


def test_one_machine_runs_all_tasks_and_many_wait_for_the_longest():
    lines = costs.machines_table(ROWS, 100).splitlines()[2:]
    whole, *_, single = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines]
    assert whole[:2] == ['100', '2'] and single[:2] == ['1', '200']
    assert whole[5:] == ['0.196', *3 * ['0.14']]  # (3 + 200) + (3 + 500) s; then 3 + 500 s
    assert single[3] == '46.2 %'  # 600 of 1,300 s


def test_the_readme_shows_the_estimate():
    speed = json.loads((FOLDER.parent / 'speed' / 'speed.json').read_text())
    rows = costs.rows(speed)
    assert {row.name for row in rows} > {'base', 'mobilenet', 'relu_max'}
    readme = (FOLDER / 'README.md').read_text()
    # The third table may be older: it changes with every new result line.
    assert costs.networks_table(rows, 100) in readme and costs.machines_table(rows, 100) in readme
    assert costs.check_table(rows).startswith('| table ')


def test_a_wrong_flag_gives_an_error(capsys):
    for arguments in (['--k=0'], ['--num_seeds=0'], ['--write', '--k=2']):
        with pytest.raises(SystemExit):
            costs.main(arguments)
        assert capsys.readouterr().err.startswith('error: --')
