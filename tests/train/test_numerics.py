"""Layers, metrics and gradients against float64 references, at sizes that no block divides.

A compiler can be wrong. jax 0.10.2 on a CPU loses a row of a reduction over 32,769 rows (jax issue
39103). So these tests compile as users do: conftest.py turns most of XLA's optimization off for the
other tests, and `optimized` turns it on again for one function, without a process of its own. The
references are NumPy, or plain lax operations in float64.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from settings_for_tests import small_settings

from fmnist_jax.models import convolution, depthwise, fused_norm, layers
from fmnist_jax.models.batch import Batch
from fmnist_jax.train import epoch, losses
from fmnist_jax.train import step as steps

pytestmark = pytest.mark.slow


ROWS = 32_769  # 2^15 + 1: one row more than XLA's loops of 2^15
PRIME = 37  # images: four blocks of the convolution and a last one of 5

optimized = functools.partial(
    jax.jit,
    compiler_options={
        'xla_backend_optimization_level': 3,
        'xla_llvm_disable_expensive_passes': False,
    },
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_close(got, expected, tolerance=1e-5):
    """Equal up to `tolerance` times the largest number of `expected` (float64)."""
    assert got.shape == expected.shape
    assert np.asarray(expected).dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def outputs_and_gradients(function, *args):
    """The outputs of `function` and the gradients of `weighted_sum` of them, for each argument."""

    def both(*args):
        outputs, pull_back = jax.vjp(function, *args)
        return outputs, *pull_back(cotangent(outputs.shape, jnp).astype(outputs.dtype))

    return optimized(jax.vmap(both, in_axes=(None,) + (0,) * (len(args) - 1)))(*args)


def cotangent(shape, numpy=np):
    """The gradient of the test's loss with respect to the outputs: different everywhere."""
    return numpy.cos(numpy.arange(np.prod(shape)) % 1000.0).reshape(shape)


# --- the compiler -----------------------------------------------------------------------------


@pytest.mark.parametrize('count', [ROWS - 1, ROWS, 2 * ROWS + 1])
def test_the_compiler_reduces_every_row(count):
    m, rows = draw(3, 3), draw(count, 3)
    program = optimized(jax.vmap(lambda row: jnp.sum((m @ row) ** 2)))
    assert_close(program(rows), ((np.float64(rows) @ np.float64(m).T) ** 2).sum(1))


def test_the_compiler_finds_the_maximum_that_it_computed():
    """XLA computes `y` twice here. Without optimization its two values differ by a rounding error.

    Then no value of a window equals the maximum, and the gradient is infinite.
    """
    x, d = draw(PRIME, 8, 8, 3), draw(PRIME, 4, 4, 3)

    def loss(x, scale, offset):
        y = x * scale + offset
        return (y.reshape(PRIME, 4, 2, 4, 2, 3).max((2, 4)) * d).sum()

    windows = np.float64(x).reshape(PRIME, 4, 2, 4, 2, 3)
    largest = windows == windows.max((2, 4), keepdims=True)
    expected = (1.7 * largest * d[:, :, None, :, None]).reshape(x.shape)
    assert_close(optimized(jax.grad(loss))(x, 1.7, 0.3), expected)


# --- layers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(('rows', 'inputs', 'features'), [(ROWS, 3, 3), (37, 401, 11)])
def test_dense(rows, inputs, features):
    x, kernels, biases = draw(rows, inputs), draw(2, inputs, features), draw(2, features)
    layer = layers.Dense(features, 'keras')

    def apply(x, kernel, bias):
        return layer.apply({'params': {'kernel': kernel, 'bias': bias}}, x)

    got = outputs_and_gradients(apply, x, kernels, biases)
    d = cotangent((rows, features))
    for i, (kernel, bias) in enumerate(zip(np.float64(kernels), biases, strict=True)):
        expected = np.float64(x) @ kernel + bias, d @ kernel.T, np.float64(x).T @ d, d.sum(0)
        for ours, want in zip(got, expected, strict=True):
            assert_close(ours[i], want)


def numpy_convolution(images, kernel, padding, stride, d=None):
    """Outputs and, with their gradient d, those of images and kernel; all float64."""
    sides = (padding if isinstance(padding, tuple) else (padding, padding),) * 2
    padded = np.pad(np.float64(images), ((0, 0), *sides, (0, 0)))
    kh, kw = kernel.shape[:2]
    windows = sliding_window_view(padded, (kh, kw), (1, 2))[:, ::stride, ::stride]
    outputs = np.einsum('nhwcij,ijcf->nhwf', windows, np.float64(kernel), optimize=True)
    if d is None:
        return outputs
    d_kernel = np.einsum('nhwcij,nhwf->ijcf', windows, d, optimize=True)
    d_padded = np.zeros_like(padded)
    (height, width), stop = outputs.shape[1:3], stride - 1
    for i, j in np.ndindex(kh, kw):
        rows = slice(i, i + stride * height - stop, stride)
        columns = slice(j, j + stride * width - stop, stride)
        d_padded[:, rows, columns] += d @ np.float64(kernel[i, j]).T
    (top, _), (left, _) = sides
    side_y, side_x = images.shape[1:3]
    return outputs, d_padded[:, top : top + side_y, left : left + side_x], d_kernel


@pytest.mark.parametrize(
    ('side', 'channels', 'features', 'size', 'padding', 'stride'),
    [
        (13, 1, 6, 5, 2, 1),  # groups of four pixels
        (9, 3, 16, 3, 0, 1),  # of two
        (7, 5, 40, 3, 1, 1),  # a pixel alone
        (7, 5, 11, 1, 0, 1),
        (9, 3, 7, 3, (0, 1), 2),
    ],
)
def test_convolution(side, channels, features, size, padding, stride):
    images = draw(PRIME, side, side, channels)
    kernels = draw(2, size, size, channels, features)

    def apply(images, kernel):
        return convolution.convolve(images, kernel, padding, stride)

    got = outputs_and_gradients(apply, images, kernels)
    d = cotangent(got[0].shape[1:])
    for i, kernel in enumerate(kernels):
        expected = numpy_convolution(images, kernel, padding, stride, d)
        for ours, want in zip(got, expected, strict=True):
            assert_close(ours[i], want)


@pytest.mark.parametrize(('padding', 'stride'), [(1, 1), ((0, 1), 2)])
def test_depthwise_convolution(padding, stride):
    images, kernels = draw(PRIME, 11, 11, 5), draw(2, 3, 3, 1, 5)

    def apply(images, kernel):
        return depthwise.depthwise(images, kernel, padding, stride)

    got = outputs_and_gradients(apply, images, kernels)
    d = cotangent(got[0].shape[1:])
    for i in range(2):
        for c in range(5):
            one = [images[..., c, None], kernels[i, ..., c, None], padding, stride]
            expected = numpy_convolution(*one, d[..., c, None])
            for ours, want in zip(got, expected, strict=True):
                assert_close(ours[i, ..., c, None], want)


@pytest.mark.parametrize('ceil_mode', [False, True])
@pytest.mark.parametrize('kind', ['max', 'average'])
def test_pooling(kind, ceil_mode):
    images = draw(ROWS, 3, 5, 1)
    outputs, gradient = optimized(
        lambda x: (
            layers.pool(x, kind, ceil_mode),
            jax.grad(lambda x: (layers.pool(x, kind, ceil_mode) ** 2).sum())(x),
        )
    )(images)
    reduce = {'max': np.max, 'average': np.mean}[kind]
    expected, d_images = np.zeros(outputs.shape), np.zeros(images.shape)
    for i, j in np.ndindex(outputs.shape[1:3]):
        window = np.float64(images[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
        expected[:, i, j] = reduce(window, (1, 2))
        largest = window == window.max((1, 2), keepdims=True)
        share = largest if kind == 'max' else 1 / np.prod(window.shape[1:3])
        d = 2 * expected[:, i, j, None, None] * share
        d_images[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = d
    assert_close(outputs, expected)
    assert_close(gradient, d_images)


@pytest.mark.parametrize('rate', [0.1, 0.5])
def test_dropout_keeps_and_scales_by_its_random_bits(rate):
    x, keys = draw(ROWS, 3), jax.random.split(jax.random.key(0), 2)

    def apply(key, rate, x):
        return layers.Dropout(rate).apply({}, x, True, rngs={'dropout': key})

    got = optimized(jax.vmap(apply, (0, None, None)))(keys, rate, x)

    class Key(layers.nn.Module):
        @layers.nn.compact
        def __call__(self):
            return self.make_rng('dropout')

    for ours, key in zip(got, keys, strict=True):
        layer_key = Key().apply({}, rngs={'dropout': key})
        words = np.asarray(jax.random.bits(layer_key, ((x.size + 1) // 2,), jnp.uint32))
        keep = words.view(np.uint16)[: x.size].reshape(x.shape) >= round(rate * 65536)
        assert abs(keep.mean() - (1 - rate)) < 0.01
        np.testing.assert_array_equal(np.asarray(ours) != 0, keep & (x != 0))
        assert_close(ours, np.where(keep, np.float64(x) / (1 - rate), 0), 1e-6)


# --- batch norm -------------------------------------------------------------------------------


@pytest.mark.parametrize('shape', [(ROWS, 3), (257, 3, 43, 5)])  # 33,153 pixels
def test_sums_of_batch_norm(shape):
    x, weights = draw(2, *shape), (np.arange(shape[0]) % 3).astype(np.float32)
    got = optimized(jax.vmap(fused_norm.sums, (0, None)))(x, weights)
    values, axes = np.float64(x), tuple(range(1, len(shape)))
    weights = np.float64(weights).reshape(-1, *[1] * (len(shape) - 1))
    assert_close(got[0], (values * weights).sum(axes), 1e-4)  # what adds up to about zero
    assert_close(got[1], (values**2 * weights).sum(axes))


@pytest.mark.parametrize('features', [5, 0])  # 0: depthwise
@pytest.mark.parametrize('mask', [None, np.arange(PRIME) < 33])
def test_convolution_with_batch_norm(features, mask, monkeypatch):
    monkeypatch.setattr(fused_norm, '_BLOCK_BYTES', 10_000)  # blocks of one image: 37 is prime
    images = 3 + draw(PRIME, 9, 9, 4)
    fields = {'framework': 'keras', 'activation': 'relu', 'initialization': 'keras'}
    layer = layers.ConvNorm(features, 3, **fields, padding=1)
    variables = jax.vmap(lambda key: layer.init(key, images, False))(
        jax.random.split(jax.random.key(0), 2)
    )

    def apply(variables, images):
        pending, updated = layer.apply(
            variables, images, True, Batch(mask), mutable=['batch_stats']
        )
        return pending.values(), updated['batch_stats']['norm']

    outputs, stats = optimized(jax.vmap(apply, (0, None)))(variables, images)
    for i, kernel in enumerate(np.asarray(variables['params']['kernel'])):
        if not features:  # as a full convolution
            kernel = kernel * np.eye(4)
        raw = numpy_convolution(images, kernel, 1, 1)
        counted = raw if mask is None else raw[mask]
        mean, var = counted.mean((0, 1, 2)), counted.var((0, 1, 2))
        assert_close(outputs[i], np.maximum((raw - mean) / np.sqrt(var + 1e-3), 0))
        assert_close(stats['mean'][i], 0.01 * mean)
        assert_close(stats['var'][i], 0.99 + 0.01 * var)


# --- metrics ----------------------------------------------------------------------------------


def numpy_loss(logits, labels, name):
    """[N] losses in float64."""
    x, target = np.float64(logits), np.eye(10)[labels]
    if name == 'softmax_of_sigmoid':
        x = 1 / (1 + np.exp(-x))
    if name == 'mse':
        probs = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        return np.square(probs - target).mean(1)
    if name != 'sigmoid':
        return np.log(np.exp(x).sum(1)) - (x * target).sum(1)
    return (np.log1p(np.exp(x)) - x * target).mean(1)


@pytest.mark.parametrize('name', losses.LOSSES)
def test_metrics(name):
    logits, labels = draw(2, ROWS, 10), np.arange(ROWS) % 7
    got = optimized(jax.vmap(lambda x: losses.evaluate(x, labels, name)))(logits)
    for i, one in enumerate(logits):
        np.testing.assert_allclose(got.loss[i], numpy_loss(one, labels, name).sum(), rtol=1e-5)
        assert int(got.correct[i]) == (one.argmax(1) == labels).sum()
        assert int(got.count[i]) == ROWS
    mask = np.arange(ROWS) % 5 > 0
    each = losses.LOSSES[name]
    masked = optimized(lambda x: losses.measure(each(x, labels, 0.0), x, labels, mask))(logits[0])
    expected = numpy_loss(logits[0], labels, name)[mask].sum()
    np.testing.assert_allclose(masked.loss, expected, rtol=1e-5)
    assert int(masked.correct) == (logits[0].argmax(1) == labels)[mask].sum()
    assert int(masked.count) == mask.sum()


def test_logits_of_many_images():
    settings = small_settings(eval_batch_size=500)
    params = jax.vmap(lambda seed: steps.init(settings, seed, 80).params)(jnp.arange(2))
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (997, 28, 28), np.uint8))
    run = optimized(jax.vmap(lambda p: epoch.predict(settings, p, {}, images, jnp.arange(997))))
    for i, got in enumerate(run(params)):
        hidden, last = (
            {name: np.float64(leaf[i]) for name, leaf in params[layer].items()}
            for layer in ('Dense_0', 'Dense_1')
        )
        x = np.float64(images).reshape(997, -1) / 255
        x = np.maximum(x @ hidden['kernel'] + hidden['bias'], 0)
        assert_close(got, x @ last['kernel'] + last['bias'])


# --- gradients of the networks ----------------------------------------------------------------
# The reference writes each network once more with plain lax operations.


def dense(p, x):
    return x @ p['kernel'] + p['bias']


def conv(p, x, padding=0, stride=1):
    sides = padding if isinstance(padding, tuple) else (padding, padding)
    outputs = jax.lax.conv_general_dilated(
        x,
        p['kernel'],
        (stride, stride),
        (sides, sides),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[-1] // p['kernel'].shape[2],
    )
    return outputs + p.get('bias', 0)


def norm(p, x, mask, epsilon):
    weights = mask.reshape(-1, *[1] * (x.ndim - 1)) / (mask.sum() * np.prod(x.shape[1:-1]))
    axes = tuple(range(x.ndim - 1))
    mean = (x * weights).sum(axes)
    var = ((x - mean) ** 2 * weights).sum(axes)
    return (x - mean) / jnp.sqrt(var + epsilon) * p['scale'] + p['bias']


def pool(x, reduce=jnp.max, ceil_mode=False):
    sides = [side // 2 * 2 for side in x.shape[1:3]]
    if ceil_mode:  # of outputs of relu: zeros never win against anything else
        x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
        sides = x.shape[1:3]
    n, (height, width), c = len(x), sides, x.shape[-1]
    windows = x[:, :height, :width].reshape(n, height // 2, 2, width // 2, 2, c)
    return reduce(windows, (2, 4))


def flat(x):
    return x.reshape(len(x), -1)


def fcn(p, x, mask):
    for i in range(2):
        x = jax.nn.relu(norm(p[f'BatchNorm_{i}'], dense(p[f'Dense_{i}'], flat(x)), mask, 1e-5))
    return dense(p['Dense_2'], x)


def lenet5(p, x, mask):
    x = pool(jnp.tanh(conv(p['Conv_0'], x, 2)), jnp.mean)
    x = flat(pool(jnp.tanh(conv(p['Conv_1'], x)), jnp.mean))
    return dense(p['Dense_2'], jnp.tanh(dense(p['Dense_1'], jnp.tanh(dense(p['Dense_0'], x)))))


def simple_cnn(p, x, mask):
    for i in range(0, 4, 2):
        x = jax.nn.relu(conv(p[f'Conv_{i}'], x, 1))
        x = pool(jax.nn.relu(conv(p[f'Conv_{i + 1}'], x, 1)))
    return dense(p['Dense_1'], jax.nn.relu(dense(p['Dense_0'], flat(x))))


def cnn_4(p, x, mask):
    for i in range(3):
        layer = p[f'ConvNorm_{i}']
        x = jax.nn.relu(norm(layer['norm'], conv(layer, x), mask, 1e-5))
        x = pool(x, ceil_mode=True)
    return dense(p['Dense_0'], flat(x))


def mobilenet(p, x, mask):
    def layer(name, x, padding, stride):
        return jax.nn.relu6(norm(p[name]['norm'], conv(p[name], x, padding, stride), mask, 1e-3))

    x = layer('conv1', x, (0, 1), 2)
    for number, stride in enumerate((1, 2), start=1):
        x = layer(f'conv_dw_{number}', x, 1 if stride == 1 else (0, 1), stride)
        x = layer(f'conv_pw_{number}', x, 0, 1)
    return dense(p['Dense_0'], x.mean((1, 2)))


def small_resnet(p, x, mask):
    def layer(number, x, padding, stride=1):
        p_layer = p[f'ConvNorm_{number}']
        return norm(p_layer['norm'], conv(p_layer, x, padding, stride), mask, 1e-5)

    x = jax.nn.relu(layer(0, x, 1))
    x = jax.nn.relu(layer(2, jax.nn.relu(layer(1, x, 1)), 1) + x)
    shortcut = layer(3, x, 0, 2)
    x = jax.nn.relu(layer(5, jax.nn.relu(layer(4, x, 1, 2)), 1) + shortcut)
    return dense(p['Dense_0'], x.mean((1, 2)))


def conv_norm(p, number, x, mask, padding=0):
    p_layer = p[f'ConvNorm_{number}']
    return jax.nn.relu(norm(p_layer['norm'], conv(p_layer, x, padding), mask, 1e-5))


def inception_net(p, x, mask):
    x, number = conv_norm(p, 0, x, mask, 1), 1
    for stage in range(2):
        x = pool(x) if stage else x
        # Zeros never win against outputs of relu.
        around = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        height, width = x.shape[1:3]
        shifts = [around[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        branches = [
            conv_norm(p, number, x, mask),
            conv_norm(p, number + 2, conv_norm(p, number + 1, x, mask), mask, 1),
            conv_norm(p, number + 4, conv_norm(p, number + 3, x, mask), mask, 2),
            conv_norm(p, number + 5, jnp.stack(shifts).max(0), mask),
        ]
        x, number = jnp.concatenate(branches, -1), number + 6
    return dense(p['Dense_0'], x.mean((1, 2)))


def dense_net(p, x, mask):
    x = conv_norm(p, 0, x, mask, 1)
    for number in (1, 2):
        x = jnp.concatenate([x, conv_norm(p, number, x, mask, 1)], -1)
    x = pool(conv_norm(p, 3, x, mask), jnp.mean)
    for number in (4, 5):
        x = jnp.concatenate([x, conv_norm(p, number, x, mask, 1)], -1)
    return dense(p['Dense_0'], x.mean((1, 2)))


def tuned_cnn(p, x, mask):
    x = pool(jax.nn.relu(conv(p['Conv_0'], x)))
    x = flat(jax.nn.relu(conv(p['Conv_1'], x)))
    return dense(p['Dense_1'], jax.nn.relu(dense(p['Dense_0'], x)))


NETWORKS = {  # what is not None here goes into the settings
    fcn: {'widths': (23, 17), 'batch_norm': True},
    lenet5: {},
    simple_cnn: {'widths': (4, 8), 'dense': 17, 'dropout': 0.0},
    cnn_4: {},
    mobilenet: {'blocks': 2, 'width_multiplier': 0.25, 'dropout': 0.0},
    small_resnet: {'widths': (4, 8)},
    inception_net: {'widths': (8, 16), 'blocks': 1},
    dense_net: {'widths': (4, 3), 'blocks': 2},
    tuned_cnn: {'widths': (5, 8), 'dense': 17, 'dropout': 0.0},
}


def draw_state(settings):
    """A State of two seeds with random parameters; no optimizer."""
    shapes = jax.eval_shape(lambda: steps.init(settings, 0, settings.batch_size))

    def draw_leaf(path, leaf):
        name, fan_in = path[-1].key, np.prod(leaf.shape[:-1])
        values = draw(2, *leaf.shape, seed=len(jax.tree_util.keystr(path)))
        return {'kernel': values / np.sqrt(fan_in), 'scale': 1 + 0.1 * values}.get(
            name, 0.1 * values
        )

    params = jax.tree_util.tree_map_with_path(draw_leaf, shapes.params)
    stats = jax.tree.map(lambda leaf: np.ones((2, *leaf.shape), np.float32), shapes.batch_stats)
    zeros = np.zeros(2, np.int32)
    return steps.State(zeros, params, stats, (), None, zeros > 0)


def float64_gradient(network, params, inputs, labels, mask):
    """(gradient of the mean loss of the images that count, their sum of losses), float64."""

    def mean_loss(params, inputs, labels, mask):
        log_probs = jax.nn.log_softmax(network(params, inputs, mask))
        each = -jnp.take_along_axis(log_probs, labels[:, None], 1)[:, 0]
        return (each * mask).sum() / mask.sum()

    with jax.enable_x64(True):
        params = jax.tree.map(np.float64, params)
        args = params, np.float64(inputs), labels, np.float64(mask)
        loss, gradient = optimized(jax.value_and_grad(mean_loss))(*args)
        return jax.tree.map(np.asarray, gradient), float(loss) * mask.sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('network', 'batch'),
    [*[(network, PRIME) for network in NETWORKS], (lenet5, 64)],  # 64: in eight parts
    ids=lambda value: getattr(value, '__name__', value),
)
def test_gradient(network, batch):
    side, channels = (33, 3) if network is mobilenet else (28, 1)
    fields = {'widths': None} | NETWORKS[network]
    settings = small_settings(
        model__name=network.__name__,
        batch_size=batch,
        dataset__image_size=side,
        dataset__channels=channels,
        **{f'model__{name}': value for name, value in fields.items()},
    )
    state = draw_state(settings)
    inputs, labels = draw(batch, side, side, channels), np.arange(batch, dtype=np.int32) % 10
    mask = np.arange(batch) < batch - 3
    key = jax.random.key(0)
    run = optimized(
        jax.vmap(lambda state: steps.gradient(state, inputs, labels, mask, key, settings))
    )
    gradients, metrics, _ = run(state)
    for i in range(2):
        params = jax.tree.map(lambda leaf, i=i: leaf[i], state.params)
        expected, loss = float64_gradient(network, params, inputs, labels, mask)
        np.testing.assert_allclose(metrics.loss[i], loss, rtol=1e-5)
        assert int(metrics.count[i]) == batch - 3
        size = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(expected)))
        for path, want in jax.tree_util.tree_leaves_with_path(expected):
            got = gradients
            for name in path:
                got = got[name.key]
            # A bias before batch norm has the gradient zero: hence the second term.
            error = np.linalg.norm(got[i] - want)
            assert error < 1e-4 * np.linalg.norm(want) + 1e-6 * size, jax.tree_util.keystr(path)
