"""Damaged files: one line that names them, or what was written; never a traceback.

experiments/reliability/bad_files.py damages them; hypothesis chooses where, too.
"""

import contextlib
import gzip
import json
import struct

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_for_tests import fill, line

from experiments.reliability import bad_files
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.models import keras_files, pretrained
from fmnist_jax.results import arrays, lines

QUICK = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# (where, as a fraction of the file; how the byte changes), and where the file ends.
FLIPS = st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=4)
END = st.floats(0, 1)


def damage(path, content, flips, end):
    raw = bytearray(content)
    for where, change in flips:
        raw[int(where * len(raw))] ^= change
    path.write_bytes(raw[: int(end * len(raw))])


def fails(outcomes):
    return {case: what for case, what in outcomes.items() if what not in ('accepted', 'refused')}


@pytest.mark.parametrize('kind', ['idx', 'predictions', 'result_lines', 'configs'])
def test_damaged_files_are_named(tmp_path, kind):
    outcomes = getattr(bad_files, kind)(tmp_path, 60)
    assert not fails(outcomes)
    assert list(outcomes.values()).count('refused') > 40


def test_other_contents_of_idx_files_are_refused(tmp_path):
    outcomes = bad_files.idx_contents(tmp_path)
    assert set(outcomes.values()) == {'refused'} and len(outcomes) > 500


@QUICK
@given(FLIPS, END)
def test_an_idx_file_is_read_right_or_not_at_all(tmp_path, flips, end):
    images = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)
    raw = struct.pack('>4I', 0x803, *images.shape) + images.tobytes()
    path = tmp_path / 'images.gz'
    damage(path, gzip.compress(raw, mtime=0), flips, end)
    with contextlib.suppress(DataError):
        np.testing.assert_array_equal(datasets.read_idx(path), images)


@QUICK
@given(FLIPS, END)
def test_predictions_are_read_right_or_not_at_all(tmp_path, flips, end):
    probs = np.full((2, 5, 10), 0.1, np.float16)
    path = tmp_path / arrays.save(tmp_path, 'a', probs)
    damage(path, path.read_bytes(), flips, end)
    with contextlib.suppress(DataError):
        np.testing.assert_array_equal(arrays.load(path), probs)


@QUICK
@given(FLIPS, END)
def test_result_lines_are_results_or_named(tmp_path, flips, end):
    path = tmp_path / 'results.jsonl'
    whole = b''.join(json.dumps(line(name)).encode() + b'\n' for name in 'abc')
    damage(path, whole, flips, end)
    try:
        found = lines.read(tmp_path)
    except ConfigError as error:
        assert str(path) in str(error) and '\n' not in str(error)
    else:
        assert all(0 <= value <= 1 for r in found for value in r['test_accuracy'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda a, b: [a, a], "row 'a' do not belong together (seed 0, 1 occurs twice)"),
        (
            lambda a, b: [a, a | {'seeds': [2, 3], 'config': {'epochs': 3}}],
            'different settings: ',
        ),
        (lambda a, b: [b | {'seeds': [0]}], 'line 1: not a result line (wrong seeds)'),
        (lambda a, b: [a | {'test_accuracy': [0.9, 91]}], 'result line (wrong test_accuracy)'),
        (lambda a, b: [a | {'diverged': [0, 1]}], 'line 1: not a result line (wrong diverged)'),
        (lambda a, b: [b, a | {'history': {'x': [[1.0]]}}], 'result line (wrong history of x'),
    ],
)  # fmt: skip
def test_wrong_lines_are_refused(tmp_path, change, message):
    for result in change(line('a', [0.9, 0.8], seeds=[0, 1]), line('b', [0.9, 0.8])):
        lines.append(tmp_path, result)
    with pytest.raises(ConfigError) as error:
        lines.read(tmp_path)
    assert message in str(error.value)


def test_a_carriage_return_in_a_line_does_not_hide_the_lines_behind_it(tmp_path):
    fill(tmp_path, line('a'), line('b'), line('c'))
    path = tmp_path / 'results.jsonl'
    path.write_bytes(path.read_bytes().replace(b'"row": "b"', b'"row":\r"b"'))
    assert [r['row'] for r in lines.read(tmp_path)] == ['a', 'b', 'c']


def test_damaged_weights_are_named(tmp_path):
    outcomes = bad_files.weights(tmp_path, 4)
    assert not fails(outcomes) and 'refused' in outcomes.values()


def test_a_file_that_the_library_never_finishes_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_files, 'PATIENCE', 3)
    path = tmp_path / 'endless.h5'
    with h5py.File(path, 'w') as file:
        file.attrs['layer_names'] = ['conv1']
    raw = path.read_bytes()
    # The heap that holds the texts: a hole of zeros keeps the library there.
    heap = raw.index(b'GCOL') + 16
    path.write_bytes(raw[:heap] + bytes(512) + raw[heap + 512 :])
    with pytest.raises(
        keras_files.WeightsError, match='endless.h5 cannot be read as Keras weights'
    ):
        keras_files.read(path, {})


@pytest.mark.parametrize(
    ('name', 'value', 'problem'),
    [
        ('kernel', np.nan, 'conv1: kernel holds numbers that are not finite'),
        ('kernel', -np.inf, 'conv1: kernel holds numbers that are not finite'),
        ('moving_variance', -1.0, 'conv1_bn: moving_variance holds negative variances'),
        ('beta', 'text', 'conv1_bn: beta holds <U4, expected floating-point numbers'),
    ],
)
def test_numbers_that_cannot_be_weights_are_listed(name, value, problem):
    shapes = {
        'params': {'conv1': {'kernel': np.zeros((3, 3, 3, 8)), 'norm': dict.fromkeys('sb')}},
        'batch_stats': {'conv1': {'norm': {'mean': np.zeros(8), 'var': np.zeros(8)}}},
    }
    shapes['params']['conv1']['norm'] = {'scale': np.zeros(8), 'bias': np.zeros(8)}
    names = ('gamma', 'beta', 'moving_mean', 'moving_variance')
    layers = {
        'conv1': {'kernel': np.ones((3, 3, 3, 8))},
        'conv1_bn': {moment: np.ones(8) for moment in names},
    }
    assert pretrained.port(layers, shapes)[1] == []
    group = layers['conv1' if name == 'kernel' else 'conv1_bn']
    group[name] = np.full(group[name].shape, value)
    assert pretrained.port(layers, shapes)[1] == [problem]
