"""Programs in files: what is read back, what is traced or compiled again, what is not kept."""

import functools
import os
import shutil
import subprocess
import sys
import types

import jax
import numpy as np
import pytest
from conftest import ROOT
from jax.experimental.compilation_cache import compilation_cache
from settings_for_tests import small_dataset, small_settings

from fmnist_jax.config.settings import split_static
from fmnist_jax.fit import compile, memory, mesh, program_files
from fmnist_jax.models import MODELS

DATASET = small_dataset()


class Counts:
    """How often programs were traced and compiled."""

    def __init__(self, monkeypatch):
        self.traced = self.compiled = 0
        self._count(monkeypatch, mesh, 'lower_for', 'traced')
        self._count(monkeypatch, jax.stages.Lowered, 'compile', 'compiled')

    def _count(self, monkeypatch, owner, name, field):
        original = getattr(owner, name)

        @functools.wraps(original)
        def counting(*args, **options):
            setattr(self, field, getattr(self, field) + 1)
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counting)

    def since(self):
        """(traced, compiled) since the last call."""
        counts, self.traced, self.compiled = (self.traced, self.compiled), 0, 0
        return counts


@pytest.fixture
def folder(monkeypatch, tmp_path, kept_programs):
    """Where this test keeps programs; JAX's own cache has none of them."""
    names = ('jax_compilation_cache_dir', 'jax_persistent_cache_min_compile_time_secs')
    old = {name: jax.config.values[name] for name in names}
    jax.config.update('jax_compilation_cache_dir', str(tmp_path))
    monkeypatch.setattr(program_files, 'folder', kept_programs)
    # Other tests import files that they write and delete.
    monkeypatch.setattr(program_files, '_code', lambda: 'this version')
    # A worker of pytest-xdist has no main file, as a notebook has none.
    monkeypatch.setattr(sys.modules['__main__'], '__file__', __file__, raising=False)
    yield tmp_path / 'programs'
    for name, value in old.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture
def counts(monkeypatch):
    return Counts(monkeypatch)


def train(own=False, **change):
    """The bytes of a State after three steps, with the programs that are kept or compiled.

    own: each seed has hyper-parameters of its own, as the trials of a search.
    """
    settings = small_settings(num_seeds=2, optimizer__name='adam', **change)
    layout = mesh.arrange(2, devices=jax.local_devices()[:2])
    hparams = {path: np.float32(value) for path, value in split_static(settings)[1].items()}
    if own:
        hparams = {path: mesh.shard(layout, np.full(2, hparams[path])) for path in hparams}
    data = compile.place(settings, DATASET, layout)
    programs = compile.compile_programs(settings, hparams, layout, data)
    seeds = mesh.shard(layout, np.arange(2, dtype=np.int32))
    state = programs.init(hparams, *compile.init_args(seeds, data))
    args = (seeds, data.train_indices, data.examples, *np.int32([1, 0, 3]))
    state, _ = programs.train_steps(hparams, state, compile.epoch_metrics(layout), *args)
    logits, _ = programs.evaluate(
        hparams, state.params, state.batch_stats, *data.test, data.examples
    )
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((state, logits))]


def test_a_second_start_neither_traces_nor_compiles(folder, counts):
    first = train()
    traced, compiled = counts.since()
    assert traced == compiled == len(list(folder.glob('*.program'))) >= 3
    assert train() == first
    assert counts.since() == (0, 0)
    assert train(optimizer__learning_rate=0.5) != first  # an argument of the same programs
    assert counts.since() == (0, 0)
    train(batch_size=4)
    assert counts.since()[0] == traced


def test_arguments_that_a_program_does_not_use_have_their_shapes(folder):
    """The traced text of `init` does not have the learning rate, but its caller passes one."""
    first = train()
    assert train(own=True) == first
    assert train(own=True) == train() == first


def test_a_change_of_the_code_compiles_only_what_it_changes(folder, counts, monkeypatch):
    first = train()
    traced, _ = counts.since()
    monkeypatch.setattr(program_files, '_code', lambda: 'another version')
    assert train() == first
    assert counts.since() == (traced, 0)
    assert train() == first
    assert counts.since() == (0, 0)
    monkeypatch.setattr(program_files, '_environment', lambda: 'another machine')
    train()
    assert counts.since() == (traced, traced)


def test_damaged_files_are_written_again(folder, counts):
    first = train()
    traced, _ = counts.since()
    for file in folder.glob('*.program'):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 255
        file.write_bytes(content)
    assert train() == first
    assert counts.since() == (traced, traced)
    for file in folder.glob('*.row'):
        file.write_text('{"init": ')
    assert train() == first
    assert counts.since() == (traced, 0)
    assert train() == first
    assert counts.since() == (0, 0)


def test_a_program_from_a_file_is_checked_for_its_memory(folder, monkeypatch):
    train()
    monkeypatch.setenv(memory.VARIABLE, '1000')
    with pytest.raises(memory.TooLarge):
        train()


def test_no_program_is_written_that_jax_read_from_its_own_cache(folder):
    """Such a program would lack functions when it is read again."""
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    first = train()
    shutil.rmtree(folder)
    assert train() == first
    assert train() == first  # from the files that were written again


def test_jax_still_keeps_other_programs(folder):
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    train()
    before = len(list(folder.parent.glob('*-cache')))
    jax.jit(lambda x: jax.numpy.sin(x) @ jax.numpy.cos(x))(np.ones((33, 33))).block_until_ready()
    assert len(list(folder.parent.glob('*-cache'))) > before


def test_networks_that_no_file_defines_are_not_kept(folder, monkeypatch):
    layout = mesh.arrange(1, devices=jax.local_devices()[:1])
    assert program_files.folder(layout) == folder
    made = type('Made', (), {'__module__': '<run_path>'})  # as in a table's file
    monkeypatch.setitem(MODELS, 'made', functools.partial(made))
    assert program_files.folder(layout) is None


def test_nothing_is_kept_if_the_code_is_unknown(folder, monkeypatch):
    layout = mesh.arrange(1, devices=jax.local_devices()[:1])
    with monkeypatch.context() as patch:
        patch.setattr(program_files, '_code', lambda: None)  # a file changed after its import
        assert program_files.folder(layout) is None
    with monkeypatch.context() as patch:
        patch.delattr('__main__.__file__')  # a notebook
        assert program_files.folder(layout) is None
    assert program_files.folder(layout) == folder


def test_the_code_is_that_of_all_imported_files(monkeypatch, tmp_path):
    modules = {}
    program_files._code_with.cache_clear()
    monkeypatch.setattr(program_files, 'sys', types.SimpleNamespace(modules=modules))
    before = program_files._code()
    (tmp_path / 'mine.py').write_text('x = 1')
    os.utime(tmp_path / 'mine.py', (0, 0))
    mine = types.ModuleType('mine')
    mine.__file__ = str(tmp_path / 'mine.py')
    modules['mine'] = mine
    codes = {before, program_files._code()}
    (tmp_path / 'mine.py').write_text('x = 2')
    program_files._code_with.cache_clear()
    assert program_files._code() is None  # it has changed since its import
    os.utime(tmp_path / 'mine.py', (0, 0))
    program_files._code_with.cache_clear()
    assert len(codes | {program_files._code()}) == 3
    program_files._code_with.cache_clear()  # the next test has other modules


@pytest.mark.slow
def test_a_program_with_lapack_is_read_by_a_new_process(tmp_path):
    """speed_net's first kernel comes from eigenvectors; JAX loads LAPACK only where it traces."""
    words = [sys.executable, '-m', 'fmnist_jax.main', f'--config={ROOT}/configs/lenet.py']
    words += ['--rows=base', '--smoke', '--config.model.name=speed_net', '--config.num_seeds=2']
    words += ['--config.model.widths=4,4', '--config.dataset.name=synthetic']
    env = os.environ | {'FMNIST_CACHE_DIR': str(tmp_path)}
    env.pop('JAX_COMPILATION_CACHE_DIR', None)
    for start in ('first', 'second'):
        command = [*words, f'--workdir={tmp_path / start}']
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob('xla/programs/*.row'))
