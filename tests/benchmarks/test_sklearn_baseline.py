"""scikit-learn's rows use the networks' splits and the networks' result lines."""

import csv

import numpy as np
import pytest
from report_for_tests import fill, line
from settings_for_tests import small_dataset
from small_files import bare_environment, small

from experiments.scikit_learn import baseline
from fmnist_jax import report
from fmnist_jax.data import datasets
from fmnist_jax.report import claims, rows, tensorboard
from fmnist_jax.results import lines

__all__ = ['bare_environment', 'small']  # fixtures
DATASET = small_dataset(num_train=6060, num_test=40)
SEEDS = ('seed_0', 'seed_1', 'seed_2')


class NearestMean:
    """The nearest class mean, with scikit-learn's methods but without scikit-learn."""

    def __init__(self, seed, seen):
        self.seed, self.seen = seed, seen

    def fit(self, pixels, labels):
        self.seen.append((self.seed, pixels, labels))
        self.means = np.stack([pixels[labels == c].mean(0) for c in range(10)])

    def predict_proba(self, pixels):
        near = -((pixels[:, None] - self.means) ** 2).sum(-1)
        scores = np.exp(near - near.max(-1, keepdims=True))
        return scores / scores.sum(-1, keepdims=True)


def run(folder, num_seeds, seen, said, dataset=DATASET):
    make = {'nearest_mean': lambda seed: NearestMean(seed, seen)}
    config = baseline.table_config(make, num_seeds)
    baseline.run(folder, make, lambda name: dataset, config, said.append)


def test_rows_have_the_networks_splits_and_fields(tmp_path):
    seen, said = [], []
    run(tmp_path, 2, seen, said)
    (line,) = lines.read(tmp_path)
    assert line['seeds'] == [0, 1] and line['train_images'] == 60
    for seed, pixels, labels in seen:
        indices, _ = datasets.split(6060, 6000, seed)
        np.testing.assert_array_equal(labels, DATASET.train_labels[indices])
        np.testing.assert_allclose(
            pixels, DATASET.train_images[indices].reshape(60, 784) / 255, rtol=1e-6
        )
    assert 0.2 < line['test_accuracy'][0] <= 1  # synthetic images are easy
    assert np.isfinite(line['test_loss']).all() and line['ensemble_seeds'] == 2
    table = report.workdir_table(tmp_path)
    assert '| nearest_mean | 2' in table.replace('  ', ' ')

    # A larger num_seeds adds seeds and keeps the others.
    run(tmp_path, 3, seen, said)
    (line,) = lines.read(tmp_path)
    assert line['seeds'] == [0, 1, 2] and [seed for seed, *_ in seen] == [0, 1, 2]
    run(tmp_path, 3, seen, said)
    assert said[-1] == 'nearest_mean: already trained' and len(seen) == 3


QUICK = [name for name in baseline.RANKED if name != 'gradient_boosting']  # it takes a minute


@pytest.mark.parametrize('name', QUICK)
def test_the_ranked_classifiers_learn(name):
    pytest.importorskip('sklearn')
    dataset = small_dataset(num_train=6400, num_test=100)
    probs, seconds = baseline.train(baseline.classifiers()[name], dataset, 0)
    assert probs.shape == (100, 10) and seconds > 0
    np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-5)
    assert (probs.argmax(-1) == dataset.test_labels).mean() > 0.4


class Decides(NearestMean):
    """A classifier without probabilities, as ridge and svc are."""

    predict_proba = property()  # hasattr is False

    def predict(self, pixels):
        return NearestMean.predict_proba(self, pixels).argmax(-1)


def test_ranked_rows_train_on_both_data_sets_and_svc_by_seed(tmp_path):
    seen, loaded = [], []
    make = {
        'svc': lambda seed: Decides(seed, seen),
        'mlp': lambda seed: NearestMean(seed, seen),
    }
    assert list(baseline.table_rows(make)) == ['mlp', 'svc', 'mnist_svc']
    mnist = small_dataset(num_train=6060, num_test=50)

    def load(name):
        loaded.append(name)
        return mnist if name == 'mnist' else DATASET

    config = baseline.table_config(baseline.table_rows(make), 2)
    baseline.run(tmp_path, make, load, config, [].append)
    raw = (tmp_path / 'results.jsonl').read_text().splitlines()
    assert len(raw) == 5  # one line of mlp, one for each seed of svc
    results = {line['row']: line for line in lines.read(tmp_path)}
    svc = results['mnist_svc']
    assert (svc['dataset'], svc['test_images'], svc['model']) == ('mnist', 50, 'svc')
    assert svc['config']['dataset']['name'] == 'mnist' and svc['seeds'] == [0, 1]
    assert svc['test_loss'] == [None, None] and svc['predictions'] == []
    assert np.sum(svc['confusion']) == 100 and results['svc']['dataset'] == 'fashion_mnist'
    assert loaded == ['fashion_mnist', 'fashion_mnist', 'mnist']
    assert 'mnist_svc' in report.workdir_table(tmp_path)


def test_the_claims_name_rows_of_the_table():
    rows = baseline.table_rows(baseline.RANKED)
    config = baseline.table_config(rows, 3)
    claims.check(config.to_dict()['claims'], list(rows))
    assert len(config.claims) == 3


def test_without_scikit_learn_the_command_says_what_to_install(monkeypatch, capsys, tmp_path):
    def missing():
        raise ImportError("No module named 'sklearn'")

    monkeypatch.setattr(baseline, 'classifiers', missing)
    assert baseline.main([f'--workdir={tmp_path}']) == 2
    assert "pip install -e '.[sklearn]'" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path, small):
    """A workdir with a row of two seeds and one added seed, and the test images of `small`."""
    test_images, test_labels = (datasets.read_idx(small / file) for file in datasets.FILES[2:])
    dataset = DATASET._replace(test_images=test_images, test_labels=test_labels)
    workdir = tmp_path / 'scikit_learn'
    for num_seeds in (2, 3):
        run(workdir, num_seeds, [], [], dataset)
    return workdir


def test_every_export_of_the_report(folder, small, tmp_path, capsys):
    exports = [f'--csv={tmp_path}/rows.csv', '--figures', '--html', f'--tensorboard={tmp_path}/tb']
    assert report.main([str(folder), *exports, f'--data_dir={small.parent}']) == 0
    messages = capsys.readouterr().err
    for quantity in ('accuracy', 'loss'):
        assert f'left out learning curves, {quantity}: no row has a history' in messages
    assert 'wrote 4 runs' in messages
    with open(tmp_path / 'rows.csv', newline='') as file:
        (row,) = csv.DictReader(file)
    _, (ours,) = rows.read(folder)
    assert float(row['mean']) == pytest.approx(ours.accuracy.mean) and row['epochs_trained'] == ''
    figures = {path.stem for path in (folder / 'figures').iterdir()}
    assert figures == {'accuracy', 'confusion', 'class_accuracy', 'mistakes'}
    assert 'nearest_mean' in (folder / 'report.html').read_text()
    # The event files hold only the test accuracy.
    written = {path.parent.name for path in (tmp_path / 'tb').rglob('events*')}
    assert written == {*SEEDS, 'mean'}
    numbers = {name: [('accuracy/test', 0, ours.accuracies[k])] for k, name in enumerate(SEEDS)}
    assert tensorboard.runs(ours) == numbers | {
        'mean': [('accuracy/test', 0, pytest.approx(ours.accuracy.mean))]
    }


def test_missing_rows_have_the_scripts_command(tmp_path):
    make = {'nearest_mean': lambda seed: NearestMean(seed, [])}
    config = baseline.table_config([*make, 'another'], 2)
    baseline.run(tmp_path, make, lambda name: DATASET, config, [].append)
    assert '--config=FILE' in report.workdir_table(tmp_path)  # no script in the workdir
    script = tmp_path / 'baseline.py'  # as in experiments/scikit_learn
    script.touch()
    assert f'    python {script} --num_seeds=2\n' in report.workdir_table(tmp_path)


def test_a_seed_without_any_number_has_no_event_file(tmp_path):
    result = line('a', [0.5, None], config={}, train_images=60, history={})
    assert tensorboard.write(tmp_path / 'tb', [fill(tmp_path / 'one', result)]) == 2
    written = {path.name for path in (tmp_path / 'tb' / 'one' / 'a').iterdir()}
    assert written == {'seed_0', 'mean'}


def test_an_error_gives_one_line(folder, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        baseline.main(['--num_seeds=0', f'--workdir={tmp_path}/new'])
    assert stopped.value.code == 2 and not (tmp_path / 'new').exists()
    assert capsys.readouterr().err == 'error: --num_seeds=0: expected 1 or more\n'

    # All rows are trained, but table.md cannot be written.
    monkeypatch.setattr(baseline, 'classifiers', lambda: {'nearest_mean': None})
    monkeypatch.setattr(datasets, 'load', lambda *_: DATASET)
    (folder / 'table.md').mkdir()
    assert baseline.main([f'--workdir={folder}']) == 2
    out, messages = capsys.readouterr()
    assert messages.startswith('nearest_mean: already trained\nerror: ')
    assert messages.count('\n') == 2
    assert out == ''
