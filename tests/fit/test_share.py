"""A seed whose batches several devices share: the same run, up to the order of additions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from settings_for_tests import BATCH_NORM, small_dataset, small_settings

from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import fit, mesh
from fmnist_jax.models.batch import AXIS, Share

pytestmark = pytest.mark.slow


DATASET = small_dataset()


def run(settings, devices):
    layout = mesh.make_layout(settings, jax.local_devices()[:devices])
    return layout, fit.fit(settings, DATASET, layout)


@pytest.mark.parametrize(
    ('seeds', 'devices', 'each', 'change', 'tolerance'),
    [
        # drops and flips are drawn for the whole batch; the last batch is half empty
        (1, 8, 8, {'model__name': 'fcn', 'model__dropout': 0.3, 'augment__flip': True}, 1e-5),
        (2, 4, 2, {'model__name': 'lenet5', 'model__dropout': 0.3, 'micro_batch': 2}, 1e-4),
        (2, 4, 2, {'model__name': 'fcn', 'model__batch_norm': True, 'model__dropout': 0.3}, 1e-3),
        (1, 8, 8, {'model__name': 'fcn', 'model__batch_norm': True, 'model__dropout': 0.3}, 1e-3),
        (1, 2, 2, BATCH_NORM, 1e-3),
        # more validation images than test images
        (1, 8, 8, {'model__name': 'fcn', 'dataset__num_validation': 45}, 1e-5),
    ],
)
def test_shared_batches_give_the_same_run(change, tolerance, seeds, devices, each):
    if change['model__name'] != 'fcn':
        change = change | {'model__widths': None}
    common = {'dataset__num_validation': 24} | change | {'num_seeds': seeds, 'epochs': 1}
    layout, shared = run(small_settings(**common, devices_per_seed=each), devices)
    assert (layout.share, len(layout.devices)) == (Share(each, devices), devices)
    alone, expected = run(small_settings(**common, devices_per_seed=1), 1)
    assert alone.share == Share(1, 1)
    np.testing.assert_allclose(shared.logits, expected.logits, atol=tolerance)
    for name, values in expected.history.items():
        np.testing.assert_allclose(shared.history[name], values, atol=1e-3)
    np.testing.assert_array_equal(shared.tested_epoch, expected.tested_epoch)


@pytest.mark.parametrize(
    ('change', 'devices', 'each'),
    [
        ({'num_seeds': 1, 'model__name': 'lenet5', 'batch_size': 32}, 8, 4),  # 4 parts of 8
        ({'num_seeds': 3, 'model__name': 'lenet5', 'batch_size': 64}, 8, 2),
        ({'num_seeds': 8, 'model__name': 'lenet5', 'batch_size': 64}, 8, 1),
        ({'num_seeds': 1, 'model__name': 'cnn_4', 'batch_size': 12}, 8, 6),
        ({'num_seeds': 1, 'model__name': 'fcn', 'batch_size': 64}, 8, 1),
    ],
)
def test_how_many_devices_share_a_seed(change, devices, each):
    settings = small_settings(model__widths=None, **change)
    layout = mesh.make_layout(settings, jax.local_devices()[:devices])
    assert layout.share.parts == each
    assert len(layout.devices) == each * change['num_seeds']


def test_a_share_that_cannot_be_had_is_named():
    with pytest.raises(ConfigError, match=r'config.devices_per_seed=3: expected one of 1, 2, 4'):
        mesh.make_layout(small_settings(num_seeds=1, devices_per_seed=3), jax.local_devices()[:4])
    with pytest.raises(ConfigError, match=r'expected one of 1: 1 devices for each seed'):
        mesh.make_layout(small_settings(num_seeds=4, devices_per_seed=2), jax.local_devices()[:4])


def test_take_and_collect_are_inverse():
    share = Share(2, 4)

    def function(x):
        part = share.take(x)
        return part, share.collect(part), share.sum(part)

    x = jnp.arange(8.0)
    program = jax.pmap(function, AXIS, devices=jax.local_devices()[:4])
    parts, whole, sums = program(jnp.stack([x, x, 10 * x, 10 * x]))
    np.testing.assert_array_equal(parts[0], x[:4])
    np.testing.assert_array_equal(parts[3], 10 * x[4:])
    np.testing.assert_array_equal(whole, jnp.stack([x, x, 10 * x, 10 * x]))
    np.testing.assert_array_equal(sums[2], 10 * (x[:4] + x[4:]))


def test_a_seed_that_several_devices_share_is_gathered_once():
    layout = mesh.arrange(2, devices=jax.local_devices()[:6], devices_per_seed=3)
    values = np.arange(4).reshape(2, 2)
    laid_out = mesh.shard(layout, values)
    assert laid_out.shape == (6, 1, 2)
    np.testing.assert_array_equal(mesh.gather(layout, laid_out), values)
