"""One network carried away: the same answers without this package, and a card that tells them."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy
from settings_for_tests import small_settings
from trained_for_tests import DATASET

from fmnist_jax import export
from fmnist_jax.config.settings import from_plain
from fmnist_jax.results import networks as kept_networks
from fmnist_jax.train import calibration, step

# Reads a file with JAX alone.
ALONE = """
import sys, jax, numpy
raw = open(sys.argv[1], 'rb').read()
images = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], jax.export.deserialize(bytearray(raw)).call(images))
assert not [name for name in sys.modules if name.startswith(('fmnist_jax', 'flax'))]
"""


def run(capsys, trained, folder, *flags, row='a row/1'):
    arguments = [f'--workdir={trained}', f'--row={row}', f'--to={folder}', *flags]
    code = export.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def expected(trained, seed, images=DATASET.test_images):
    networks = kept_networks.of_row(trained, 'a row/1')
    logits = kept_networks.seed_logits(networks.settings, networks.variables, images)
    return calibration.calibrated(logits[seed], networks.temperatures[seed], 'softmax')


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp('carried') / 'away'
    networks = kept_networks.of_row(trained, 'a row/1')
    export.export(networks, 2, folder, ('safetensors', 'stablehlo'))
    return folder


def test_the_program_runs_with_jax_alone_on_any_number_of_images(trained, exported, tmp_path):
    images, found = tmp_path / 'images.npy', tmp_path / 'found.npy'
    np.save(images, DATASET.test_images)
    words = [sys.executable, '-c', ALONE, exported / 'model.stablehlo', images, found]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(found), expected(trained, 2), atol=1e-6)
    raw = bytearray((exported / 'model.stablehlo').read_bytes())
    program = jax.export.deserialize(raw)
    assert program.platforms == ('cpu', 'cuda', 'tpu')
    for count in (1, 5):
        few = DATASET.test_images[:count]
        np.testing.assert_allclose(program.call(few), expected(trained, 2, few), atol=1e-6)


def test_the_parameters_are_one_networks_and_can_be_read_again(trained, exported):
    path = exported / 'model.safetensors'
    tensors = safetensors.numpy.load_file(path)
    assert tensors['params/Dense_1/bias'].shape == (10,)  # no axis for seeds
    with safetensors.safe_open(path, 'np') as file:
        settings = from_plain(json.loads(file.metadata()['settings']))
    networks, row = kept_networks.load(path), kept_networks.of_row(trained, 'a row/1')
    assert networks.seeds == (2,) and networks.settings.to_dict() == settings.to_dict()
    assert networks.temperatures == (row.temperatures[2],)
    assert networks.class_names == row.class_names
    probs, _ = kept_networks.ensemble(networks, DATASET.test_images)
    np.testing.assert_allclose(probs, expected(trained, 2), atol=1e-6)


def test_the_card_tells_what_was_measured(trained, exported):
    card, result = (
        (exported / 'README.md').read_text(),
        kept_networks.of_row(trained, 'a row/1').result,
    )
    assert f'accuracy on 37 test images: {100 * result["test_accuracy"][2]:.2f} % (95 %' in card
    assert f'calibration error (15 bins): {100 * result["calibration_error"][2]:.2f} %' in card
    assert f'the temperature, {result["temperature"][1]:g}, fitted on validation images' in card
    assert 'trained on 80 of its training images, 20 held out' in card
    assert '- row: a row/1, seed 2\n' in card and f'- commit: {result["commit"]}' in card
    assert 'T-shirt/top, Trouser' in card and 'Limits:' in card
    assert 'optimizer.learning_rate = 0.05' in card
    assert '`model.stablehlo`' in card and '`model.safetensors`' in card and 'onnx' not in card
    networks = kept_networks.of_row(trained, 'all')
    export.export(networks, 0, exported.parent / 'all', ('safetensors',))
    other = (exported.parent / 'all' / 'README.md').read_text()
    assert 'the probabilities are as trained' in other and 'none held out' in other
    assert 'stablehlo' not in other and 'with the temperature' not in other


@pytest.mark.parametrize('model', ['lenet5', 'mobilenet'])
def test_convolutions_pooling_and_scaling_are_the_same_in_a_program(model):
    """The program's convolutions are the backend's, ours are blocks of patches."""
    large = model == 'mobilenet'
    change = (
        {'model__blocks': 2, 'dataset__image_size': 32, 'dataset__channels': 3} if large else {}
    )
    settings = small_settings(
        model__name=model, model__widths=None, dataset__mean=0.3, dataset__std=0.4, **change
    )
    state = jax.jit(lambda: step.init(settings, 0, 80))()
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    raw = kept_networks.stablehlo(kept_networks.program(settings, variables, 0.01))
    found = jax.export.deserialize(bytearray(raw)).call(DATASET.test_images)
    seeds = jax.tree.map(lambda a: np.asarray(a)[None], variables)
    logits = kept_networks.seed_logits(settings, seeds, DATASET.test_images)[0]
    # An untrained network hardly tells images apart: a low temperature makes it.
    np.testing.assert_allclose(found, calibration.calibrated(logits, 0.01, 'softmax'), atol=1e-4)
    assert np.ptp(found, axis=0).max() > 0.01


def test_a_bfloat16_row_is_exported_in_float32(trained):
    networks = kept_networks.of_row(trained, 'a row/1')
    networks.settings.compute = 'bfloat16'
    classify = kept_networks.program(networks.settings, networks.seed(0), networks.temperatures[0])
    found = classify(DATASET.test_images)
    np.testing.assert_allclose(found, expected(trained, 0), atol=1e-6)
    assert networks.settings.compute == 'bfloat16'


def test_a_program_averages_the_views_and_the_card_says_so(trained, tmp_path):
    networks = kept_networks.of_row(trained, 'a row/1')
    one_view, _ = kept_networks.ensemble(networks, DATASET.test_images)
    networks.settings.test_views = 'mirror_shift'
    export.export(networks, 1, tmp_path / 'to', ('safetensors', 'stablehlo'))
    raw = bytearray((tmp_path / 'to' / 'model.stablehlo').read_bytes())
    found = jax.export.deserialize(raw).call(DATASET.test_images)
    alone = kept_networks.load(tmp_path / 'to' / 'model.safetensors')
    predicted, _ = kept_networks.ensemble(alone, DATASET.test_images)  # as `predict` does
    np.testing.assert_allclose(found, predicted, atol=1e-6)
    assert np.abs(predicted - one_view).max() > 1e-3
    assert 'the mean of six views' in (tmp_path / 'to' / 'README.md').read_text()


def test_onnx_gives_the_same_probabilities(trained, tmp_path, capsys):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('jax2onnx')
    code, out, err = run(capsys, trained, tmp_path / 'to', '--seed=1', '--formats=onnx')
    assert (code, err) == (0, ''), err
    assert 'model.onnx' in out and not (tmp_path / 'to' / 'model.safetensors').exists()
    session = onnxruntime.InferenceSession(tmp_path / 'to' / 'model.onnx')
    for images in (DATASET.test_images, DATASET.test_images[:1]):
        (found,) = session.run(['probabilities'], {'images': images})
        np.testing.assert_allclose(found, expected(trained, 1, images), atol=1e-5)


def test_a_format_that_fails_takes_no_other_with_it(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'jax2onnx', None)
    code, out, err = run(capsys, trained, tmp_path / 'to', '--formats=safetensors,onnx')
    assert code == 2 and 'error: --formats=onnx needs jax2onnx' in err and 'pip install' in err
    assert err.endswith('error: 1 of 2 formats could not be made\n')
    assert sorted(p.name for p in (tmp_path / 'to').iterdir()) == ['README.md', 'model.safetensors']
    assert 'model.onnx' not in (tmp_path / 'to' / 'README.md').read_text()
    code, out, err = run(capsys, trained, tmp_path / 'nothing', '--formats=onnx')
    assert (code, out) == (2, '') and not (tmp_path / 'nothing').exists()


@pytest.mark.parametrize(
    ('flags', 'row', 'message'),
    [
        (['--seed=7'], 'a row/1', '--seed=7: no parameters of that seed; there are 0, 1, 2'),
        ([], 'diverged', '--seed=0: it has diverged, its parameters are no numbers'),
        ([], 'b', '--row=b: not in'),
        (['--workdir=nowhere'], 'a row/1', 'nowhere: no result lines there'),
        (['--to={used}'], 'a row/1', 'not empty; name a new folder'),
        (['--to={file}'], 'a row/1', 'a file; name a folder'),
    ],
)
def test_a_mistake_gets_one_clear_error(trained, tmp_path, capsys, flags, row, message):
    used, file = tmp_path / 'used', tmp_path / 'file'
    used.mkdir()
    for path in (used / 'a', file):
        path.write_text('mine')
    flags = [flag.format(used=used, file=file) for flag in flags]
    code, out, err = run(capsys, trained, tmp_path / 'to', *flags, row=row)
    assert (code, out) == (2, '') and err.count('\n') == 1
    assert err.startswith('error: ') and message in err
    assert not (tmp_path / 'to').exists() and [p.name for p in used.iterdir()] == ['a']


def test_wrong_formats_are_named(capsys):
    for text in ('pickle', ''):
        assert export.main(['--workdir=r', '--row=a', '--to=t', f'--formats={text}']) == 2
        err = capsys.readouterr().err
        assert 'expected some of safetensors,stablehlo,onnx' in err


def test_the_command_lists_what_it_wrote(trained, tmp_path, capsys):
    code, out, err = run(capsys, trained, tmp_path / 'to', '--formats=stablehlo')
    assert (code, err) == (0, '')
    names = [pathlib.Path(line.split(' (')[0]).name for line in out.splitlines()]
    assert names == ['README.md', 'model.stablehlo']
