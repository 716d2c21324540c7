"""The limits of a container."""

import os

import pytest

from fmnist_jax.config import machine


@pytest.fixture
def groups(tmp_path):
    """Control groups, version 2: this process is in a/b."""
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    (tmp_path / 'own').write_text('0::/a/b\n')
    return tmp_path, tmp_path / 'own'


def test_without_a_limit_the_machine_counts(groups):
    assert machine.cores(*groups) == len(os.sched_getaffinity(0))
    assert machine.memory(*groups) == os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


@pytest.mark.parametrize('group', ['', 'a', 'a/b'])
def test_the_smallest_limit_of_nested_groups_counts(groups, group):
    for folder in ('', 'a', 'a/b'):
        (groups[0] / folder / 'cpu.max').write_text('max 100000\n')
        (groups[0] / folder / 'memory.max').write_text('max\n')
    (groups[0] / group / 'cpu.max').write_text('50000 100000\n')
    (groups[0] / group / 'memory.max').write_text('1000000\n')
    assert machine.cores(*groups) == 1
    assert machine.memory(*groups) == 1_000_000


def test_limits_of_version_1(tmp_path):
    for folder in ('cpu', 'memory'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'cpu' / 'cpu.cfs_quota_us').write_text('100000\n')
    (tmp_path / 'cpu' / 'cpu.cfs_period_us').write_text('100000\n')
    (tmp_path / 'memory' / 'memory.limit_in_bytes').write_text('2000000\n')
    assert machine.cores(tmp_path) == 1
    assert machine.memory(tmp_path) == 2_000_000
