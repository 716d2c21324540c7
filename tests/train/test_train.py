"""Training's contracts on tiny networks: loops, replicas, stopping, evaluation."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from settings_for_tests import small_dataset, small_settings

from fmnist_jax.data import datasets
from fmnist_jax.train import epoch, losses
from fmnist_jax.train import step as steps

DATASET = small_dataset()
IMAGES, LABELS = jnp.asarray(DATASET.train_images), jnp.asarray(DATASET.train_labels)


def first_epoch(settings, seed=3, cuts=(0, 5)):
    """State and metrics after an epoch of 80 images, run in calls cut at `cuts`."""
    indices = jnp.asarray(datasets.split(100, 20, seed)[0])
    state = steps.init(settings, seed, len(indices))
    run = jax.jit(lambda *args: epoch.train_steps(settings, *args))
    metrics = losses.zeros()
    for start, stop in itertools.pairwise(cuts):
        state, metrics = run(state, metrics, seed, indices, (IMAGES, LABELS), 1, start, stop)
    return state, metrics


class StepTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True, with_pmap=True)
    def test_a_step_of_sgd_follows_the_gradient(self):
        settings = small_settings(optimizer__learning_rate=0.1)
        state = steps.init(settings, 0, 80)

        def step(state, images, labels):
            return steps.train_step(state, 0, images, labels, None, settings, 80)

        after, metrics = self.variant(step)(state, IMAGES[:16], LABELS[:16])
        inputs = IMAGES[:16, :, :, None].astype(jnp.float32) / 255

        def mean_loss(params):
            logits = steps.model_of(settings).apply({'params': params}, inputs, train=False)
            return -jax.nn.log_softmax(logits)[jnp.arange(16), LABELS[:16]].mean()

        expected = jax.tree.map(
            lambda p, g: p - 0.1 * g, state.params, jax.grad(mean_loss)(state.params)
        )
        chex.assert_trees_all_close(after.params, expected, atol=1e-6)
        np.testing.assert_allclose(metrics.loss / 16, mean_loss(state.params), rtol=1e-5)
        assert int(metrics.count) == 16 and int(after.step) == 1


@pytest.mark.slow
@pytest.mark.parametrize('model', ['fcn', 'lenet5'])
def test_scan_epoch_equals_python_loop(model):
    widths = (12,) if model == 'fcn' else None
    settings = small_settings(model__name=model, model__widths=widths, model__dropout=0.3)
    at_once, metrics = first_epoch(settings)
    step_by_step, same = first_epoch(settings, cuts=(0, 1, 2, 3, 4, 5))
    chex.assert_trees_all_equal(at_once, step_by_step)  # not only close
    chex.assert_trees_all_equal(metrics, same)
    assert int(metrics.count) == 80


@pytest.mark.slow
def test_smaller_last_batch_is_trained_on_exactly():
    settings = small_settings(batch_size=48, optimizer__learning_rate=0.1)
    state, metrics = first_epoch(settings, cuts=(0, 2))
    assert int(metrics.count) == 80
    before, _ = first_epoch(settings, cuts=(0, 1))
    indices = jnp.asarray(datasets.split(100, 20, 3)[0])
    key = jax.random.fold_in(steps.seed_key(3, steps.PERMUTATION), 1)
    rest = indices[jnp.argsort(jax.random.bits(key, (80,)))][48:]
    expected, _ = steps.train_step(
        before, 3, IMAGES[rest], LABELS[rest], None, small_settings(batch_size=32), 80
    )
    # the same learning rate on the mean over the 32 images that are left
    moved = jax.tree.map(jnp.subtract, state.params, before.params)
    should = jax.tree.map(lambda a, b: 2 * (a - b), expected.params, before.params)  # 0.1 / 0.05
    chex.assert_trees_all_close(moved, should, atol=1e-5)


@pytest.mark.parametrize('count', [16, 11])
@jax.default_matmul_precision('highest')  # a GPU's default has 10 bits
def test_gradient_in_parts_is_the_gradient(count):
    batch = small_settings(model__name='lenet5', model__widths=None, micro_batch=16)
    parts = small_settings(model__name='lenet5', model__widths=None, micro_batch=4)
    state = steps.init(batch, 0, 80)
    inputs = steps.preprocess(IMAGES[:16], batch)
    mask = jnp.arange(16) < count
    key = jax.random.key(0)

    def gradient(count, mask, settings):
        compiled = jax.jit(lambda *args: steps.gradient(*args, settings))
        return compiled(state, inputs[:count], LABELS[:count], mask, key)

    whole, metrics, _ = gradient(16, mask, batch)
    summed, same, _ = gradient(16, mask, parts)
    chex.assert_trees_all_close(whole, summed, atol=1e-6)
    chex.assert_trees_all_close(metrics, same, rtol=1e-5)
    alone = gradient(count, None, batch)[0]
    chex.assert_trees_all_close(whole, alone, atol=1e-6)


@pytest.mark.parametrize(
    ('change', 'size'),
    [
        ({'model__name': 'lenet5', 'batch_size': 64}, 8),
        ({'model__name': 'lenet5', 'batch_size': 100}, 5),
        ({'model__name': 'lenet5', 'batch_size': 97}, 97),  # a prime: in one piece
        ({'model__name': 'lenet5', 'batch_size': 64, 'micro_batch': 32}, 32),
        ({'model__name': 'fcn', 'batch_size': 64}, 64),
        ({'model__name': 'tuned_cnn', 'batch_size': 64}, 8),
        ({'model__name': 'tuned_cnn', 'model__widths': (8,), 'batch_size': 64}, 16),  # mostly dense
        ({'model__name': 'cnn_4', 'batch_size': 64}, 64),  # batch norm
    ],
)
def test_micro_batch_size_on_a_cpu(monkeypatch, change, size):
    monkeypatch.setattr(jax, 'default_backend', lambda: 'cpu')
    change = {'model__widths': None} | change
    settings = small_settings(**change)
    state = jax.eval_shape(lambda: steps.init(settings, 0, 80))
    assert steps.micro_batch_size(settings, state.params, state.batch_stats) == size


def test_padded_evaluation_covers_every_image():
    settings = small_settings()
    state = steps.init(settings, 0, 80)
    indices = jnp.arange(37)
    images = jnp.asarray(DATASET.test_images)
    padded = epoch.predict(settings, state.params, {}, images, indices)  # 16 + 16 + 5
    whole = small_settings(eval_batch_size=37)
    full = epoch.predict(whole, state.params, {}, images, indices)
    np.testing.assert_allclose(padded, full, atol=1e-6)
    assert padded.shape == (37, 10)


@pytest.mark.slow
@pytest.mark.parametrize('model', ['fcn', 'lenet5', 'cnn_4'])
def test_bfloat16_computes_less_exactly_with_float32_parameters(model):
    widths = (12,) if model == 'fcn' else None
    common = {'model__name': model, 'model__widths': widths, 'optimizer__learning_rate': 0.01}
    exact, metrics = first_epoch(small_settings(**common))
    rough, same = first_epoch(small_settings(**common, compute='bfloat16'))
    chex.assert_trees_all_equal_dtypes(exact, rough)  # all that is kept is float32
    assert int(metrics.count) == int(same.count)
    np.testing.assert_allclose(same.loss, metrics.loss, rtol=0.02)
    differences = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), exact.params, rough.params)
    assert 0 < max(jax.tree.leaves(differences)) < 0.05


def test_averaged_parameters_are_validated():
    """The average follows TensorFlow's rule: the decay grows with the steps."""
    settings = small_settings(average=0.5, optimizer__learning_rate=0.1)
    state = steps.init(settings, 0, 80)
    expected = state.params
    for number in range(20):
        state, _ = steps.train_step(state, 0, IMAGES[:16], LABELS[:16], None, settings, 80)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = jax.tree.map(lambda a, p, d=decay: d * a + (1 - d) * p, expected, state.params)
    chex.assert_trees_all_close(epoch.selected(state)[0], expected, rtol=1e-4, atol=1e-6)
    indices = jnp.arange(60)
    _, metrics = epoch.evaluate(settings, *steps.evaluated(state), indices, 40, (IMAGES, LABELS))
    logits = epoch.predict(settings, expected, {}, IMAGES, indices[:40])
    np.testing.assert_allclose(
        metrics.loss, losses.evaluate(logits, LABELS[:40], 'softmax').loss, rtol=1e-4
    )


def test_views_average_the_mirrored_and_shifted_images():
    plain, views = small_settings(), small_settings(test_views='mirror_shift')
    state, indices = steps.init(plain, 0, 80), jnp.arange(8)

    def logits(images, settings=plain):
        return epoch.predict(settings, state.params, {}, jnp.asarray(images), indices)

    images = np.asarray(IMAGES[:8])
    down, up = np.zeros_like(images), np.zeros_like(images)
    down[:, 1:, 1:], up[:, :-1, :-1] = images[:, :-1, :-1], images[:, 1:, 1:]
    mirrored = images[:, :, ::-1]
    down_mirrored, up_mirrored = np.zeros_like(images), np.zeros_like(images)
    down_mirrored[:, 1:, 1:] = mirrored[:, :-1, :-1]
    up_mirrored[:, :-1, :-1] = mirrored[:, 1:, 1:]
    once = 0.25 * (logits(images) + logits(mirrored))
    shifted = [logits(view) for view in (down, up, down_mirrored, up_mirrored)]
    expected = once + 0.125 * sum(shifted)
    np.testing.assert_allclose(logits(images, views), expected, rtol=1e-4, atol=1e-5)
    views.compute = 'bfloat16'  # the network computes in it, the mean does not
    assert logits(images, views).dtype == jnp.float32
