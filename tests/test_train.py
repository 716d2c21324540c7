"""Training's contracts on tiny networks: loops, replicas, stopping, evaluation."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from settings_for_tests import small_dataset, small_settings

from fmnist_jax import data, evaluate, metrics, parallel, programs, share, train
from fmnist_jax.fit import fit
from fmnist_jax.settings import split_numbers

DATASET = small_dataset()
IMAGES, LABELS = jnp.asarray(DATASET.train_images), jnp.asarray(DATASET.train_labels)


def run_fit(settings, mode='auto', devices=None, **keywords):
    replicas = parallel.make_replicas(settings.num_seeds, mode, devices=devices)
    return fit(settings, DATASET, replicas, **keywords)


def cores(count):
    return jax.local_devices()[:count]


def first_epoch(settings, seed=3, cuts=(0, 5)):
    """State and metrics after an epoch of 80 images, run in calls cut at `cuts`."""
    indices = jnp.asarray(data.split(100, 20, seed)[0])
    state = train.init(settings, seed, len(indices))
    run = jax.jit(lambda *args: train.train_steps(settings, *args))
    measured = metrics.zeros()
    for start, stop in itertools.pairwise(cuts):
        state, measured = run(state, measured, seed, indices, IMAGES, LABELS, 1, start, stop)
    return state, measured


class StepTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True, with_pmap=True)
    def test_a_step_of_sgd_follows_the_gradient(self):
        settings = small_settings(optimizer__learning_rate=0.1)
        state = train.init(settings, 0, 80)

        def step(state, images, labels):
            return train.train_step(state, 0, images, labels, None, settings, 80)

        after, measured = self.variant(step)(state, IMAGES[:16], LABELS[:16])
        inputs = IMAGES[:16, :, :, None].astype(jnp.float32) / 255

        def mean_loss(params):
            logits = train.model_of(settings).apply({'params': params}, inputs, train=False)
            return -jax.nn.log_softmax(logits)[jnp.arange(16), LABELS[:16]].mean()

        expected = jax.tree.map(
            lambda p, g: p - 0.1 * g, state.params, jax.grad(mean_loss)(state.params)
        )
        chex.assert_trees_all_close(after.params, expected, atol=1e-6)
        np.testing.assert_allclose(measured.loss / 16, mean_loss(state.params), rtol=1e-5)
        assert int(measured.count) == 16 and int(after.step) == 1


@pytest.mark.parametrize('model', ['fcn', 'lenet5'])
def test_scan_epoch_equals_python_loop(model):
    widths = (12,) if model == 'fcn' else None
    settings = small_settings(model__name=model, model__widths=widths, model__dropout=0.3)
    at_once, measured = first_epoch(settings)
    step_by_step, same = first_epoch(settings, cuts=(0, 1, 2, 3, 4, 5))
    chex.assert_trees_all_equal(at_once, step_by_step)  # not only close
    chex.assert_trees_all_equal(measured, same)
    assert int(measured.count) == 80


def test_smaller_last_batch_is_trained_on_exactly():
    settings = small_settings(batch_size=48, optimizer__learning_rate=0.1)
    state, measured = first_epoch(settings, cuts=(0, 2))
    assert int(measured.count) == 80
    before, _ = first_epoch(settings, cuts=(0, 1))
    indices = jnp.asarray(data.split(100, 20, 3)[0])
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), train._ORDER), 1)
    rest = indices[jnp.argsort(jax.random.bits(key, (80,)))][48:]
    expected, _ = train.train_step(
        before, 3, IMAGES[rest], LABELS[rest], None, small_settings(batch_size=32), 80
    )
    # the same learning rate on the mean over the 32 images that are left
    moved = jax.tree.map(jnp.subtract, state.params, before.params)
    should = jax.tree.map(lambda a, b: 2 * (a - b), expected.params, before.params)  # 0.1 / 0.05
    chex.assert_trees_all_close(moved, should, atol=1e-5)


@pytest.mark.parametrize('count', [16, 11])
def test_gradient_in_parts_is_the_gradient(count):
    batch = small_settings(model__name='lenet5', model__widths=None, micro_batch=16)
    parts = small_settings(model__name='lenet5', model__widths=None, micro_batch=4)
    state = train.init(batch, 0, 80)
    inputs = train.prepare(IMAGES[:16], batch)
    mask = jnp.arange(16) < count
    key = jax.random.key(0)
    whole, measured, _ = train.gradient(state, inputs, LABELS[:16], mask, key, batch)
    summed, same, _ = train.gradient(state, inputs, LABELS[:16], mask, key, parts)
    chex.assert_trees_all_close(whole, summed, atol=1e-6)
    chex.assert_trees_all_close(measured, same, rtol=1e-5)
    alone = train.gradient(state, inputs[:count], LABELS[:count], None, key, batch)[0]
    chex.assert_trees_all_close(whole, alone, atol=1e-6)


@pytest.mark.parametrize(
    ('change', 'size'),
    [
        ({'model__name': 'lenet5', 'batch_size': 64}, 8),
        ({'model__name': 'lenet5', 'batch_size': 100}, 5),
        ({'model__name': 'lenet5', 'batch_size': 97}, 97),  # a prime: in one piece
        ({'model__name': 'lenet5', 'batch_size': 64, 'micro_batch': 32}, 32),
        ({'model__name': 'fcn', 'batch_size': 64}, 64),
        ({'model__name': 'cnn_4', 'batch_size': 64}, 64),  # batch norm
    ],
)
def test_micro_batch_size(change, size):
    settings = small_settings(model__widths=None, **change)
    state = jax.eval_shape(lambda: train.init(settings, 0, 80))
    assert share.micro_batch_size(settings, state.params, state.batch_stats) == size


def assert_same_runs(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a.logits, b.logits, atol=tolerance)
    for name in a.history:
        np.testing.assert_allclose(
            np.array(a.history[name], float), np.array(b.history[name], float), atol=1e-4
        )


@pytest.mark.parametrize(
    'model',
    [
        {'model__name': 'fcn', 'model__widths': (12,)},
        {'model__name': 'tuned_cnn', 'model__widths': (4, 4), 'model__dense': 8},
    ],
)
def test_vmapped_mapped_spread_and_single_seeds_are_the_same_runs(model):
    settings = small_settings(**model, model__dropout=0.2, augment__flip=True)
    vmapped = run_fit(settings, 'vmap', cores(1))
    assert_same_runs(vmapped, run_fit(settings, 'map', cores(1)))
    assert_same_runs(vmapped, run_fit(settings, 'map', cores(2)))  # 3 seeds on 2 devices
    assert_same_runs(vmapped, run_fit(settings, 'vmap', cores(8)))
    for seed in range(3):
        own = {'model__dropout': 0.2, 'augment__flip': True, 'seed': seed, 'num_seeds': 1}
        alone = small_settings(**model | own)
        single = run_fit(alone)
        np.testing.assert_allclose(single.logits[0], vmapped.logits[seed], atol=1e-5)


def test_batch_norm_runs_are_the_same_under_vmap_and_map():
    # SGD: Adam would blow the rounding noise of the bias before the batch norm up to full steps
    settings = small_settings(model__name='cnn_4', model__widths=None, num_seeds=2, epochs=1)
    assert_same_runs(
        run_fit(settings, 'vmap', cores(1)), run_fit(settings, 'map', cores(2)), tolerance=1e-3
    )


def test_the_same_seeds_give_the_same_bits():
    settings = small_settings(model__dropout=0.2)
    np.testing.assert_array_equal(run_fit(settings).logits, run_fit(settings).logits)


def test_the_same_seeds_give_the_same_bytes_of_parameters():
    """Compiled and trained twice, with everything random switched on."""
    mine = small_settings(
        **{'model__name': 'tuned_cnn', 'model__widths': (4, 4), 'model__dense': 8},
        **{'model__dropout': 0.2, 'augment__flip': True, 'augment__rotation': 0.3},
        **{'optimizer__name': 'adam', 'optimizer__learning_rate': 0.01, 'num_seeds': 2},
    )
    replicas = parallel.make_replicas(2, devices=cores(2))
    trained = []
    for _ in range(2):
        _, numbers = split_numbers(mine)
        numbers = {path: np.float32(value) for path, value in numbers.items()}
        arrays = programs.place(mine, DATASET, replicas)
        compiled = programs.compile_programs(mine, numbers, replicas, arrays)
        seeds = parallel.spread(replicas, np.arange(2, dtype=np.int32))
        state = compiled.init(numbers, seeds, arrays.pretrained)
        data_ = (arrays.train_indices, arrays.train)
        state, _ = compiled.train_steps(
            *(numbers, state, programs.no_metrics(replicas), seeds, *data_, *np.int32([1, 0, 5]))
        )
        trained.append([np.array(leaf).tobytes() for leaf in jax.tree.leaves(state)])
    assert trained[0] == trained[1]


def test_padded_evaluation_covers_every_image():
    settings = small_settings()
    state = train.init(settings, 0, 80)
    indices = jnp.arange(37)
    images = jnp.asarray(DATASET.test_images)
    padded = evaluate.predict(settings, state.params, {}, images, indices)  # 16 + 16 + 5
    whole = small_settings(eval_batch_size=37)
    full = evaluate.predict(whole, state.params, {}, images, indices)
    np.testing.assert_allclose(padded, full, atol=1e-6)
    assert padded.shape == (37, 10)


def test_history_and_accuracy_agree_with_the_logits():
    outcome = run_fit(small_settings(dataset__validate_on_test=True, dataset__num_validation=0))
    accuracy = (outcome.logits.argmax(-1) == DATASET.test_labels).mean(1)
    np.testing.assert_allclose(outcome.test_accuracy, accuracy)
    np.testing.assert_allclose(outcome.history['validation_accuracy'][-1], accuracy, rtol=1e-5)
    assert len(outcome.history['train_loss']) == 2
    assert outcome.parameters == 784 * 12 + 12 + 130
    np.testing.assert_array_equal(outcome.tested_epoch, 2)


def test_best_validation_epoch_is_what_is_tested():
    # A learning rate so high that the last epoch is not always the best
    common = {'optimizer__learning_rate': 1.0, 'epochs': 6, 'selection': 'val_accuracy'}
    outcome = run_fit(small_settings(**common))
    accuracy = np.array(outcome.history['validation_accuracy'])  # [epochs, seeds]
    np.testing.assert_array_equal(outcome.tested_epoch, accuracy.argmax(0) + 1)
    for seed, epoch in enumerate(outcome.tested_epoch):
        again = run_fit(
            small_settings(optimizer__learning_rate=1.0, epochs=int(epoch), seed=seed, num_seeds=1)
        )
        np.testing.assert_allclose(again.logits[0], outcome.logits[seed], atol=1e-4)


def test_seeds_stop_on_their_own():
    settings = small_settings(
        selection='val_loss', patience=1, epochs=30, optimizer__learning_rate=1.0, num_seeds=4
    )
    outcome = run_fit(settings, 'vmap', cores(1))
    losses = np.array(outcome.history['validation_loss'], float)  # NaN after a seed stopped
    ran = (~np.isnan(losses)).sum(0)
    assert ran.min() < ran.max() < 30  # not all at once, and all before the last epoch
    np.testing.assert_array_equal(outcome.tested_epoch, ran - 1)  # patience 1
    np.testing.assert_array_equal(np.nanargmin(losses, axis=0) + 1, outcome.tested_epoch)
    assert_same_runs(outcome, run_fit(settings, 'map', cores(2)), tolerance=1e-3)


def test_a_diverging_seed_is_a_result():
    outcome = run_fit(small_settings(optimizer__learning_rate=1e30))
    assert not np.isfinite(outcome.test_loss).all()
    assert None in outcome.history['train_loss'][-1]


def test_rows_that_differ_in_numbers_share_a_program():
    cache = {}
    slow = run_fit(small_settings(optimizer__learning_rate=0.01), cache=cache)
    fast = run_fit(small_settings(optimizer__learning_rate=0.2), cache=cache)
    assert len(cache) == 1
    assert slow.compile_seconds > 0 and fast.compile_seconds == 0
    fresh = run_fit(small_settings(optimizer__learning_rate=0.2))
    np.testing.assert_array_equal(fast.logits, fresh.logits)
    assert np.abs(fast.logits - slow.logits).max() > 1e-3
    run_fit(small_settings(optimizer__momentum=0.9), cache=cache)
    assert len(cache) == 2


def test_training_learns():
    settings = small_settings(epochs=30, model__widths=(64,), optimizer__learning_rate=0.2)
    outcome = run_fit(settings)
    assert np.mean(outcome.history['train_accuracy'][-1]) > 0.85
    assert np.mean(outcome.history['train_loss'][0]) > 1.5


@pytest.mark.parametrize('model', ['fcn', 'lenet5', 'cnn_4'])
def test_bfloat16_computes_less_exactly_with_float32_parameters(model):
    widths = (12,) if model == 'fcn' else None
    common = {'model__name': model, 'model__widths': widths, 'optimizer__learning_rate': 0.01}
    exact, measured = first_epoch(small_settings(**common))
    rough, same = first_epoch(small_settings(**common, compute='bfloat16'))
    chex.assert_trees_all_equal_dtypes(exact, rough)  # all that is kept is float32
    assert int(measured.count) == int(same.count)
    np.testing.assert_allclose(same.loss, measured.loss, rtol=0.02)
    differences = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), exact.params, rough.params)
    assert 0 < max(jax.tree.leaves(differences)) < 0.05
