"""Rows that repeat a reported number: which of them gives it."""

import json

import numpy as np
from report_for_tests import cells, fill, line
from scipy import stats

from fmnist_jax.report.page import page
from fmnist_jax.report.readings import TITLE, readings_grid, readings_text
from fmnist_jax.report.rows import Pool, from_result
from fmnist_jax.report.tables import workdir_table
from fmnist_jax.results.statistics import Pooled


def row(name, accuracies, repeats=True, reported=0.90):
    return from_result(line(name, accuracies, reported=reported))._replace(repeats=repeats)


FAR = row('far', [0.85, 0.88, 0.89, 0.86, 0.87], repeats=False)
NEAR = row('near', [0.89, 0.90, 0.91, 0.92, 0.89])


def test_the_likeliest_row_is_first_with_likelihood_1():
    heading, first, second = readings_grid([FAR, NEAR])
    assert heading == ['row', 'report', 'seeds', 'distance', 'likelihood', 'seeds below']
    assert first[:3] == ['near', '90.00', '5'] and first[4:] == ['1', '2']
    densities = []
    for one in (FAR, NEAR):
        std = np.std(one.accuracies, ddof=1) * np.sqrt(1.2)
        densities.append(stats.t(4, np.mean(one.accuracies), std).pdf(0.90))
    assert second[4] == f'{densities[0] / densities[1]:.2g}' and second[5] == '5'
    std = np.std(FAR.accuracies, ddof=1) * np.sqrt(1.2)
    assert second[3] == f'{(0.90 - np.mean(FAR.accuracies)) / std:+.1f}'


def test_one_seed_takes_the_pooled_deviation():
    pool = Pool(('mlp', 'fashion_mnist'), Pooled(0.01, 12), {})
    *_, last = readings_grid([NEAR, row('one', [0.80])._replace(pool=pool)])
    assert last[4] == 'no fit'
    assert last[0] == 'one' and last[2] == '1'
    assert last[3] == f'{0.1 / (0.01 * np.sqrt(2)):+.1f}'
    assert readings_grid([row('one', [0.80]), row('other', [0.85])]) == []  # no spread


def test_rows_that_share_a_number_by_chance_are_not_compared():
    assert readings_grid([FAR, NEAR._replace(repeats=False)]) == []
    assert readings_grid([FAR, row('b', NEAR.accuracies, reported=0.91)]) == []
    assert readings_text([FAR]) == ''


def test_the_models_other_numbers_have_distances_too():
    curve = [[0.80, 0.81, 0.82, 0.83, 0.84]]
    near = from_result(line('near', NEAR.accuracies, history={'train_accuracy': curve}))
    reported = {'train_accuracy': 0.90, 'validation_loss': 0.5, 'parameters': 7}
    near = near._replace(reported=0.90, repeats=True, also_reported=reported)
    heading, (*_, others), _ = readings_grid([near, FAR])
    distance = (0.90 - 0.82) / (np.std(curve, ddof=1) * np.sqrt(1.2))
    assert heading[-1] == 'other numbers' and others == f'train accuracy {distance:+.1f}'
    assert '- other numbers:' in readings_text([near, FAR])


def test_the_text_explains_its_columns():
    text = readings_text([FAR, NEAR])
    assert cells(text)[1][0] == 'near'
    assert all(f'- {word}:' in text for word in ('distance', 'likelihood', 'seeds below'))


def test_the_page_shows_them(tmp_path):
    lines = [line(one.name, one.accuracies, reported=0.90) for one in (FAR, NEAR)]
    workdir = fill(tmp_path / 'w', *lines, names=('far', 'near'))
    declared = json.loads((workdir / 'config.json').read_text())
    for one in declared['rows']:
        one |= {'reported': 0.90, 'repeats': True}
    (workdir / 'config.json').write_text(json.dumps(declared))
    html = page([workdir])
    assert TITLE in html and '>seeds below</th>' in html
    assert TITLE in workdir_table(workdir)
