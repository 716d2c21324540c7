"""Near-duplicates between training and test images: the list, and what they gain."""

import numpy as np
import pytest
from settings_for_tests import small_dataset

from experiments.near_duplicates import find, measure
from fmnist_jax.data import datasets

DATASET = small_dataset(num_train=120, num_test=30)
PAIRS = {(3, 7, 0), (4, 8, 1), (5, 9, 0)}  # test index, training index, whether mirrored


@pytest.fixture
def dataset(monkeypatch):
    """Noise, in which three test images are near-duplicates of training images."""
    rng = np.random.default_rng(0)
    train = rng.integers(0, 200, DATASET.train_images.shape, np.uint8)
    test = rng.integers(0, 200, DATASET.test_images.shape, np.uint8)
    test[3] = train[7] // 2 + 20  # another exposure
    test[4] = train[8][:, ::-1]
    test[5] = train[9] + rng.integers(0, 10, (28, 28), np.uint8)
    made = DATASET._replace(train_images=train, test_images=test)
    monkeypatch.setattr(datasets, 'load', lambda *_: made)
    return made


def test_pairs_are_found_whatever_their_exposure_or_side(dataset, tmp_path, capsys):
    file = tmp_path / 'pairs.csv'
    assert find.main([f'--to={file}']) == 0
    assert capsys.readouterr().out == '3 pairs: 3 test images, 3 training images\n'
    pairs = find.read(file)
    found = zip(pairs['test'], pairs['train'], pairs['mirrored'], strict=True)
    assert {tuple(map(int, pair)) for pair in found} == PAIRS
    assert (pairs['correlation'] >= 0.98).all()
    everything = find.find(dataset.train_images, dataset.test_images, threshold=-1)
    for test, train, correlation, _ in everything[::100]:
        expected = [
            np.corrcoef(side.ravel(), dataset.train_images[train].ravel())[0, 1]
            for side in (dataset.test_images[test], dataset.test_images[test][:, ::-1])
        ]
        assert correlation == pytest.approx(max(expected), abs=1e-3)
    assert [pair[0] for pair in everything] == sorted(pair[0] for pair in everything)


def test_an_image_of_one_tone_has_no_duplicate():
    flat = np.zeros((2, 28, 28), np.uint8)
    assert find.find(flat, flat) == []


def test_the_control_leaves_out_as_many_of_the_same_classes():
    labels = DATASET.train_labels
    indices = np.array([0, 3, 4, 50, 51])
    chosen = measure.others(labels, indices)
    assert sorted(labels[chosen]) == sorted(labels[indices])
    assert not set(chosen) & set(indices) and len(set(chosen)) == 5


def test_both_networks_train_on_as_many_images(dataset, tmp_path, monkeypatch):
    find.main([f'--to={tmp_path / "pairs.csv"}'])
    seen = []
    monkeypatch.setattr(measure, 'fit_seeds', lambda settings, data: seen.append(data) or Result)
    monkeypatch.setattr(measure, 'predict_images', lambda *_: np.eye(10)[[DATASET.test_labels] * 3])
    to = tmp_path / 'table.md'
    flags = [f'--pairs={tmp_path / "pairs.csv"}', f'--to={to}', '--num_seeds=3']
    assert measure.main(flags) == 0
    with_pairs, without = (data.train_images for data in seen)
    assert len(with_pairs) == len(without) == 117
    for _, train, _ in PAIRS:
        image = dataset.train_images[train]
        assert (with_pairs == image).all((1, 2)).any()
        assert not (without == image).all((1, 2)).any()
    text = to.read_text()
    assert '| with a near-duplicate | 3 ' in text and '| without               | 27 ' in text
    assert '3 seeds, by `python experiments/near_duplicates/measure.py --num_seeds=3`' in text


class Result:
    """A fit without networks."""

    variables = None


def test_the_page_compares_the_groups():
    pairs = {
        'test': np.array([0, 1]),
        'train': np.array([5, 6]),
        'correlation': np.array([0.982, 0.995]),
    }
    seen, unseen = np.ones((2, 10), bool), np.ones((2, 10), bool)
    unseen[:, 0] = False
    unseen[0, 5] = False
    rows = {
        line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]]
        for line in measure.page(seen, unseen, pairs, 'make').splitlines()
        if line.startswith('|')
    }
    assert rows['with a near-duplicate'][:4] == ['2', '100.00 ± 0.00', '50.00 ± 0.00', '+50.00']
    assert rows['without'][:4] == ['8', '100.00 ± 0.00', '93.75 ± 8.84', '+6.25']
    assert rows['all test images'][3] == '+15.00'
    assert rows['0.98'][0] == '2' and rows['0.985'][0] == '1' and rows['0.99'][0] == '1'
