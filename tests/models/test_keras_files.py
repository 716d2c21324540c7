"""The process that reads a Keras file does not depend on the user's script or folder."""

import builtins
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from fmnist_jax.models import keras_files

KERNEL = np.arange(27, dtype=np.float32).reshape(3, 3, 3, 1)
# No `if __name__ == '__main__'`: multiprocessing would run it again without end.
SCRIPT = """
import sys
from fmnist_jax.models import keras_files
print('begins')
print(keras_files.read(sys.argv[1], {})['conv1']['kernel'].sum())
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'weights.h5'
    with h5py.File(path, 'w') as opened:
        opened.attrs['layer_names'] = ['conv1']
        opened.create_group('conv1').attrs['weight_names'] = ['conv1/kernel:0']
        opened['conv1/conv1/kernel:0'] = KERNEL
    return path


@pytest.mark.parametrize('way', ['script', 'standard input'])
def test_a_script_without_a_guard_runs_once(file, tmp_path, way):
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    name, given = (str(script), None) if way == 'script' else ('-', SCRIPT)
    done = subprocess.run(
        [sys.executable, name, str(file)], input=given, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (f'begins\n{KERNEL.sum()}\n', '')


def test_a_path_may_be_relative_and_the_folder_may_have_modules_of_any_name(
    file, tmp_path, monkeypatch
):
    """A json.py beside the user's file is not imported."""
    (tmp_path / 'json.py').write_text('raise SystemExit(3)')
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(keras_files.read(file.name, {})['conv1']['kernel'], KERNEL)


def test_the_process_does_not_import_jax(file, monkeypatch):
    """It would take seconds."""
    outputs, run = [], subprocess.run

    def keep(*args, **settings):
        outputs.append(run(*args, **settings))
        return outputs[-1]

    monkeypatch.setattr(subprocess, 'run', keep)
    monkeypatch.setenv('PYTHONPROFILEIMPORTTIME', '1')  # lists imports on stderr
    keras_files.read(file, {})
    imports = re.findall(r'[\w.]+$', outputs[0].stderr.decode(), re.MULTILINE)
    assert 'h5py' in imports and 'jax' not in imports


def test_a_file_that_may_not_be_opened_is_named(file, monkeypatch):
    def denied(path, *_):
        raise PermissionError(13, 'Permission denied', path)

    monkeypatch.setattr(builtins, 'open', denied)  # root, as in a container, may open any
    with pytest.raises(keras_files.WeightsError, match='weights.h5 cannot be read: Permission'):
        keras_files.read(file, {})


def test_a_crash_of_the_library_is_reported(file, monkeypatch):
    ended = subprocess.CompletedProcess([], -11, b'', b'')
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: ended)
    with pytest.raises(keras_files.WeightsError, match='the HDF5 library ended by signal 11'):
        keras_files.read(file, {})
