"""The reports' pictures: which classes look alike, and the committed files."""

import pathlib
import re
import shutil

import numpy as np
import pytest
from report_for_tests import cells, fill, line

from experiments import pictures
from fmnist_jax.data.datasets import CLASS_NAMES

EXPERIMENTS = pathlib.Path(pictures.__file__).parent
NAMES = CLASS_NAMES['fashion_mnist']


def counts(confused):
    """Counts [10][10] of 1000 images a class; `confused`: {(true, predicted): images}."""
    table = 1000 * np.eye(10, dtype=int)
    for (true, predicted), number in confused.items():
        true, predicted = NAMES.index(true), NAMES.index(predicted)
        table[true, predicted] += number
        table[true, true] -= number
    return table.tolist()


THREE = {('Shirt', 'Coat'): 200, ('Coat', 'Pullover'): 160, ('Pullover', 'Shirt'): 120}


def test_the_claim_compares_the_three_classes_with_all_others(tmp_path):
    seeds = [counts(THREE | {('Sneaker', 'Sandal'): number}) for number in (40, 80)]
    rows = [
        line('a', [0.9, 0.91], confusion=seeds),
        line('b', [0.9], confusion=[counts(THREE | {('Shirt', 'T-shirt/top'): 140})]),
        line('c', [0.3], confusion=[counts({})]),  # hardly trained
    ]
    fill(tmp_path / 'one', *rows)
    fill(tmp_path / 'digits', line('a', [0.9], dataset='mnist', confusion=[counts({})]))
    text = pictures.look_alike(tmp_path)
    _, a, b = cells(text)
    assert a[:2] == ['one: a', '2'] and b[:2] == ['one: b', '1']
    assert a[2].startswith('Coat–Shirt 10.00, Pullover–Coat 8.00, Pullover–Shirt 6.00, S')
    # The third pair is 6 %, the other one 2 and 4 %; and 7 % in row b.
    assert a[3] == '+3.00' and b[3] == '-1.00' and b[4] == ''
    assert 'in 1 of 2 rows' in ' '.join(text.split())
    assert pictures.look_alike(tmp_path / 'digits') == ''


def test_every_committed_picture_is_shown_and_small():
    text = (EXPERIMENTS / 'pictures.md').read_text()
    files = [EXPERIMENTS / name for name in re.findall(r'\]\(([^)]+\.svg)\)', text)]
    assert len(files) > 20 and all(file.is_file() for file in files)
    assert sum(file.stat().st_size for file in files) < 1_500_000
    shown = {picture.source for picture in pictures.PICTURES if f'Report {picture.source}' in text}
    assert {source[:3] for source in shown} == {'001', '002', '003', '004'}


@pytest.mark.slow
def test_the_command_draws_them_from_the_result_lines(tmp_path):
    for name in {picture.table for picture in pictures.PICTURES}:
        (tmp_path / name).mkdir()
        for file in ('results.jsonl', 'config.json'):
            shutil.copy(EXPERIMENTS / name / file, tmp_path / name)
    assert pictures.main([f'--experiments={tmp_path}', f'--data_dir={tmp_path}']) == 0
    drawn = {path.relative_to(tmp_path) for path in tmp_path.glob('*/*.svg')}
    committed = {path.relative_to(EXPERIMENTS) for path in EXPERIMENTS.glob('*/*.svg')}
    responses = {path for path in committed if 'response_maps' in path.name}
    others = {'images', 'many_seeds'}  # other scripts draw these
    assert drawn == {path for path in committed - responses if path.parts[0] not in others}
    smoothed = (tmp_path / 'lenet' / 'best_curves_loss_smoothed.svg').read_text()
    assert 'smoothed by 0.6' in smoothed
