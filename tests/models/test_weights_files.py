"""Keras files that lack layers or are no weights: the messages, and what may be absent."""

import h5py
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from keras_for_tests import KERAS_WARNINGS, theirs

from fmnist_jax.errors import DataError
from fmnist_jax.models import make_model, pretrained
from fmnist_jax.models.pretrained import WeightsError

__all__ = ['theirs']  # a fixture
pytestmark = KERAS_WARNINGS


def _without(folder, theirs, *changes):
    path = folder / 'changed.h5'
    with h5py.File(path, 'w') as opened:
        legacy_h5_format.save_weights_to_hdf5_group(opened, theirs)
        for change in changes:
            change(opened)
    return path


def _drop(name):
    def change(opened):
        opened.attrs['layer_names'] = [n for n in opened.attrs['layer_names'] if n != name]

    return change


def _reshape(opened):
    del opened['conv_pw_3/conv_pw_3/kernel']
    opened['conv_pw_3/conv_pw_3/kernel'] = np.zeros((1, 1, 128, 64), np.float32)


def _remove(path):
    def change(opened):
        del opened[path]

    return change


def _add(opened):
    opened.create_group('block_7').attrs['weight_names'] = ['block_7/kernel']
    opened['block_7/block_7/kernel'] = opened['block_7/kernel'] = np.zeros(3)
    opened.attrs['layer_names'] = [*opened.attrs['layer_names'], 'block_7']


def test_every_missing_unknown_and_misshaped_layer_is_listed(theirs, tmp_path):
    path = _without(tmp_path, theirs, _drop('conv_dw_2'), _drop('conv1_bn'), _reshape, _add)
    with pytest.raises(WeightsError) as caught:
        pretrained.load(make_model('mobilenet'), (56, 56, 3), path)
    message = str(caught.value)
    for line in (
        'block_7: a layer that MobileNet does not have',
        'conv1_bn: missing',
        'conv_dw_2: missing',
        'conv_pw_3: kernel has shape (1, 1, 128, 64), expected (1, 1, 128, 128)',
    ):
        assert line in message
    assert message.count('\n  ') == 4 and str(path) in message and '--fresh' in message


def test_layers_named_as_fresh_may_be_missing_and_are_not_read(theirs, tmp_path):
    path = _without(tmp_path, theirs, _drop('conv_dw_2'))
    model = make_model('mobilenet')
    found = pretrained.load(model, (56, 56, 3), path, ['conv_dw_2', 'conv1_bn']).variables
    assert found['params']['conv_dw_2'].keys() == {'norm'}
    assert found['params']['conv1'].keys() == {'kernel'} and 'conv1' not in found['batch_stats']
    with pytest.raises(WeightsError, match='--fresh=conv_pw_14: no such layers'):
        pretrained.load(model, (56, 56, 3), path, ['conv_pw_14'])


@pytest.mark.parametrize('lost', ['conv_pw_3', 'conv_pw_3/conv_pw_3/kernel'])
def test_a_listed_layer_without_its_weights_is_missing(theirs, tmp_path, lost):
    path = _without(tmp_path, theirs, _remove(lost))
    model = make_model('mobilenet')
    with pytest.raises(WeightsError, match='\n  conv_pw_3: missing\n'):
        pretrained.load(model, (56, 56, 3), path)
    found = pretrained.load(model, (56, 56, 3), path, ['conv_pw_3']).variables
    assert found['params']['conv_pw_3'].keys() == {'norm'}


def test_an_extra_layer_named_as_fresh_is_ignored(theirs, tmp_path):
    path = _without(tmp_path, theirs, _add)
    model = make_model('mobilenet', blocks=2)
    with pytest.raises(WeightsError, match='--fresh=LAYER,… .* others are ignored'):
        pretrained.load(model, (56, 56, 3), path)
    found = pretrained.load(model, (56, 56, 3), path, ['block_7'])
    assert 'block_7' not in found.variables['params'] and len(found.variables['params']) == 5
    with pytest.raises(WeightsError, match='--fresh=block_8: .*conv1, .* others in .*: block_7$'):
        pretrained.load(model, (56, 56, 3), path, ['block_7', 'block_8'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'cannot be read: No such file or directory'),
        (b'', 'cannot be read as Keras weights (it is no HDF5 file)'),
        (b'not hdf5 at all', 'cannot be read as Keras weights (it is no HDF5 file)'),
        ('half', 'truncated file'),
        ('nothing', "it holds nothing, expected an attribute 'layer_names' or a group 'layers'"),
        ('folder', 'cannot be read: Is a directory'),
    ],
)
def test_files_that_are_no_weights(theirs, tmp_path, content, message):
    """The message never advises to delete the user's own file."""
    path = tmp_path / 'x.h5'
    if content == 'half':
        whole = _without(tmp_path, theirs).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif content == 'folder':
        path.mkdir()
    elif content == 'nothing':
        h5py.File(path, 'w').close()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        pretrained.load(make_model('mobilenet'), (56, 56, 3), path)
    problem, advice = str(caught.value).split('; ')
    assert problem.startswith(str(path)) and message in problem and '\n' not in problem
    assert (
        advice == 'name another file with --pretrained=FILE, or leave the flag out to download it'
    )


def test_a_damaged_download_is_to_be_deleted(tmp_path):
    path = tmp_path / 'weights' / 'mobilenet_1_0_224_tf_no_top.h5'
    path.parent.mkdir()
    path.write_bytes(b'not hdf5 at all')
    with pytest.raises(WeightsError, match=f'{path} .*; delete it, and the next run downloads'):
        pretrained.load(make_model('mobilenet'), (56, 56, 3), cache_dir=tmp_path)


def test_a_url_is_no_file_of_weights():
    url = 'https://host/weights.h5'
    with pytest.raises(DataError, match=f'{url}: a URL is not a file; download it first'):
        pretrained.load(make_model('mobilenet'), (56, 56, 3), url)


def test_another_width_has_no_published_file():
    with pytest.raises(WeightsError, match='width_multiplier=0.3: Keras publishes .* 0.25, 0.5'):
        pretrained.fetch(0.3)
