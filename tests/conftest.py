"""What all tests share: eight CPU devices, and the real data where there is some."""

import os
import pathlib
import tempfile

# XLA's thread pool is as large as the number of cores; programs on more devices than threads
# can wait for each other for ever. Read when the first device is used.
os.environ.setdefault('NPROC', '32')

import jax
import pytest

jax.config.update('jax_num_cpu_devices', 8)
# Tests compile the same small programs again and again. One folder for all worker processes,
# new each run: a program of an earlier version of the code is never met.
_RUN = os.environ.get('PYTEST_XDIST_TESTRUNUID', str(os.getpid()))
jax.config.update('jax_compilation_cache_dir', f'{tempfile.gettempdir()}/fmnist_jax_tests_{_RUN}')
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)

ROOT = pathlib.Path(__file__).parent.parent


def real_data_dir():
    """The folder with fashion_mnist/ and mnist/, or None."""
    for folder in (os.environ.get('FMNIST_DATA_DIR'), ROOT.parent / 'shared' / 'data'):
        if folder and (pathlib.Path(folder) / 'fashion_mnist').is_dir():
            return pathlib.Path(folder)
    return None


@pytest.fixture
def data_dir():
    """A folder with the real data sets; the test is skipped where there is none."""
    folder = real_data_dir()
    if folder is None:
        pytest.skip('no real data: set FMNIST_DATA_DIR')
    return folder
