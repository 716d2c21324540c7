"""The study of many seeds: what varies, that it resumes, and its statistics."""

import json
import math

import jax
import numpy as np
import pytest
from report_for_tests import fill, line
from scipy import integrate, stats
from settings_for_tests import small_dataset, small_settings

from experiments.many_seeds import many_seeds, page
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.results.statistics import summarize
from fmnist_jax.train import step

DATASET = small_dataset(num_train=60, num_test=40)
TARGETS = dict.fromkeys(many_seeds.SOURCES, 2) | {'all': 4}


def tiny(network='fcn', first=0, count=2, **change):
    return small_settings(seed=first, num_seeds=count, epochs=1, **change)


@pytest.mark.parametrize('source', many_seeds.SOURCES)
def test_only_one_source_depends_on_the_seed(source):
    def drawn(seed):
        keys = [step.seed_key(seed, purpose) for purpose in (0, 1, 2)]
        return [*map(str, map(jax.random.key_data, keys)), str(datasets.split(50, 10, seed))]

    first, own = drawn(0), drawn(7)
    with many_seeds.only(source):
        inside = drawn(7)
    expected = {
        'all': own,
        'split': [*first[:3], own[3]],
        'initialization': [own[0], *first[1:]],
        'order': [first[0], own[1], *first[2:]],
        'dropout': [*first[:2], own[2], first[3]],
    }
    assert inside == expected[source] and drawn(7) == own


@pytest.mark.slow
def test_without_dropout_its_seeds_are_one_network():
    settings, logits = tiny(), []
    for source in ('dropout', 'initialization'):
        with many_seeds.only(source):
            layout = many_seeds.mesh.make_layout(settings)
            logits.append(many_seeds.fit(settings, DATASET, layout).logits)
    np.testing.assert_allclose(logits[0][0], logits[0][1], atol=1e-5)
    assert np.abs(logits[1][0] - logits[1][1]).max() > 0.01


@pytest.mark.slow
def test_batches_resume_and_keep_their_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(many_seeds, 'jobs', lambda: [('fcn', 'all'), ('fcn', 'split')])
    path, said = tmp_path / 'runs.jsonl', []
    many_seeds.run(path, DATASET, 600, said.append, tiny, TARGETS | {'all': 2})
    assert len(said) == 2 and 'fcn, all: 2 of 2 seeds' in said[0]
    with open(path, 'ab') as file:
        file.write(b'{"torn')
    many_seeds.run(path, DATASET, 600, said.append, tiny, TARGETS)
    assert len(said) == 3 and 'fcn, all: 4 of 4 seeds' in said[2]
    runs = page.read(path)
    seeds = runs['fcn', 'all']
    assert len(seeds.accuracy) == 4 and len(runs['fcn', 'split'].accuracy) == 2
    assert seeds.correct.sum() == round(40 * seeds.accuracy.sum())
    assert len(set(np.concatenate([runs[key].accuracy for key in runs]))) > 2
    with pytest.raises(ConfigError, match='seeds of other settings of fcn'):
        many_seeds.run(path, DATASET, 600, said.append, lambda *a: tiny(batch_size=8), TARGETS)


def test_the_parts_of_the_variance_are_found():
    rng, seeds, images = np.random.default_rng(0), 300, 4000
    own, of_image = rng.normal(0, 0.01, (seeds, 1)), rng.beta(4, 0.5, images)
    # An image whose chance is p is right with probability p, anew for each seed.
    right = rng.random((seeds, images)) < np.clip(of_image + own, 0, 1)
    found = page.parts(page.Seeds(right.mean(1), right.sum(0)))
    assert found.training == pytest.approx(0.01, rel=0.15)
    pairs = math.sqrt((of_image * (1 - of_image)).mean() / images)
    assert found.pairs == pytest.approx(pairs, rel=0.05)
    assert found.images == pytest.approx(of_image.std() / math.sqrt(images), rel=0.05)


def test_the_best_of_equal_networks_lies_above_their_mean():
    mean, low, high = page.best_above_mean(0.002, 35)
    density = lambda x: x * 35 * stats.norm.cdf(x) ** 34 * stats.norm.pdf(x)  # noqa: E731
    expected, _ = integrate.quad(density, -8, 8)
    assert mean == pytest.approx(0.002 * expected, rel=0.02)
    assert low < mean < high


def test_the_chance_of_a_lucky_seed_is_students():
    summary = summarize([0.90, 0.91, 0.92])
    expected = stats.t(2, 0.91, 0.01 * math.sqrt(4 / 3)).sf(0.93)
    assert page.chance_to_reach(0.93, summary) == pytest.approx(expected)


def test_the_interval_of_a_deviation_covers_it():
    rng = np.random.default_rng(0)
    covered = [
        low < 1 < high
        for low, high in (page.std_interval(rng.normal(0, 1, 60), k) for k in range(40))
    ]
    assert 0.8 < np.mean(covered) <= 1


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A folder with one table of two rows, in the place of report 004's grids."""
    monkeypatch.setattr(page, '_GRIDS', ('grid',))
    monkeypatch.setattr(page, '_NOISE', ('grid',))
    curve = [[0.9] * 5] * 8 + [[0.85] * 5] + [[0.9] * 5] * 3
    more = {'model': 'tuned_cnn', 'history': {'validation_accuracy': curve}}
    rows = [line(name, [0.90, 0.91, 0.92, 0.93, 0.94], **more) for name in 'ab']
    fill(tmp_path / 'tables' / 'grid', *rows)
    return tmp_path / 'tables'


def test_the_page_says_how_many_seeds_there_are(tmp_path, tables):
    rng, path = np.random.default_rng(0), tmp_path / 'runs.jsonl'
    for source in ('all', 'split'):
        right = rng.random((12, 50)) < 0.9
        packed = many_seeds.base64.b64encode(
            many_seeds.zlib.compress(right.sum(0).astype(np.uint16).tobytes())
        )
        whole = {'accuracy': right.mean(1).tolist(), 'correct': packed.decode(), 'first': 0}
        text = json.dumps({'network': 'fcn', 'source': source, **whole})
        path.write_text((path.read_text() if path.exists() else '') + text + '\n')
    page.write(tmp_path, path, tables)
    text = (tmp_path / 'table.md').read_text()
    assert "| report 002's network, 3 epochs | 12 " in text
    assert '| grid: a | 95.00 ' in text and '1.58 points (8 degrees of freedom' in text
    trend = np.polyval(np.polyfit(range(10), late := [0.9] * 6 + [0.85] + [0.9] * 3, 1), range(10))
    spread = 100 * math.sqrt(np.square(late - trend).sum() / 8)
    assert [spread_cell.strip() for spread_cell in text.splitlines()[-1].split('|')[1:-1]] == [
        'grid', '10', f'{spread:.2f}', '4.50', '10 of 10'
    ]  # fmt: skip
    assert (tmp_path / 'histogram.svg').read_text().startswith('<?xml')


def test_without_seeds_the_page_has_the_other_tables(tmp_path, tables):
    page.write(tmp_path, tmp_path / 'runs.jsonl', tables)
    text = (tmp_path / 'table.md').read_text()
    assert 'No seed is trained yet' in text and '| grid: a | 95.00 ' in text
    assert not (tmp_path / 'histogram.svg').exists()
