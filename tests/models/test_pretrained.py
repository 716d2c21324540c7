"""Keras' MobileNet weights in our network: the same features as real Keras computes."""

import h5py
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from conftest import ROOT
from flax.traverse_util import flatten_dict, unflatten_dict
from keras.src.legacy.saving import legacy_h5_format
from keras_for_tests import KERAS_WARNINGS, theirs

from fmnist_jax.data import datasets
from fmnist_jax.models import make_model, pretrained, variable_shapes
from fmnist_jax.models.fused_norm import values

PARTIAL = ROOT.parent / 'shared' / 'weights' / 'mobilenet_1_0_224_tf_no_top.partial.h5'
FRESH = ('conv_pw_13', 'conv_pw_13_bn')
pytestmark = [pytest.mark.slow, KERAS_WARNINGS]
__all__ = ['theirs']  # a fixture
# Our layers' names, which are Keras' (their activations are named `_relu`).
LAYERS = ['conv1', *(f'conv_{kind}_{number}' for number in range(1, 14) for kind in ('dw', 'pw'))]


@pytest.fixture(scope='module', params=['legacy', 'keras2', 'keras3', 'keras3_without_names'])
def file(request, theirs, tmp_path_factory):
    """The network's weights in a file of each layout."""
    folder = tmp_path_factory.mktemp('weights')
    if request.param.startswith('keras3'):
        path = folder / 'mobilenet.weights.h5'
        theirs.save_weights(path)
        if request.param == 'keras3_without_names':
            with h5py.File(path, 'a') as opened:
                for layer in opened['layers'].values():
                    layer['vars'].attrs.pop('name', None)
        return path
    path = folder / 'mobilenet.h5'
    with h5py.File(path, 'w') as opened:
        legacy_h5_format.save_weights_to_hdf5_group(opened, theirs)
        if request.param == 'keras2':
            _rename_as_keras_2(opened)
    return path


def _rename_as_keras_2(opened):
    """`:0` behind each weight's name, `depthwise_kernel` for a depthwise kernel."""
    for name in list(opened):
        names = []
        for old in opened[name].attrs['weight_names']:
            new = old.replace('/kernel', '/depthwise_kernel') if '_dw_' in name else old
            names.append(f'{new}:0'.encode())
            opened[name].move(old, f'{new}:0')
        opened[name].attrs['weight_names'] = names


def our_variables(file, **fields):
    """The network and its variables, everything but the dense layer from the file."""
    model = make_model('mobilenet', **fields)
    loaded = pretrained.load(model, (64, 64, 3), file).variables
    shapes = variable_shapes(model, (64, 64, 3))
    dense = shapes['params']['Dense_0']
    loaded['params']['Dense_0'] = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), dense)
    assert jax.tree.map(jnp.shape, loaded) == jax.tree.map(lambda leaf: leaf.shape, shapes)
    return model, loaded


def our_features(model, variables, images, train=False):
    """({layer: its output after the activation}, new batch statistics)."""

    @jax.jit
    def layers_and_statistics(variables, images):
        _, updated = model.apply(
            variables,
            images,
            train,
            rngs={'dropout': jax.random.key(0)},
            capture_intermediates=True,
            mutable=['intermediates', 'batch_stats'],
        )
        layers = updated['intermediates']
        features = {name: values(layers[name]['__call__'][0]) for name in LAYERS if name in layers}
        return features, updated['batch_stats']

    return layers_and_statistics(variables, images)


def their_features(network, images, names=LAYERS):
    outputs = [network.get_layer(f'{name}_relu').output for name in names]
    model = keras.Model(network.input, outputs)
    features = jax.jit(lambda images: model(images, training=False))(images)
    return dict(zip(names, map(np.asarray, features), strict=True))


def random_images(side, count=2):
    return np.random.default_rng(1).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)


def test_every_layout_gives_the_networks_weights(theirs, file):
    _, variables = our_variables(file)
    for name in LAYERS:
        kernel = theirs.get_layer(name).get_weights()[0]
        kernel = kernel.transpose(0, 1, 3, 2) if '_dw_' in name else kernel
        np.testing.assert_array_equal(variables['params'][name]['kernel'], kernel)
        norm = variables['params'][name]['norm'], variables['batch_stats'][name]['norm']
        ours = norm[0]['scale'], norm[0]['bias'], norm[1]['mean'], norm[1]['var']
        for array, want in zip(ours, theirs.get_layer(f'{name}_bn').get_weights(), strict=True):
            np.testing.assert_array_equal(array, want)


@pytest.mark.parametrize('side', [56, 64, 224])
def test_features_are_keras_block_by_block(theirs, tmp_path, side):
    images = random_images(side, count=1 if side == 224 else 2)
    theirs.save_weights(tmp_path / 'mobilenet.weights.h5')
    model, variables = our_variables(tmp_path / 'mobilenet.weights.h5')
    ours, _ = our_features(model, variables, images)
    for name, features in their_features(theirs, images).items():
        assert features.std() > 1e-3  # not constant
        np.testing.assert_allclose(ours[name], features, atol=1e-4, rtol=1e-4, err_msg=name)


def test_batch_statistics_move_as_keras_do(theirs, tmp_path):
    """One training step's forward pass moves the running averages by 1 - 0.99."""
    theirs.save_weights(tmp_path / 'before.weights.h5')
    model, variables = our_variables(tmp_path / 'before.weights.h5')
    images = random_images(64, 4)
    _, ours = our_features(model, variables, images, train=True)
    theirs(images, training=True)
    after = {name: theirs.get_layer(f'{name}_bn').get_weights()[2:] for name in LAYERS}
    theirs.load_weights(tmp_path / 'before.weights.h5')
    for name, (mean, variance) in after.items():
        before = variables['batch_stats'][name]['norm']
        assert np.abs(mean - before['mean']).max() > 1e-4
        np.testing.assert_allclose(ours[name]['norm']['mean'], mean, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(ours[name]['norm']['var'], variance, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not PARTIAL.is_file(), reason='no published weights beside the project')
def test_published_weights_on_real_images(data_dir):
    """All layers but the last pointwise convolution, whose weights the file lacks."""
    network = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(56, 56, 3))
    with h5py.File(PARTIAL) as opened:
        for layer in network.layers:
            if layer.get_weights() and layer.name not in FRESH:
                group = opened[layer.name]
                layer.set_weights([group[n][()] for n in group.attrs['weight_names']])
    garments = datasets.load('fashion_mnist', data_dir).test_images[:3]
    images = jax.image.resize(garments[..., None] / 127.5 - 1, (3, 56, 56, 3), 'bilinear')
    images = np.asarray(images, np.float32)

    model = make_model('mobilenet')
    loaded = pretrained.load(model, (56, 56, 3), PARTIAL, FRESH)
    assert loaded.source['fresh'] == sorted(FRESH) and loaded.source['file'] == PARTIAL.name
    assert 'conv_pw_13' not in loaded.variables['batch_stats']
    shapes = variable_shapes(model, (56, 56, 3))
    zeros = flatten_dict(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes))
    variables = unflatten_dict(zeros | flatten_dict(loaded.variables))
    ours, _ = our_features(model, variables, images)
    for name, features in their_features(network, images, LAYERS[:-1]).items():
        np.testing.assert_allclose(ours[name], features, atol=2e-4, rtol=1e-3, err_msg=name)


@pytest.fixture(scope='module')
def with_top():
    """A narrow network with its classifier of 1,000 classes."""
    return keras.applications.MobileNet(weights=None, alpha=0.25, input_shape=(128, 128, 3))


@pytest.mark.filterwarnings('ignore:You are saving your model as an HDF5 file')
@pytest.mark.parametrize('layout', ['weights', 'whole model'])
def test_a_legacy_file_with_the_classifier(with_top, tmp_path, layout):
    path = tmp_path / 'top.h5'
    if layout == 'weights':
        with h5py.File(path, 'w') as opened:
            legacy_h5_format.save_weights_to_hdf5_group(opened, with_top)
            assert 'conv_preds' in opened
    else:
        with_top.save(path)
        with h5py.File(path) as opened:
            assert 'conv_preds' in opened['model_weights']
    _, variables = our_variables(path, width_multiplier=0.25)
    kernel = with_top.get_layer('conv_pw_13').get_weights()[0]
    np.testing.assert_array_equal(variables['params']['conv_pw_13']['kernel'], kernel)


def test_odd_widths_are_rounded_as_keras_does(tmp_path):
    """0.35 of 64 and of 128 features are 22.4 and 44.8: 22 and 44."""
    network = keras.applications.MobileNet(
        weights=None, include_top=False, alpha=0.35, input_shape=(64, 64, 3)
    )
    assert network.get_layer('conv_pw_2').filters == 44
    network.save_weights(tmp_path / 'narrow.weights.h5')
    our_variables(tmp_path / 'narrow.weights.h5', width_multiplier=0.35)


def test_a_shorter_network_reads_its_own_layers_and_not_the_classifier(with_top, tmp_path):
    with_top.save_weights(tmp_path / 'top.weights.h5')
    model = make_model('mobilenet', blocks=2, width_multiplier=0.25)
    variables = pretrained.load(model, (56, 56, 3), tmp_path / 'top.weights.h5').variables
    names = {'conv1', 'conv_dw_1', 'conv_pw_1', 'conv_dw_2', 'conv_pw_2'}
    assert variables['params'].keys() == variables['batch_stats'].keys() == names
    kernel = with_top.get_layer('conv_pw_2').get_weights()[0]
    np.testing.assert_array_equal(variables['params']['conv_pw_2']['kernel'], kernel)
