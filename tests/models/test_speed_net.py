"""The speed net: what its first convolution does, and what it starts from."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
from settings_for_tests import small_dataset, small_settings

from fmnist_jax.models import speed_net
from fmnist_jax.models.layers import KERNEL_INITIALIZERS, Conv
from fmnist_jax.train import step as steps


def test_the_whitening_kernel_decorrelates_patches():
    draw = np.random.default_rng(0)
    images = draw.normal(size=(40, 12, 12, 1)).cumsum(1).cumsum(2).astype(np.float32)
    images[:5] = 3.0  # without contrast: they do not count
    kernel = speed_net.whitening_kernel(jnp.asarray(images))
    assert kernel.shape == (3, 3, 1, 18)
    np.testing.assert_array_equal(kernel[..., :9], -kernel[..., 9:])
    variables = {'params': {'kernel': kernel, 'bias': jnp.zeros(18)}}
    outputs = Conv(18, 3, 'pytorch').apply(variables, images[5:]).reshape(-1, 18)[:, :9]
    moments = np.asarray(outputs.T @ outputs / len(outputs))
    expected = np.diag(moments)
    np.testing.assert_allclose(moments, np.diag(expected), atol=2e-3)
    assert (expected[-5:] > 0.98).all() and (expected <= 1.001).all()


def test_the_norm_of_the_gradient_is_that_of_what_is_trained():
    """SGD with a clipped gradient: the step has the largest norm that is allowed."""
    dataset = small_dataset()
    change = {'model__name': 'speed_net', 'model__widths': (4,), 'batch_size': 20}
    change |= {'optimizer__clip_norm': 1e-3, 'optimizer__learning_rate': 1.0}
    settings = small_settings(**change)
    images = jnp.asarray(dataset.train_images)
    state = steps.init(settings, 0, 80, images=images)
    batch = (images[:20], jnp.asarray(dataset.train_labels[:20]), None)
    after, _ = jax.jit(lambda s: steps.train_step(s, 0, *batch, settings, 80))(state)
    moved = jax.tree.map(jnp.subtract, after.params, state.params)
    np.testing.assert_allclose(optax.global_norm(moved), 1e-3, rtol=1e-3)


def test_training_keeps_the_whitening_kernel_and_moves_its_bias():
    dataset = small_dataset()
    settings = small_settings(model__name='speed_net', model__widths=(4,), batch_size=20)
    images = jnp.asarray(dataset.train_images)
    state = steps.init(settings, 0, 80, images=images)
    expected = speed_net.whitening_kernel(images[..., None] / 255)
    np.testing.assert_allclose(state.params['whiten']['kernel'], expected, atol=1e-5)
    batch = (images[:20], jnp.asarray(dataset.train_labels[:20]), None)
    after, _ = jax.jit(lambda s: steps.train_step(s, 0, *batch, settings, 80))(state)
    kernels = (after.params['whiten'], state.params['whiten'])
    np.testing.assert_array_equal(kernels[0]['kernel'], kernels[1]['kernel'])
    assert (kernels[0]['bias'] != kernels[1]['bias']).any()


def test_dirac_kernels_pass_their_inputs_on():
    kernel = KERNEL_INITIALIZERS['dirac'](jax.random.key(0), (3, 3, 2, 5))
    images = np.random.default_rng(0).normal(size=(1, 6, 6, 2)).astype(np.float32)
    variables = {'params': {'kernel': kernel, 'bias': jnp.zeros(5)}}
    outputs = Conv(5, 3, 'dirac', padding=1).apply(variables, images)
    np.testing.assert_allclose(outputs[..., :2], images, rtol=1e-6)
    assert (np.abs(kernel[..., 2:]) > 0).all()


def test_dirac_kernels_pass_no_empty_array_to_several_devices():
    # jax 0.11.2 crashes when it compiles such a program.
    def kernel(seed):
        return KERNEL_INITIALIZERS['dirac'](jax.random.key(seed), (3, 3, 2, 2))

    devices = jax.devices()[:2]
    seeds = np.arange(len(devices))
    lowered = jax.pmap(kernel, devices=devices).lower(seeds)
    assert not re.search(r'tensor<(\d+x)*0x(?!index)', lowered.as_text())
    assert lowered.compile()(seeds).shape == (len(devices), 3, 3, 2, 2)
