"""Convolutions against plain lax operations, forward and gradients, under jit, scan and vmap."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_jax.models import convolution, depthwise


@pytest.fixture(autouse=True)
def _exact_products():
    """A GPU's float32 products have 10 bits of precision by default."""
    with jax.default_matmul_precision('highest'):
        yield


def reference(images, kernel, padding, stride=1, groups=1):
    sides = padding if isinstance(padding, tuple) else (padding, padding)
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        (sides, sides),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=groups,
        precision='highest',
    )


def loss_of(convolve):
    """A loss whose gradient is different at every output."""

    def loss(images, kernel, *settings):
        outputs = convolve(images, kernel, *settings)
        weights = jnp.cos(jnp.arange(outputs.size)).reshape(outputs.shape)
        return (outputs * weights).sum()

    return loss


def draw(count, side, channels, features, size):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, side, side + 1, channels)).astype(np.float32)
    kernel = rng.normal(size=(size, size, channels, features)).astype(np.float32)
    return images, kernel


def assert_same(convolve, expected_convolve, images, kernel, *settings):
    def outputs_and_gradients(convolve):
        def both(x, k):  # compiled as one program, which is faster
            gradients = jax.grad(loss_of(convolve), (0, 1))(x, k, *settings)
            return convolve(x, k, *settings), *gradients

        return jax.jit(both)(images, kernel)

    outputs, *gradients = outputs_and_gradients(convolve)
    expected, *expected_gradients = outputs_and_gradients(expected_convolve)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5 * scale)
    for gradient, want in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


# Counts below, at and beyond a block of images, and one that no block divides.
@pytest.mark.parametrize('count', [1, 16, 17, 43])
@pytest.mark.parametrize(('side', 'size', 'padding'), [(7, 3, 1), (6, 5, 2), (9, 3, 0), (5, 1, 0)])
def test_convolution_and_gradients(count, side, size, padding):
    assert_same(convolution.convolve, reference, *draw(count, side, 3, 4, size), padding)


# Features that make groups of 4, 2 and 1 pixels, with widths that no group divides.
@pytest.mark.parametrize('features', [1, 6, 8, 9, 16, 17, 32, 40])
@pytest.mark.parametrize(
    ('side', 'size', 'padding'), [(28, 5, 2), (13, 3, 0), (7, 3, 1), (4, 5, 0)]
)
def test_pixel_groups(features, side, size, padding):
    if side < size:
        side = size
    assert_same(convolution.convolve, reference, *draw(3, side, 2, features, size), padding)


# One block, several, and a rest; blocks of one image where the patches are allowed few bytes.
@pytest.mark.parametrize(('count', 'patch_bytes'), [(1, 2**21), (19, 2**21), (3, 2**12)])
@pytest.mark.parametrize(('channels', 'features'), [(16, 16), (18, 32)])
@pytest.mark.parametrize(
    ('side', 'size', 'padding'), [(5, 3, 1), (6, 5, 2), (20, 3, 0), (6, 2, (0, 1))]
)
def test_gradients_from_patches_of_the_outputs_gradient(
    monkeypatch, side, size, padding, channels, features, count, patch_bytes
):
    monkeypatch.setattr(convolution, '_PATCH_BYTES', patch_bytes)
    images, kernel = draw(count, side, channels, features, size)
    assert uses(convolution._convolve_with_gradient, images, kernel, padding)
    assert_same(convolution.convolve, reference, images, kernel, padding)


def uses(function, images, kernel, padding):
    """Whether the program of a convolution calls a function with gradients of its own."""
    program = jax.make_jaxpr(lambda x, k: convolution.convolve(x, k, padding))(images, kernel)
    return function.__name__ in str(program)


def test_a_kernels_gradient_is_summed_in_float32():
    images, kernel = draw(300, 8, 16, 16, 3)
    narrow = [jnp.asarray(array, jnp.bfloat16) for array in (images, kernel)]
    wide = [array.astype(jnp.float32) for array in narrow]

    def d_kernel(images, kernel):
        return jax.grad(lambda k: convolution.convolve(images, k, 1).astype(jnp.float32).sum())(
            kernel
        )

    got, expected = d_kernel(*narrow), d_kernel(*wide)
    assert got.dtype == jnp.bfloat16
    # bfloat16 has 8 bits; 38 blocks added in bfloat16 would miss more.
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got.astype(jnp.float32), expected, rtol=2**-8, atol=2**-8 * scale)


@pytest.mark.parametrize('side', [6, 7])
@pytest.mark.parametrize(('padding', 'stride'), [((0, 1), 2), (0, 2), (1, 3)])
@pytest.mark.parametrize('count', [3, 20])
def test_strided_convolution(side, padding, stride, count):
    images, kernel = draw(count, side, 3, 5, 3)
    assert_same(convolution.convolve, reference, images, kernel, padding, stride)
    assert_same(convolution.convolve, reference, images, kernel[:1, :1], 0, stride)


@pytest.mark.parametrize('side', [2, 3, 6, 7])
@pytest.mark.parametrize(('padding', 'stride'), [(1, 1), ((0, 1), 2)])
def test_depthwise_convolution(side, padding, stride):
    images, kernel = draw(5, side, 4, 4, 3)

    def grouped(images, kernel, padding, stride):
        return reference(images, kernel, padding, stride, groups=4)

    assert_same(depthwise.depthwise, grouped, images, kernel[:, :, :1], padding, stride)


def test_convolution_inside_scan():
    images, kernel = draw(20, 6, 2, 2, 3)
    gradient = jax.grad(loss_of(convolution.convolve), 1)

    def step(kernel, _):
        return kernel - 0.01 * gradient(images, kernel, 1), None

    scanned, _ = jax.jit(lambda k: jax.lax.scan(step, k, length=3))(kernel)
    looped = kernel
    for _ in range(3):
        looped = looped - 0.01 * jax.grad(loss_of(reference), 1)(images, looped, 1)
    np.testing.assert_allclose(scanned, looped, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('backend', ['cpu', 'gpu'])
@pytest.mark.parametrize(('channels', 'features'), [(2, 3), (16, 16)])
def test_convolution_under_vmap_with_a_kernel_per_seed(monkeypatch, backend, channels, features):
    monkeypatch.setattr(jax, 'default_backend', lambda: backend)
    images, kernel = draw(20, 6, channels, features, 3)
    kernels = np.stack([kernel, 2 * kernel, -kernel])
    gradient = jax.grad(loss_of(convolution.convolve), 1)
    together = jax.vmap(gradient, in_axes=(None, 0, None))(images, kernels, 1)
    apart = np.stack([jax.grad(loss_of(reference), 1)(images, k, 1) for k in kernels])
    np.testing.assert_allclose(together, apart, rtol=1e-3, atol=1e-4 * np.abs(apart).max())


@pytest.mark.parametrize('count', [1, 20])
@pytest.mark.parametrize(
    ('side', 'size', 'padding'), [(7, 3, 1), (6, 5, 2), (9, 3, 0), (6, 2, (0, 1)), (5, 1, 0)]
)
def test_convolution_as_on_a_gpu(monkeypatch, count, side, size, padding):
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
    images, kernel = draw(count, side, 3, 4, size)
    assert_same(convolution.convolve, reference, images, kernel, padding)
    assert not uses_lax(convolution.convolve, images, kernel, padding)


def test_strided_and_depthwise_convolution_as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
    images, kernel = draw(20, 6, 4, 4, 3)
    assert_same(convolution.convolve, reference, images, kernel, (0, 1), 2)
    assert not uses_lax(convolution.convolve, images, kernel, (0, 1), 2)

    def grouped(images, kernel, padding, stride):
        return reference(images, kernel, padding, stride, groups=4)

    for stride in (1, 2):
        assert_same(depthwise.depthwise, grouped, images, kernel[:, :, :1], 1, stride)
        assert not uses_lax(depthwise.depthwise, images, kernel[:, :, :1], 1, stride)


def uses_lax(convolve, images, kernel, *settings):
    text = str(jax.make_jaxpr(lambda x, k: convolve(x, k, *settings))(images, kernel))
    return 'conv_general_dilated' in text


def test_backends_other_than_cpu_and_gpu_use_lax(monkeypatch):
    images, kernel = draw(3, 6, 4, 4, 3)
    monkeypatch.setattr(jax, 'default_backend', lambda: 'tpu')
    assert uses_lax(convolution.convolve, images, kernel, 1)
    chex.assert_trees_all_close(
        convolution.convolve(images, kernel, (0, 1), 2),
        reference(images, kernel, (0, 1), 2),
        rtol=1e-4,
        atol=1e-4,
    )
    chex.assert_trees_all_close(
        depthwise.depthwise(images, kernel[:, :, :1], 1, 2),
        reference(images, kernel[:, :, :1], 1, 2, groups=4),
        rtol=1e-4,
        atol=1e-4,
    )
