"""How a table's numbers were made, as the page shows it."""

import os
import subprocess

import pytest
from report_for_tests import line

from fmnist_jax.fit import mesh
from fmnist_jax.report import rows
from fmnist_jax.report.provenance import duration, how_made
from fmnist_jax.results import provenance


@pytest.mark.parametrize(('seconds', 'text'), [(45, '45 s'), (1234, '21 min'), (12345, '3.4 h')])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_commit_is_the_codes_own(monkeypatch, tmp_path):
    """An environment inside a repository is no part of it."""
    package = tmp_path / 'site' / 'fmnist_jax'
    (package / 'results').mkdir(parents=True)
    (package / 'results' / 'provenance.py').write_text('')
    monkeypatch.setattr(provenance, '__file__', str(package / 'results' / 'provenance.py'))
    as_user = ('-c', 'user.name=a', '-c', 'user.email=a@b.c', 'commit', '-q', '-m', 'a')

    def git(*arguments):
        subprocess.run(['git', '-C', tmp_path, *arguments], check=True)

    git('init', '-q')
    git(*as_user, '--allow-empty')
    assert provenance.code_commit.__wrapped__() is None
    git('add', '.')
    git(*as_user)
    commit = provenance.code_commit.__wrapped__()
    assert len(commit) == 40
    (package / 'new.py').write_text('')
    assert provenance.code_commit.__wrapped__() == commit + '+'


def test_ranges_of_rows_that_differ():
    several = [rows.from_result(line('a', [0.9])), rows.from_result(line('b'))]
    assert dict(how_made(several))['seeds of a row'] == '1 to 3'
    assert how_made([rows.Row('a', 0.5)]) == []
    damaged = rows.from_result(line('c'))
    damaged.result['config']['epochs'] = [1]
    assert 'epochs' not in dict(how_made([damaged]))


def test_cores_are_those_that_the_run_might_use(monkeypatch):
    layout = mesh.arrange(1)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: {3})  # taskset, Slurm, Ray
    row = rows.from_result(line('a') | provenance.provenance(layout))
    assert dict(how_made([row]))['device'] == 'CPU, 1 core'
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: {0, 3})
    row = rows.from_result(line('a') | provenance.provenance(layout))
    assert dict(how_made([row]))['device'] == 'CPU, 2 cores'
