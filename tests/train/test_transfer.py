"""Training from pretrained weights: what starts from them, what is frozen, the head first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from settings_for_tests import BATCH_NORM, small_dataset, small_settings

from fmnist_jax.fit import mesh
from fmnist_jax.fit.fit import fit
from fmnist_jax.results.networks import seed_logits
from fmnist_jax.train import epoch as epoch_steps
from fmnist_jax.train import losses as metrics
from fmnist_jax.train import step

pytestmark = pytest.mark.slow


DATASET = small_dataset(num_train=52)


def settings(**change):
    """A MobileNet of two narrow blocks that takes two steps an epoch."""
    # L2 moves every parameter that is not frozen.
    mobilenet = BATCH_NORM | {'model__blocks': 2, 'optimizer__l2': 0.01, 'num_seeds': 1}
    return small_settings(**mobilenet | change)


def trained(tiny, epochs):
    """(State before, State after) of seed 0; steps outside any compiled loop."""
    indices = jnp.arange(32)
    images, labels = jnp.asarray(DATASET.train_images), jnp.asarray(DATASET.train_labels)
    state = before = step.init(tiny, 0, len(indices))
    for epoch in range(1, epochs + 1):
        phase = epoch_steps.head_only(tiny) if epoch <= tiny.head_epochs else tiny
        steps = jax.jit(lambda state, epoch, phase=phase: epoch_steps.train_steps(
            phase, state, metrics.zeros(), 0, indices, (images, labels), epoch, 0, 2
        )[0])  # fmt: skip
        state = steps(state, epoch)
    return before, state


def moved(before, after):
    """Names of the layers of which something changed, parameters and statistics apart."""

    def layers(old, new):
        return {
            name
            for name in old
            if any(jax.tree.leaves(jax.tree.map(lambda a, b: (a != b).any(), old[name], new[name])))
        }

    return layers(before.params, after.params), layers(before.batch_stats, after.batch_stats)


ALL = {'conv1', 'conv_dw_1', 'conv_pw_1', 'conv_dw_2', 'conv_pw_2'}
SECOND = {'conv_dw_2', 'conv_pw_2'}


@pytest.mark.parametrize(('frozen', 'moving'), [(None, ALL), (0, ALL), (1, SECOND), (2, set())])
def test_frozen_blocks_keep_parameters_and_statistics(frozen, moving):
    params, statistics = moved(*trained(settings(model__frozen_blocks=frozen), 1))
    assert params == moving | {'Dense_0'} and statistics == moving


def test_frozen_batch_norm_keeps_its_own_and_trains_the_kernels():
    before, after = trained(settings(model__frozen_batch_norm=True), 1)
    params, statistics = moved(before, after)
    assert params == ALL | {'Dense_0'} and statistics == set()
    for name in ALL:
        for old, new in zip(
            jax.tree.leaves(before.params[name]['norm']),
            jax.tree.leaves(after.params[name]['norm']),
            strict=True,
        ):
            np.testing.assert_array_equal(old, new)


def test_a_frozen_layer_normalizes_by_its_running_averages():
    """So a batch's other images do not change what it gives in training."""
    tiny = settings(model__frozen_blocks=2, model__dropout=0.0)
    state = step.init(tiny, 0, 32)
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    images = jax.random.uniform(jax.random.key(0), (4, 32, 32, 3))
    model = step.model_of(tiny)
    logits, _ = model.apply(variables, images, True, mutable=['batch_stats'])
    np.testing.assert_allclose(logits, model.apply(variables, images, False), atol=1e-5)


def test_the_head_learns_first_then_all_of_it_with_a_fresh_optimizer():
    tiny = settings(head_epochs=1, epochs=2, optimizer__name='adam', optimizer__l2=0.0)
    start, middle = trained(tiny, 1)
    params, statistics = moved(start, middle)
    assert params == {'Dense_0'} and statistics == set()
    _, end = trained(tiny, 2)
    params, statistics = moved(middle, end)
    assert params == ALL | {'Dense_0'} and statistics == ALL
    counts = [
        leaf for leaf in jax.tree.leaves(end.opt_state) if jnp.issubdtype(leaf.dtype, jnp.integer)
    ]
    assert counts and all(int(count) == 2 for count in counts)  # steps since it began afresh
    assert int(end.step) == 4


def test_the_phases_run_in_the_compiled_loop_as_step_by_step():
    tiny = settings(head_epochs=1, epochs=2, dataset__num_validation=20)
    layout = mesh.arrange(1, devices=jax.local_devices()[:1])
    outcome = fit(tiny, DATASET, layout)
    # What is kept of a network with batch norm is the network that was tested.
    logits = seed_logits(tiny, outcome.variables, DATASET.test_images)
    np.testing.assert_allclose(logits, outcome.logits, atol=1e-4)
    whole = settings(epochs=2, dataset__num_validation=20)
    other = fit(whole, DATASET, layout)
    losses = np.array(outcome.history['train_loss']), np.array(other.history['train_loss'])
    assert losses[0].shape == (2, 1) and np.isfinite(losses[0]).all()
    assert abs(losses[0] - losses[1]).max() > 1e-4


def test_pretrained_layers_take_the_place_of_random_ones():
    tiny = settings()
    fresh = step.init(tiny, 0, 32)
    kernel = jnp.full(fresh.params['conv1']['kernel'].shape, 0.25)
    mean = jnp.full(fresh.batch_stats['conv_dw_1']['norm']['mean'].shape, 3.0)
    given = {
        'params': {'conv1': {'kernel': kernel}},
        'batch_stats': {'conv_dw_1': {'norm': {'mean': mean}}},
    }
    state = step.init(tiny, 0, 32, given)
    np.testing.assert_array_equal(state.params['conv1']['kernel'], kernel)
    np.testing.assert_array_equal(state.batch_stats['conv_dw_1']['norm']['mean'], mean)
    assert moved(fresh, state) == ({'conv1'}, {'conv_dw_1'})
    # The same through all programs: every seed starts there.
    layout = mesh.arrange(2, devices=jax.local_devices()[:2])
    still = settings(num_seeds=2, model__frozen_blocks=2, epochs=1)
    one, two = (fit(still, DATASET, layout, pretrained=p).test_loss for p in (given, None))
    assert (one != two).all()
