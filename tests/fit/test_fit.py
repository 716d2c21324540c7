"""All seeds of a row: the same run in every layout, stopping, divergence, what is tested."""

import re

import jax
import numpy as np
import pytest
from settings_for_tests import BATCH_NORM, small_dataset, small_settings

from fmnist_jax.config.settings import split_static
from fmnist_jax.data import datasets
from fmnist_jax.fit import compile, mesh
from fmnist_jax.fit.fit import fit

DATASET = small_dataset()


def run_fit(settings, mode='auto', devices=None, **keywords):
    layout = mesh.arrange(settings.num_seeds, mode, devices=devices)
    return fit(settings, DATASET, layout, **keywords)


def cores(count):
    return jax.local_devices()[:count]


def assert_same_runs(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a.logits, b.logits, atol=tolerance)
    for name in a.history:
        np.testing.assert_allclose(
            np.array(a.history[name], float), np.array(b.history[name], float), atol=1e-4
        )


@pytest.mark.slow
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
    cache = {}
    for seed in range(3):
        own = {'model__dropout': 0.2, 'augment__flip': True, 'seed': seed, 'num_seeds': 1}
        alone = small_settings(**model | own)
        single = run_fit(alone, cache=cache)
        np.testing.assert_allclose(single.logits[0], vmapped.logits[seed], atol=1e-5)


@pytest.mark.slow
def test_batch_norm_runs_are_the_same_under_vmap_and_map():
    # SGD: Adam would blow the rounding noise of the bias before the batch norm up to full steps
    settings = small_settings(**BATCH_NORM, num_seeds=2, epochs=1)
    assert_same_runs(
        run_fit(settings, 'vmap', cores(1)), run_fit(settings, 'map', cores(2)), tolerance=1e-3
    )


def test_bagging_trains_each_seed_on_its_bootstrap_sample():
    settings = small_settings(num_seeds=2, dataset__bootstrap=True)
    layout = mesh.arrange(2, 'vmap', devices=cores(1))
    data = compile.place(settings, DATASET, layout)
    sizes = len(DATASET.train_labels), settings.dataset.num_validation
    samples = [datasets.split(*sizes, seed, bootstrap=True) for seed in range(2)]
    got = mesh.gather(layout, (data.train_indices, data.validation.indices))
    counts = (None, data.validation.count)
    for k, (indices, count) in enumerate(zip(got, counts, strict=True)):
        np.testing.assert_array_equal(indices[:, :count], [sample[k] for sample in samples])
    assert split_static(settings)[0] == split_static(small_settings(num_seeds=2))[0]


@pytest.mark.parametrize(('tests', 'held_out'), [(7, 40), (37, 20)])
def test_validation_and_test_have_their_own_numbers_of_images(tests, held_out):
    """One program evaluates both: the smaller set is padded."""
    dataset = small_dataset(num_test=tests)
    settings = small_settings(dataset__num_validation=held_out)
    outcome = fit(settings, dataset, mesh.arrange(3, devices=cores(1)))
    assert outcome.logits.shape == (3, tests, 10)
    hits = outcome.logits.argmax(-1) == dataset.test_labels
    np.testing.assert_allclose(outcome.test_accuracy, hits.mean(1), atol=1e-6)
    logits, labels = outcome.validation
    assert logits.shape == (3, held_out, 10)
    validated = np.array(outcome.history['validation_accuracy'])
    validated = validated[outcome.tested_epoch - 1, range(3)]
    np.testing.assert_allclose(validated, (logits.argmax(-1) == labels).mean(1), atol=1e-5)


def test_the_same_seeds_give_the_same_bits():
    settings = small_settings(model__dropout=0.2)
    np.testing.assert_array_equal(run_fit(settings).logits, run_fit(settings).logits)


@pytest.mark.slow
def test_the_same_seeds_give_the_same_bytes_of_parameters():
    """Compiled and trained twice, with everything random switched on."""
    settings = small_settings(
        model__name='tuned_cnn',
        model__widths=(4, 4),
        model__dense=8,
        model__dropout=0.2,
        augment__flip=True,
        augment__rotation=0.3,
        optimizer__name='adam',
        optimizer__learning_rate=0.01,
        num_seeds=2,
    )
    layout = mesh.arrange(2, devices=cores(2))
    trained = []
    for _ in range(2):
        _, hparams = split_static(settings)
        hparams = {path: np.float32(value) for path, value in hparams.items()}
        data = compile.place(settings, DATASET, layout)
        compiled = compile.compile_programs(settings, hparams, layout, data)
        seeds = mesh.shard(layout, np.arange(2, dtype=np.int32))
        state = compiled.init(hparams, *compile.init_args(seeds, data))
        metrics, numbers = compile.epoch_metrics(layout), np.int32([1, 0, 5])
        state, _ = compiled.train_steps(
            hparams, state, metrics, seeds, data.train_indices, data.examples, *numbers
        )
        trained.append([np.array(leaf).tobytes() for leaf in jax.tree.leaves(state)])
    assert trained[0] == trained[1]


def test_fixed_copies_are_trained_on_beside_the_originals():
    settings = small_settings(augment__flip=True, augment__copies=1)
    layout = mesh.arrange(3, devices=cores(1))
    data = compile.place(settings, DATASET, layout)
    images, labels = (np.asarray(array)[0] for array in data.examples)  # of the one device
    tested = len(DATASET.test_labels)
    np.testing.assert_array_equal(images[200:], DATASET.test_images)
    np.testing.assert_array_equal(labels[200:], DATASET.test_labels)
    images, labels = images[:-tested], labels[:-tested]
    assert images.shape == (200, 28, 28) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:100], DATASET.train_images)
    np.testing.assert_array_equal(labels, np.tile(DATASET.train_labels, 2))
    held_out = np.asarray(data.validation.indices).reshape(3, -1)[:, : data.validation.count]
    for own, others in zip(np.asarray(data.train_indices).reshape(3, 160), held_out, strict=True):
        np.testing.assert_array_equal(own[80:], own[:80] + 100)
        assert sorted([*own[:80], *others]) == list(range(100))
    # The step leaves the images as they are: no flip makes the same training.
    data = DATASET._replace(train_images=images, train_labels=labels)
    plain = {'dataset__num_validation': 0, 'dataset__split': 'last'}  # images in their order
    unflipped = small_settings(**plain)
    copied = small_settings(**plain, augment__flip=True, augment__copies=1)
    trained = fit(copied, DATASET, layout).logits
    np.testing.assert_allclose(fit(unflipped, data, layout).logits, trained, atol=1e-5)


def test_the_metric_of_exact_outputs_decides_test_and_validation():
    on_test = {'dataset__validate_on_test': True, 'dataset__num_validation': 0, 'loss': 'sigmoid'}
    outcome = run_fit(small_settings(**on_test, accuracy='exact', optimizer__learning_rate=2.0))
    exact = ((outcome.logits > 0) == np.eye(10, dtype=bool)[DATASET.test_labels]).all(-1).mean(1)
    np.testing.assert_allclose(outcome.test_accuracy, exact)
    np.testing.assert_allclose(outcome.history['validation_accuracy'][-1], exact, rtol=1e-5)
    assert (exact < (outcome.logits.argmax(-1) == DATASET.test_labels).mean(1)).all()


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
    cache = {}
    for seed, epoch in enumerate(outcome.tested_epoch):
        again = small_settings(
            optimizer__learning_rate=1.0, epochs=int(epoch), seed=seed, num_seeds=1
        )
        again = run_fit(again, cache=cache)
        np.testing.assert_allclose(again.logits[0], outcome.logits[seed], atol=1e-4)
    last = run_fit(small_settings(**common | {'selection': 'last'}))
    assert last.last_accuracy is None and (outcome.test_accuracy != last.test_accuracy).any()
    np.testing.assert_allclose(outcome.last_accuracy, last.test_accuracy, atol=1e-2)


@pytest.mark.slow
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
    for name in ('train_loss', 'train_accuracy', 'validation_loss', 'validation_accuracy'):
        assert None in outcome.history[name][-1]


@pytest.mark.parametrize('selection', ['val_loss', 'val_accuracy'])
def test_a_seed_that_diverges_at_once_is_not_tested_as_it_started(selection):
    outcome = run_fit(small_settings(optimizer__learning_rate=1e30, selection=selection))
    assert np.isnan(outcome.test_loss).all()
    assert (outcome.tested_epoch >= 1).all()


@pytest.mark.parametrize('rate', [0.0, 0.1])
def test_any_number_of_hparams_trains(rate):
    """Two hyper-parameters, the seeds and no pretrained weights: as many leaves as arguments."""
    settings = small_settings(optimizer__learning_rate=rate, num_seeds=2, epochs=1)
    count = 2 if rate == 0 else 3
    assert len(split_static(settings)[1]) == count
    result = run_fit(settings, devices=cores(1))
    assert np.isfinite(result.test_loss).all()


def test_a_result_prints_as_one_line_for_people():
    result = run_fit(small_settings(num_seeds=2, epochs=1))
    numbers = r'test accuracy \d+\.\d\d % ± \d+\.\d\d \(standard deviation\), trained in \d+\.\d s'
    assert re.fullmatch(rf'FitResult\(2 seeds, 1 epoch, {numbers}\)', str(result))
    alone = run_fit(small_settings(num_seeds=1))
    assert repr(alone).startswith('FitResult(1 seed, 2 epochs, test accuracy ')
    assert '±' not in repr(alone)


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
