"""What all tests share: eight CPU devices, and the real data where there is some."""

import os
import pathlib
import shutil
import tempfile

# XLA's thread pool is as large as the number of cores; programs on more devices than threads
# can wait for each other for ever. Read when the first device is used.
os.environ.setdefault('NPROC', '32')
os.environ.setdefault('KERAS_BACKEND', 'jax')  # of the real Keras that MobileNet is held against
# As the package sets it for users. `import jax` sets 1, and the commands that tests start would
# inherit it: XLA's complaints about cached programs fill a pipe, and the command waits for ever.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import jax
import pytest

jax.config.update('jax_num_cpu_devices', 8)
# Compiling is most of the tests' time: nets this small need no optimized machine code (a quarter
# to a third less time). The commands that tests start compile as they do for users. Not level 0: it
# makes the gradient of a maximum infinite (see train/test_numerics.py).
_XLA_FLAGS = os.environ.get('XLA_FLAGS', '')
os.environ['FMNIST_TEST_XLA_FLAGS'] = os.environ['XLA_FLAGS'] = (
    f'{_XLA_FLAGS} --xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true'
)
jax.devices()  # reads them
os.environ['XLA_FLAGS'] = _XLA_FLAGS
# Tests compile the same small programs again and again. One folder for all worker processes,
# which inherit its name; new each run, so a program of an earlier version is never met.
if 'FMNIST_TEST_PROGRAMS' not in os.environ:
    os.environ['FMNIST_TEST_PROGRAMS'] = tempfile.mkdtemp(prefix='fmnist_jax_tests_')
jax.config.update('jax_compilation_cache_dir', os.environ['FMNIST_TEST_PROGRAMS'])
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def pytest_sessionfinish(session):
    """The process that the workers belong to takes the compiled programs with it."""
    if not hasattr(session.config, 'workerinput'):
        shutil.rmtree(os.environ['FMNIST_TEST_PROGRAMS'], ignore_errors=True)


ROOT = pathlib.Path(__file__).parent.parent


def real_data_dir():
    """The folder with fashion_mnist/ and mnist/, or None."""
    for folder in (os.environ.get('FMNIST_DATA_DIR'), ROOT.parent / 'shared' / 'data'):
        if folder and (pathlib.Path(folder) / 'fashion_mnist').is_dir():
            return pathlib.Path(folder)
    return None


@pytest.fixture(scope='session', autouse=True)
def kept_programs():
    """No test reads a row's programs from files: it may have patched what they were made of.

    Gives the function that decides where they are kept, for the test of these files.
    """
    from fmnist_jax.fit import program_files

    with pytest.MonkeyPatch.context() as patch:
        where = program_files.folder
        patch.setattr(program_files, 'folder', lambda layout: None)
        yield where


@pytest.fixture(scope='module', autouse=True)
def _few_programs():
    """Thousands of programs in one process are more than Linux has memory maps for."""
    from fmnist_jax.fit import memory

    memory.forget_old_programs({})


@pytest.fixture
def data_dir():
    """A folder with the real data sets; the test is skipped where there is none."""
    folder = real_data_dir()
    if folder is None:
        pytest.skip('no real data: set FMNIST_DATA_DIR')
    return folder


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    """A workdir: a row of two seeds and one that joined later, one without validation images."""
    from trained_for_tests import train

    folder = tmp_path_factory.mktemp('trained')
    nothing_held_out = {'dataset.num_validation': 0}
    train(folder, 2, {'a row/1': {}, 'all': nothing_held_out})
    train(folder, 3, {'a row/1': {}})
    train(folder, 1, {'diverged': nothing_held_out | {'optimizer.learning_rate': 1e30}})
    return folder
