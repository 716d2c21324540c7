"""The commands with the user's own images: configs/own_images.py on drawn shapes."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from shapes_for_tests import SHAPES, draw_folder

from fmnist_jax import export, predict, report
from fmnist_jax.config import cli
from fmnist_jax.config.settings import select_rows
from fmnist_jax.data import own
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.report import figures
from fmnist_jax.results import lines
from fmnist_jax.results import networks as kept_networks
from fmnist_jax.sweep import experiment

SMALL = ('--config.model.name=fcn', '--config.epochs=2', '--config.dataset.image_size=28')


def train(photos, workdir, num_seeds, *flags):
    """What main does, in this process: (results, notes, lines that it says)."""
    arguments = [f'--data_dir={photos}'] if photos else []
    arguments += ['--config=configs/own_images.py', f'--config.num_seeds={num_seeds}', *SMALL]
    options, config, _ = cli.parse_table(cli.table_parser('main', ''), [*arguments, *flags])
    rows, said = select_rows(config, 'simple_cnn'), []
    load, _ = cli.loaders(options, config, rows)
    config, notes = cli.with_own_images(config, rows, load)
    experiment.check_rows(config, rows)
    return experiment.run(config, rows, workdir, load, say=said.append), notes, said


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """(folder of photos, workdir with two seeds and one that joined later, notes)."""
    folder = tmp_path_factory.mktemp('own')
    photos = draw_folder(folder / 'photos', 10)
    (result,), notes, _ = train(photos, folder / 'run', 2)
    assert result['seeds'] == [0, 1]
    (result,), _, said = train(photos, folder / 'run', 3)
    assert result['seeds'] == [0, 1, 2] and said == ['simple_cnn: goes on with seed 2']
    return photos, folder / 'run', notes


def test_the_result_line_has_the_classes_and_the_split(trained):
    photos, workdir, notes = trained
    (result,) = lines.read(workdir)
    assert result['dataset'] == 'folder' and result['config']['dataset']['classes'] == list(SHAPES)
    assert (result['train_images'], result['test_images']) == (20, 6)
    assert np.array(result['confusion']).shape == (3, 3, 3)
    fingerprint = own.read(photos).fingerprint
    assert result['config']['dataset']['fingerprint'] == fingerprint
    assert len(notes) == 2 and 'of 24 training images 4 are held out' in notes[1]
    assert 'simple_cnn' in report.workdir_table(workdir)


def test_figures_show_the_classes_and_the_images(trained):
    photos, workdir, _ = trained
    drawn, left_out = figures.draw(report.rows.read(workdir)[1], workdir, photos)
    by_name = {figure.name: figure for figure in drawn}
    labels = by_name['confusion'].plot.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == [*SHAPES, 'recall']
    assert 'mistakes' in by_name or 'makes none' in ' '.join(left_out)
    (architecture, *_), _ = figures.draw_network(report.rows.read(workdir)[1], workdir, photos)
    texts = ' '.join(text.get_text() for text in architecture.plot.axes[0].texts)
    assert '28×28×3' in texts.replace('\n', ' ')
    _, left_out = figures.draw(report.rows.read(workdir)[1], workdir)
    assert any('the test labels of folder are not at hand' in reason for reason in left_out)


def test_figures_show_no_other_images(trained, tmp_path):
    """As many images of the same classes, but not those that the results are of."""
    table = report.rows.read(trained[1])[1]
    other = draw_folder(tmp_path / 'photos', 10, seed=1)
    drawn, left_out = figures.draw(table, trained[1], other)
    assert any('the test labels of folder are not at hand' in reason for reason in left_out)
    assert 'mistakes' not in [figure.name for figure in drawn]
    _, left_out = figures.draw_network(table, trained[1], other)
    assert any('the test images of folder are not at hand' in reason for reason in left_out)


def test_predict_reads_a_photo_as_the_network_knows_it(trained, capsys):
    photos, workdir, _ = trained
    files = [photos / 'cross' / '0.png', photos / 'square' / '1.jpg']
    assert predict.main([f'--workdir={workdir}', '--format=json', *map(str, files)]) == 0
    said = json.loads(capsys.readouterr().out)['images']
    networks = kept_networks.of_row(workdir)
    images = np.stack([own.read_photo(file, 28, 3) for file in files])
    expected, _ = kept_networks.ensemble(networks, images)
    for image, probs in zip(said, expected, strict=True):
        assert list(image['probabilities']) == list(SHAPES)
        np.testing.assert_allclose(list(image['probabilities'].values()), probs, atol=1e-3)


def test_export_has_the_shape_and_the_classes(trained, tmp_path, capsys):
    photos, workdir, _ = trained
    assert export.main([f'--workdir={workdir}', '--row=simple_cnn', f'--to={tmp_path}/out']) == 0
    capsys.readouterr()
    raw = (tmp_path / 'out' / 'model.stablehlo').read_bytes()
    images = own.read(photos, 28, 3).dataset.test_images
    networks = kept_networks.load(tmp_path / 'out' / 'model.safetensors')
    assert networks.class_names == SHAPES
    found = jax.export.deserialize(bytearray(raw)).call(images)
    np.testing.assert_allclose(found, kept_networks.ensemble(networks, images)[0], atol=1e-6)
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert 'Input: uint8 `[N, 28, 28, 3]`, as in a photo' in card and 'these 3 classes' in card
    assert 'circle, cross, square' in card and 'datasets:' not in card


def test_other_images_are_refused_in_a_used_workdir(trained, tmp_path):
    photos, workdir, _ = trained
    other = draw_folder(tmp_path / 'photos', 10, seed=1)
    with pytest.raises(ConfigError, match='another config.*\n  dataset.fingerprint: '):
        train(other, workdir, 3)
    with pytest.raises(ConfigError, match='dataset.test_seed: 0 -> 1'):
        train(photos, workdir, 3, '--config.dataset.test_seed=1')


def test_without_images_nothing_starts(tmp_path):
    with pytest.raises(ConfigError, match='--data_dir=PATH is missing'):
        train(None, tmp_path / 'run', 1)
    with pytest.raises(DataError, match='expected a folder with a folder of images'):
        train(tmp_path / 'nothing', tmp_path / 'run', 1)
    assert not (tmp_path / 'run').exists()


@pytest.mark.slow
def test_the_command(tmp_path):
    """The example as a user types it; 60 images are enough to tell shapes better than by chance."""
    photos = draw_folder(tmp_path / 'photos', 20)
    command = [sys.executable, '-m', 'fmnist_jax.main', '--config=configs/own_images.py']
    command += [f'--data_dir={photos}', f'--workdir={tmp_path}/run', '--rows=small_resnet']
    command += ['--config.num_seeds=2', '--config.epochs=15']
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '12 of 60, a fifth of each class, are drawn for the test' in ran.stderr
    assert 'Own images' in ran.stdout and 'small_resnet' in ran.stdout
    (result,) = lines.read(tmp_path / 'run')
    assert np.mean(result['test_accuracy']) > 0.45
