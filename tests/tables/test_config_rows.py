"""The configs' rows: parameter counts, and that they can be trained."""

import jax
import jax.numpy as jnp
import pytest
from configs_for_tests import CONFIGS, NAMES, rows_of, settings_of

from fmnist_jax.config.checks import check
from fmnist_jax.config.settings import difference, plain, resolve, split_static
from fmnist_jax.sweep import study as studies
from fmnist_jax.train.step import model_of


def parameters(settings):
    images = jnp.zeros((1, 28, 28, 1))
    variables = jax.eval_shape(
        lambda: model_of(settings).init(jax.random.key(0), images, train=False)
    )
    return sum(p.size for p in jax.tree.leaves(variables['params']))


@pytest.mark.parametrize(
    ('name', 'row', 'count'),
    [
        ('tuning_2_layers', '64_64_dense_128', 1_030_218),
        ('tuning_3_layers', '32_32_32_dense_32', 28_394),
        *[('ann_vs_cnn', row, n['also_reported']['parameters'])
          for row, n in rows_of('ann_vs_cnn').items() if n['also_reported']],
    ],
)  # fmt: skip
def test_parameters_that_report_004_prints(name, row, count):
    assert parameters(settings_of(name, row)) == count


def test_parameters_that_report_001_prints():
    for name, row in rows_of('cnn_variants').items():
        if name.endswith('softmax_plain'):
            count = parameters(settings_of('cnn_variants', name))
            assert count == pytest.approx(row['also_reported']['parameters'], rel=0.03)


@pytest.mark.parametrize('name', NAMES)
def test_every_row_can_train(name):
    names = [row['name'] for row in CONFIGS[name].rows]
    assert len(set(names)) == len(names)
    for row in CONFIGS[name].rows:
        settings = resolve(CONFIGS[name], row)
        if settings.dataset.name == 'folder':
            settings.dataset.classes = ('cat', 'dog')  # the command fills them in
        check(settings)


@pytest.mark.parametrize(
    ('name', 'rows', 'programs'),
    [
        ('fcn_optimizers', list(rows_of('fcn_optimizers')), 3),  # an optimizer each
        ('fcn_regularization', ['dropout_0.2', 'dropout_0.4'], 1),
        ('fcn_regularization', ['base', 'mnist'], 1),
        ('ann_vs_cnn', ['ann_mnist', 'ann_fashion_mnist'], 1),
        ('ann_vs_cnn', ['base_cnn_regularized', 'base_cnn_unregularized'], 2),
    ],
)
def test_rows_that_differ_in_numbers_alone_share_a_program(name, rows, programs):
    assert len({split_static(settings_of(name, row))[0] for row in rows}) == programs


@pytest.mark.parametrize('name', [name for name in NAMES if CONFIGS[name].search])
def test_every_search_can_set_its_fields(name):
    studies.check_space(CONFIGS[name])


def test_the_search_on_the_simplified_mobilenet_starts_from_the_reports_settings():
    searched = settings_of('mobilenet_search', 'searched')
    theirs = settings_of('mobilenet', 'simplified_mobilenet')
    assert difference(plain(theirs), plain(searched)) == ['num_seeds: 3 -> 1']


def test_networks_of_one_size_are_compared():
    rows = ('cnn_4', 'small_resnet', 'inception_net', 'dense_net')
    counts = [parameters(settings_of('architectures', row)) for row in rows]
    assert counts == [65_994, 77_754, 68_826, 64_600]
