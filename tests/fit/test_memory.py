"""Seeds that do not fit in memory at once are trained fewer at a time; the results are the same."""

import jax
import numpy as np
import pytest
from settings_for_tests import small_dataset, small_settings

from fmnist_jax.config.settings import split_static
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import compile, memory, mesh
from fmnist_jax.fit.fit import fit
from fmnist_jax.train import step

pytestmark = pytest.mark.slow


DATASET = small_dataset()
SETTINGS = small_settings(num_seeds=4, epochs=1, batch_size=80, eval_batch_size=80)


class Notes:
    """A progress that keeps its notes."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)

    def steps(self, *_):
        pass

    epoch = steps


def layout_of(mode='vmap', chunk=0, settings=SETTINGS):
    return mesh.arrange(settings.num_seeds, mode, chunk, jax.local_devices()[:1])


@pytest.fixture(scope='module')
def needs():
    """Bytes that the largest program needs, by seeds at a time."""
    _, hparams = split_static(SETTINGS)
    hparams = {path: np.float32(value) for path, value in hparams.items()}
    found = {}
    for seeds, layout in ((4, layout_of()), (2, layout_of('map', 2)), (1, layout_of('map', 1))):
        arrays = compile.place(SETTINGS, DATASET, layout)
        compiled = compile.compile_programs(SETTINGS, hparams, layout, arrays)
        sizes = []
        for program in (compiled.init, compiled.train_steps, compiled.evaluate):
            m = program.memory_analysis()
            total = m.argument_size_in_bytes + m.output_size_in_bytes + m.temp_size_in_bytes
            sizes.append(total - m.alias_size_in_bytes)
        found[seeds] = max(sizes)
    return found


@pytest.mark.parametrize('fitting', [2, 1])
def test_seeds_are_split_until_they_fit(monkeypatch, needs, fitting):
    assert needs[4] > needs[2] > needs[1]
    whole = fit(SETTINGS, DATASET, layout_of())
    assert whole.layout == layout_of()
    monkeypatch.setenv(memory.VARIABLE, str(needs[fitting]))
    notes, cache = Notes(), {}
    split = fit(SETTINGS, DATASET, layout_of(), cache, notes)
    assert split.layout == layout_of('map', fitting)
    np.testing.assert_allclose(split.logits, whole.logits, atol=1e-5)
    np.testing.assert_array_equal(split.test_accuracy, whole.test_accuracy)
    assert notes.said[0].startswith('4 seeds at a time do not fit in the memory of a device (needs')
    assert notes.said[-1].endswith(f'goes on with {fitting} at a time')
    before = len(notes.said)
    again = fit(SETTINGS, DATASET, layout_of(), cache, notes)
    assert again.compile_seconds == 0 and len(notes.said) == before  # it is known what fits
    np.testing.assert_array_equal(again.logits, split.logits)


def test_a_seed_that_does_not_fit_is_told_with_what_to_lower(monkeypatch, needs):
    monkeypatch.setenv(memory.VARIABLE, str(needs[1] - 1))
    with pytest.raises(ConfigError, match='even with one seed at a time .*lower config.num_seeds'):
        fit(SETTINGS, DATASET, layout_of())


@pytest.mark.parametrize('kind', [MemoryError, jax.errors.JaxRuntimeError])
def test_a_device_that_runs_out_while_training(monkeypatch, kind):
    """As on a GPU, whose allocator may fail where the estimate said yes."""
    whole = fit(SETTINGS, DATASET, layout_of())
    gather, calls = mesh.gather, []

    def failing(layout, tree):
        calls.append(layout)
        if layout.mode == 'vmap' and len(calls) == 3:
            raise kind('RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes')
        return gather(layout, tree)

    monkeypatch.setattr(mesh, 'gather', failing)
    notes = Notes()
    outcome = fit(SETTINGS, DATASET, layout_of(), None, notes)
    np.testing.assert_allclose(outcome.logits, whole.logits, atol=1e-5)
    assert outcome.layout == layout_of('map', 2) and len(notes.said) == 1


def test_other_errors_of_a_device_come_through(monkeypatch):
    def failing(*_):
        raise jax.errors.JaxRuntimeError('INTERNAL: the device is gone')

    monkeypatch.setattr(mesh, 'gather', failing)
    with pytest.raises(jax.errors.JaxRuntimeError, match='the device is gone'):
        fit(SETTINGS, DATASET, layout_of())


def test_more_seeds_than_the_memory_holds_are_refused_before_anything_runs(monkeypatch):
    many = small_settings(num_seeds=1000, model__widths=(100,))
    state = jax.eval_shape(lambda: step.init(many, 0, 80))
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    assert each > 4 * (784 * 100 + 100 + 1010)
    monkeypatch.setenv(memory.VARIABLE, str(30 * each))
    message = f'config.num_seeds=1000: .*at most {30 * len(jax.local_devices())} fit'
    with pytest.raises(ConfigError, match=message):
        mesh.make_layout(many)
    monkeypatch.setenv(memory.VARIABLE, str(each - 1))
    with pytest.raises(ConfigError, match='choose a smaller config.model'):
        mesh.make_layout(many)


@pytest.mark.parametrize('text', ['many', '-1', '0', 'nan', 'inf'])
def test_a_limit_that_is_no_number_of_bytes(monkeypatch, text):
    monkeypatch.setenv(memory.VARIABLE, text)
    with pytest.raises(ConfigError, match=f'FMNIST_MEMORY_LIMIT={text}: expected a number of byt'):
        memory.limit(jax.local_devices())


def test_devices_of_a_cpu_share_the_machine(monkeypatch):
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    one, two = (memory.limit(jax.local_devices()[:n]) for n in (1, 2))
    assert 2 * two <= one <= 2 * two + 1 and one > 1e8


def test_a_long_search_does_not_collect_programs(monkeypatch, tmp_path):
    """XLA crashes where a process has as many memory maps as Linux allows."""
    client, counts, cache = jax.local_devices()[0].client, [], {}
    (tmp_path / 'limit').write_text('10')  # every process has more maps
    for number in range(3):
        settings = small_settings(epochs=1, batch_size=20 + number)
        outcome = fit(settings, DATASET, layout_of(settings=settings), cache=cache)
        assert outcome.test_accuracy.shape == (settings.num_seeds,)
        counts.append(len(client.live_executables()))
        monkeypatch.setattr(memory, '_MAPS_LIMIT', tmp_path / 'limit')
    assert counts[1] < counts[0] + 5 and counts[2] <= counts[1]
    assert len(cache) == 1
