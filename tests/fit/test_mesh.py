"""Seeds over vmap, map and devices: the same numbers, and nothing that could wait."""

import jax
import numpy as np
import pytest
from settings_for_tests import small_dataset, small_settings

from fmnist_jax.config import settings
from fmnist_jax.fit import compile, mesh

pytestmark = pytest.mark.slow


def cores(count):
    return jax.local_devices()[:count]


@pytest.mark.parametrize('count', [1, 3, 5, 8, 11])
@pytest.mark.parametrize('devices', [1, 2, 8])
def test_layout(count, devices):
    layout = mesh.arrange(count, devices=cores(devices))
    values = np.arange(count * 2).reshape(count, 2)
    there_and_back = mesh.gather(layout, mesh.shard(layout, values))
    np.testing.assert_array_equal(there_and_back, values)
    assert layout.per_device == -(-count // devices)
    assert layout.padded - count < layout.per_device  # no device runs repeats alone
    shared = mesh.replicate(layout, np.arange(3))
    assert shared.shape == (len(layout.devices), 3)


@pytest.mark.parametrize('mode', ['vmap', 'map'])
@pytest.mark.parametrize('devices', [1, 2, 8])
@pytest.mark.parametrize('chunk', [0, 2])
def test_a_program_is_the_function_of_each_seed(mode, devices, chunk):
    layout = mesh.arrange(5, mode, chunk, cores(devices))
    values, shared = np.arange(10.0).reshape(5, 2), np.array([3.0, 4.0])

    def function(factor, own, shared):
        return {'product': factor * own @ shared, 'sum': own.sum()}

    own = mesh.shard(layout, values)
    args = (np.float32(2), own, mesh.replicate(layout, shared))
    program, seconds = mesh.compile_for(layout, function, ('same', 0, None), *args)
    result = mesh.gather(layout, program(*args))
    np.testing.assert_allclose(result['product'], 2 * values @ shared)
    np.testing.assert_allclose(result['sum'], values.sum(1))
    assert seconds > 0


def test_a_layout_never_needs_more_rounds_than_devices_allow():
    assert len(mesh.arrange(5, devices=cores(4)).devices) == 3  # 2 + 2 + 1 (+ 1)
    assert len(mesh.arrange(1, devices=cores(8)).devices) == 1


def test_devices_never_wait_for_each_other():
    """Many collectives in flight can hang a CPU's devices: the programs hold none."""
    tiny = small_settings(num_seeds=8, model__name='lenet5', model__widths=None)
    layout = mesh.arrange(8, devices=cores(8))
    _, hparams = settings.split_static(tiny)
    hparams = {path: np.float32(value) for path, value in hparams.items()}
    arrays = compile.place(tiny, small_dataset(), layout)
    compiled = compile.compile_programs(tiny, hparams, layout, arrays)
    for program in (compiled.train_steps, compiled.evaluate):
        text = program.as_text()
        assert 'fusion' in text  # it is the compiled program's text
        for collective in ('all-reduce', 'all-gather', 'collective-permute', 'all-to-all'):
            assert collective not in text
