"""Trained parameters: the tested ones are written whole, read back, or refused in one line."""

import errno
import json

import jax
import numpy as np
import pytest
import safetensors.numpy
from report_for_tests import line
from settings_for_tests import small_settings
from trained_for_tests import DATASET

from fmnist_jax.config.settings import from_plain, plain
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.fit import mesh
from fmnist_jax.fit.fit import fit
from fmnist_jax.results import lines
from fmnist_jax.results import networks as kept_networks
from fmnist_jax.results.networks import seed_logits


def layout(settings):
    return mesh.arrange(settings.num_seeds, devices=jax.local_devices()[:1])


@pytest.mark.parametrize(
    'change',
    [
        {},
        {'selection': 'val_loss', 'optimizer__learning_rate': 1.0, 'epochs': 4},
        {'average': 0.9, 'test_views': 'mirror_shift', 'optimizer__learning_rate': 0.5},
    ],
    ids=['last', 'best', 'averages, several views'],
)
def test_fit_returns_the_parameters_that_it_tested(change):
    settings = small_settings(**change)
    outcome = fit(settings, DATASET, layout(settings))
    test = seed_logits(settings, outcome.variables, DATASET.test_images)
    np.testing.assert_allclose(test, outcome.logits, atol=1e-4)
    train = seed_logits(settings, outcome.variables, DATASET.train_images)
    logits, labels = outcome.validation
    for seed in range(settings.num_seeds):
        _, held_out = datasets.split(100, 20, seed)
        np.testing.assert_allclose(train[seed][held_out], logits[seed], atol=1e-4)
        np.testing.assert_array_equal(labels[seed], DATASET.train_labels[held_out])


@pytest.mark.parametrize('on_test', [False, True])
def test_without_a_validation_set_there_are_no_validation_logits(on_test):
    """A temperature may not be fitted on the test images that judge it."""
    settings = small_settings(dataset__num_validation=0, dataset__validate_on_test=on_test)
    assert fit(settings, DATASET, layout(settings)).validation is None


def test_the_networks_of_all_seeds_of_a_row_are_read(trained):
    networks = kept_networks.of_row(trained, 'a row/1')
    assert networks.seeds == (0, 1, 2) and networks.class_names[9] == 'Ankle boot'
    assert networks.result['parameters_file'] == [
        'parameters/a_row_1_seeds_0_to_1.safetensors',
        'parameters/a_row_1_seeds_2_to_2.safetensors',
    ]
    # The networks have the accuracy of their result lines.
    logits = seed_logits(networks.settings, networks.variables, DATASET.test_images)
    accuracies = (logits.argmax(-1) == DATASET.test_labels).mean(-1)
    np.testing.assert_allclose(accuracies, networks.result['test_accuracy'], atol=1e-6)
    first, last = networks.result['temperature']
    assert networks.temperatures == (first, first, last) and first != last
    assert kept_networks.of_row(trained, 'all').temperatures == (None, None)
    one = networks.seed(2)['params']['Dense_0']['kernel']
    np.testing.assert_array_equal(one, networks.variables['params']['Dense_0']['kernel'][2])
    with pytest.raises(
        ConfigError, match='--seed=3: no parameters of that seed; there are 0, 1, 2'
    ):
        networks.seed(3)


def test_a_file_has_metadata(trained):
    path = trained / 'parameters' / 'a_row_1_seeds_0_to_1.safetensors'
    with safetensors.safe_open(path, 'np') as file:
        about, names = file.metadata(), set(file.keys())
        assert file.get_tensor('params/Dense_1/bias').shape == (2, 10)
    assert names == {f'params/Dense_{i}/{name}' for i in (0, 1) for name in ('kernel', 'bias')}
    assert (about['model'], about['dataset'], about['row']) == ('fcn', 'synthetic', 'a row/1')
    assert json.loads(about['seeds']) == [0, 1] and len(json.loads(about['class_names'])) == 10
    assert json.loads(about['input'])['image_size'] == 28
    assert json.loads(about['settings'])['model']['widths'] == [12]
    assert not list(path.parent.glob('*.tmp'))


def test_settings_come_back_from_json():
    settings = small_settings()
    assert from_plain(plain(settings)).to_dict() == settings.to_dict()
    older = plain(settings)
    del older['optimizer']['l2_on'], older['compute']  # fields younger than some file
    assert from_plain(older).to_dict() == settings.to_dict()


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    settings = small_settings(num_seeds=1)
    params = {'params': {'Dense_0': {'kernel': np.ones((1, 2))}}}
    path = tmp_path / kept_networks.save(tmp_path, 'a', settings, params)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(OSError, match='No space left'):
        kept_networks.save(tmp_path, 'a', settings, params)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def copy_of(trained, folder):
    path = folder / 'copy.safetensors'
    source = trained / 'parameters' / 'a_row_1_seeds_0_to_1.safetensors'
    path.write_bytes(source.read_bytes())
    return path


@pytest.mark.parametrize('damage', ['cut', 'text', 'flipped', 'other', 'empty'])
def test_a_damaged_file_is_named(trained, tmp_path, damage):
    path = copy_of(trained, tmp_path)
    raw = bytearray(path.read_bytes())
    if damage == 'cut':
        path.write_bytes(raw[:-30])
    elif damage == 'flipped':
        raw[-30] ^= 1  # one bit of one weight
        path.write_bytes(raw)
    elif damage == 'other':
        safetensors.numpy.save_file({'a': np.zeros(3)}, path)
    else:
        path.write_text('no parameters' if damage == 'text' else '')
    with pytest.raises(DataError, match='copy.safetensors: not the parameters of a row') as e:
        kept_networks.load(path)
    assert '\n' not in str(e.value)


def test_parameters_of_another_network_are_refused(trained, tmp_path):
    networks = kept_networks.load(copy_of(trained, tmp_path))
    path = tmp_path / 'other.safetensors'
    networks.settings.model.widths = (13,)
    about = kept_networks.metadata(networks.settings, seeds=[0, 1])
    kept_networks.write(path, networks.variables, about)
    with pytest.raises(DataError, match=r'does not fit the network fcn \(params/Dense_0/bias'):
        kept_networks.load(path)


def test_a_missing_row_or_file_is_named(trained, tmp_path):
    with pytest.raises(ConfigError, match='no result lines there'):
        kept_networks.of_row(tmp_path, 'a')
    with pytest.raises(
        ConfigError, match='--row=b: not in .*; the rows of .* are a row/1, all, diverged'
    ):
        kept_networks.of_row(trained, 'b')
    lines.append(tmp_path, line('a'))
    with pytest.raises(ConfigError, match="the row 'a' has no file of parameters"):
        kept_networks.of_row(tmp_path, 'a')
    lines.append(tmp_path, line('c', parameters_file='parameters/c.safetensors', temperature=1.5))
    with pytest.raises(DataError, match='parameters/c.safetensors: no such file'):
        kept_networks.of_row(tmp_path, 'c')


def test_a_line_without_a_file_of_parameters_joins_a_line_with_one(tmp_path):
    more = {'history': {}, 'predictions': 'p', 'seeds': [0]}
    lines.append(tmp_path, line('a', [0.9], **more, ensemble_calibration_error=0.2))
    kept = {'parameters_file': 'q', 'temperature': 1.5, 'calibration_error': [0.1]}
    kept['ensemble_calibration_error'] = 0.1
    lines.append(tmp_path, line('a', [0.8], **more | {'seeds': [1]}, **kept))
    (row,) = lines.read(tmp_path)
    assert row['test_accuracy'] == [0.9, 0.8]
    assert (row['parameters_file'], row['temperature']) == ([None, 'q'], [None, 1.5])
    assert row['calibration_error'] == [None, 0.1]
    assert row['ensemble_calibration_error'] is None  # of all seeds together it is unknown
