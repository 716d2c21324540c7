"""The figures of a network: its layers, and its response maps on a test image."""

import jax
import numpy as np
import pytest
from figures_for_tests import draw, texts
from report_for_tests import fill, line
from small_files import bare_environment, small

from configs import base
from fmnist_jax.config.settings import plain, resolve
from fmnist_jax.data import datasets
from fmnist_jax.report import figures, rows
from fmnist_jax.report.figures import network
from fmnist_jax.results import networks
from fmnist_jax.train import step

__all__ = ['bare_environment', 'small']  # fixtures


def settings(name, **model):
    change = {'model.name': name} | {f'model.{field}': value for field, value in model.items()}
    size = {'dataset.image_size': 56, 'dataset.channels': 3} if name == 'mobilenet' else {}
    return resolve(base.get_config(), base.row('a', change | size | {'num_seeds': 1}))


def row(name, **model):
    return rows.from_result(line(config=plain(settings(name, **model))))


def architecture(of_row):
    figure, why = network.architecture(of_row)
    assert not why
    return figure


def test_report_003s_network():
    figure, svg = draw(architecture, row('lenet5'))
    shown = ['28×28×1', '28×28×6', '14×14×6', '10×10×16', '5×5×16', '120', '84', '10']
    assert [text for text in texts(svg) if text in shown] == shown
    assert {'156', '2,416', '48,120', '10,164', '850'} <= set(texts(svg))
    assert 'lenet5, row a: 61,706 trainable parameters' in texts(svg)
    assert ', '.join(shown) in figure.alt


def test_dropout_and_batch_norm_are_written():
    _, svg = draw(architecture, row('base_cnn'))
    assert 'dropout 0.5' in ' '.join(texts(svg)) and '3×3×32' in texts(svg)
    _, svg = draw(architecture, row('cnn_4'))
    assert 'batch norm' in ' '.join(texts(svg))


def test_what_has_no_picture_is_told():
    assert network.architecture(rows.Row('b', 0.9)) == (None, 'row b has no network')
    assert network.architecture(rows.from_result(line(config={'seed': 0}))) == (
        None,
        'row a has no network',
    )
    figure, why = network.architecture(row('mobilenet'))
    assert figure is None and 'the network of row a has' in why


@pytest.fixture
def workdir(tmp_path, small):
    """A workdir with the parameters of the second of two result lines' networks."""
    of_row = settings('lenet5')
    of_row.seed = 3
    state = step.init(of_row, 3, 60)
    variables = jax.tree.map(lambda a: np.asarray(a)[None], {'params': state.params})
    file = networks.save(tmp_path, 'a', of_row, variables)
    gone = line(config=plain(of_row), parameters_file='parameters/gone.safetensors')
    here = line(accuracies=[0.9], seeds=[3], config=plain(of_row), parameters_file=file)
    return fill(tmp_path, gone, here)


def test_response_maps_are_the_convolutions_outputs(workdir, small):
    of_row, images = settings('lenet5'), datasets.read_idx(small / datasets.FILES[2])
    (path,) = (workdir / 'parameters').iterdir()
    variables = networks.load(path).seed(3)
    first, second = network._responses(of_row, variables, images[0])
    assert first.shape == (28, 28, 6) and second.shape == (10, 10, 16)
    layer = variables['params']['Conv_0']
    pixels = np.pad(images[0] / 255, 2)
    expected = (layer['kernel'][..., 0, 4] * pixels[8:13, 11:16]).sum() + layer['bias'][4]
    np.testing.assert_allclose(first[8, 11, 4], expected, rtol=1e-4, atol=1e-5)


def test_response_maps_are_written_where_parameters_are_kept(workdir, small):
    paths, left_out = figures.write(workdir, small.parent)
    assert {'architecture', 'response_maps'} <= {path.stem for path in paths}
    svg = (workdir / 'figures' / 'response_maps.svg').read_text()
    assert 'Response maps of row a, seed 3' in texts(svg) and svg.count('<image') == 3
    assert not any('architecture' in reason for reason in left_out)
    for path in (workdir / 'parameters').iterdir():
        path.unlink()
    _, left_out = figures.write(workdir, small.parent)
    assert any("response maps: no row's parameters are at hand" in reason for reason in left_out)


def test_a_constant_map_is_black():
    strip = network._strip(np.stack([np.full((2, 2), 7.0), np.eye(2)], axis=-1))
    np.testing.assert_array_equal(strip[:, :2], 0)
    np.testing.assert_array_equal(strip[:, 3:5], np.eye(2))
    assert np.isnan(strip[:, 2]).all() and np.isnan(strip[:, 6:]).all()
