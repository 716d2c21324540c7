"""The command that predicts, as a user types it; mistakes get one line and exit code 2."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from small_files import idx
from trained_for_tests import DATASET

from fmnist_jax import predict
from fmnist_jax.data import datasets
from fmnist_jax.data.datasets import CLASS_NAMES
from fmnist_jax.report.figures import seen
from fmnist_jax.results import networks as kept_networks
from fmnist_jax.train import calibration


@pytest.fixture
def files(tmp_path):
    """The first test image as a photo on white, and the others as an IDX file."""
    photo, others = tmp_path / 'photo.png', tmp_path / 'others'
    Image.fromarray(255 - DATASET.test_images[0]).save(photo)
    others.write_bytes(idx(DATASET.test_images[1:]))
    return [str(photo), str(others)]


def run(capsys, trained, *arguments, row='a row/1'):
    code = predict.main([f'--workdir={trained}', f'--row={row}', *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_ensemble_is_the_mean_of_tempered_probabilities(trained):
    networks = kept_networks.of_row(trained, 'a row/1')
    probs, seeds = kept_networks.ensemble(networks, DATASET.test_images)
    logits = kept_networks.seed_logits(networks.settings, networks.variables, DATASET.test_images)
    t = np.array(networks.temperatures)[:, None, None]
    scaled = np.exp(logits / t - (logits / t).max(-1, keepdims=True))
    expected = (scaled / scaled.sum(-1, keepdims=True)).mean(0)
    np.testing.assert_allclose(probs, expected, atol=1e-6)
    assert seeds == (0, 1, 2)
    # A diverged seed has no say.
    networks.variables['params']['Dense_0']['bias'][1] = np.nan
    probs, seeds = kept_networks.ensemble(networks, DATASET.test_images)
    assert seeds == (0, 2) and np.isfinite(probs).all()


def test_json_tells_every_probability(trained, files, capsys):
    code, out, err = run(capsys, trained, '--format=json', '--whole', *files)
    assert (code, err) == (0, '')
    said = json.loads(out)
    assert said['seeds'] == [0, 1, 2] and said['dataset'] == 'synthetic'
    networks = kept_networks.of_row(trained, 'a row/1')
    assert said['temperatures'] == list(networks.temperatures)
    probs, _ = kept_networks.ensemble(networks, DATASET.test_images)
    assert [image['index'] for image in said['images']] == [0, *range(36)]
    for image, expected in zip(said['images'], probs, strict=True):
        assert list(image['probabilities']) == list(CLASS_NAMES['synthetic'])
        np.testing.assert_allclose(list(image['probabilities'].values()), expected, atol=1e-3)
        assert image['class'] == CLASS_NAMES['synthetic'][expected.argmax()]
        assert image['unsure'] == (image['probability'] < 0.8)
    assert sum(image['unsure'] for image in said['images']) > 0


def test_text_names_the_class_and_marks_the_unsure(trained, files, capsys):
    code, out, _ = run(capsys, trained, *files, '--unsure_below=0')
    assert code == 0 and 'unsure:' not in out.split('\n', 2)[2]
    heading, how, first, note, second, *_ = out.splitlines()
    assert heading == 'fcn, mean of 3 networks (seeds 0, 1, 2)'
    assert how.startswith('temperature ') and 'fitted on validation images' in how
    assert 'calibration error of the mean' not in how  # a seed joined later: not measured
    assert first.startswith(f'{files[0]}: ') and first.count(',') == 2
    assert note == '  already 28x28: taken whole, inverted'
    assert second.startswith(f'{files[1]}[0]: ')
    _, out, _ = run(capsys, trained, *files, '--unsure_below=1')
    assert out.count(': unsure: ') == 37


def test_a_row_without_validation_says_so(trained, files, capsys):
    code, out, _ = run(capsys, trained, files[0], row='all')
    assert code == 0
    assert 'calibration error of the mean on test images ' in out
    assert 'temperature 1: no validation images to fit it on, so probabilities as trained' in out


def test_invert_and_whole_are_obeyed(trained, tmp_path, capsys):
    photo = tmp_path / 'photo.png'
    Image.fromarray(np.pad(255 - DATASET.test_images[0], 20, constant_values=255)).save(photo)

    def answer(*flags):
        _, out, _ = run(capsys, trained, photo, '--format=json', *flags)
        (image,) = json.loads(out)['images']
        return image['note'], image['probabilities']

    (note, asked), right = answer('--invert=no'), answer()
    assert note.startswith('item of ') and right[0] == f'{note}, inverted'
    assert asked != right[1] and right == answer('--invert=yes')
    note, whole = answer('--whole')
    assert note == 'inverted' and whole != right[1]


def test_an_empty_photo_is_unsure_and_says_why(trained, files, tmp_path, capsys):
    empty = tmp_path / 'empty.png'
    Image.new('L', (60, 40), 200).save(empty)
    code, out, _ = run(capsys, trained, empty, '--unsure_below=0')
    assert code == 0 and f'{empty}: unsure: ' in out
    assert '  no item stands out: the whole photo, inverted\n' in out
    _, out, _ = run(capsys, trained, empty, files[1], '--format=json', '--unsure_below=0')
    first, second, *_ = json.loads(out)['images']
    assert first['unsure'] and first['note'].startswith('no item') and second['note'] == ''


def test_show_draws_what_the_networks_see(trained, files, tmp_path, capsys, monkeypatch):
    picture = tmp_path / 'out.png'
    code, _, err = run(capsys, trained, files[0], f'--show={picture}')
    assert (code, err) == (0, '')
    with Image.open(picture) as drawn:
        one = drawn.size
        pixels = np.asarray(drawn.convert('RGB')).reshape(-1, 3)
    assert (pixels == (0, 114, 178)).all(-1).any() or (pixels == (213, 94, 0)).all(-1).any()
    monkeypatch.setattr(seen, 'MOST', 3)
    code, _, err = run(capsys, trained, *files, f'--show={picture}')
    assert code == 0 and err == f'{picture}: the first 3 of 37 images\n'
    with Image.open(picture) as drawn:
        assert drawn.height > 2 * one[1] and drawn.width == one[0]
    drawing = tmp_path / 'out.svg'
    run(capsys, trained, files[0], f'--show={drawing}')
    text = drawing.read_text()
    assert files[0] in text and text.count('<image') == 2  # the photo and the network's image


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('out.doc', 'expected a file that ends in .png or .svg'),
        ('no/out.png', 'there is no folder '),
    ],
)
def test_a_wrong_file_to_show_is_told_before_the_work(
    trained, files, tmp_path, capsys, name, message
):
    code, out, err = run(capsys, trained, files[0], f'--show={tmp_path / name}')
    assert (code, out) == (2, '') and message in err


def test_a_bad_file_costs_no_answer_about_the_others(trained, files, tmp_path, capsys):
    bad = tmp_path / 'bad.png'
    bad.write_text('no image')
    code, out, err = run(capsys, trained, bad, files[0])
    assert code == 2 and f'{files[0]}: ' in out
    assert f'error: {bad}: ' in err and err.endswith('error: 1 of 2 files cannot be read\n')


def test_sigmoid_rows_say_that_probabilities_need_not_sum_to_one(trained, files, capsys):
    networks = kept_networks.of_row(trained, 'a row/1')
    networks.settings.loss = 'sigmoid'
    views, _ = predict.look(files[:1], networks.settings.dataset, centre=False)
    predictions, seeds = predict.predict(networks, views)
    logits = kept_networks.seed_logits(
        networks.settings, networks.variables, DATASET.test_images[:1]
    )
    t = np.array(networks.temperatures)[:, None]
    expected = (1 / (1 + np.exp(-logits[:, 0] / t))).mean(0)
    found = list(predictions[0]['probabilities'].values())
    np.testing.assert_allclose(found, expected, atol=1e-3)
    predict._print_text(networks, predictions, seeds, 0.5)
    assert 'do not sum to 1' in capsys.readouterr().out
    assert calibration.calibrated(logits[0, 0], None, 'sigmoid').sum() != pytest.approx(1)


def damaged_copy(trained, tmp_path):
    (tmp_path / 'parameters').mkdir()
    for path in trained.rglob('*.*'):
        if path.suffix in ('.jsonl', '.safetensors'):
            (tmp_path / path.relative_to(trained)).write_bytes(path.read_bytes()[: -40 or None])
    lines = (trained / 'results.jsonl').read_bytes()
    (tmp_path / 'results.jsonl').write_bytes(lines)
    return tmp_path


@pytest.mark.parametrize(
    ('mistake', 'message'),
    [
        ('no file', 'nothing.png: cannot be read (No such file or directory)'),
        ('no image', 'results.jsonl: neither a photo'),
        ('a folder', 'a folder; name its files, such as'),
        ('no workdir', 'nowhere: no result lines there'),
        (
            'no parameters',
            'seeds_0_to_1.safetensors: no such file; git leaves parameters out',
        ),
        ('no row', '--row=b: not in {0}; the rows of {0} are a row/1, all, diverged'),
        ('damaged', 'safetensors: not the parameters of a row, or damaged'),
        ('diverged', 'every seed of the row has diverged'),
    ],
)
def test_a_mistake_gets_one_clear_error(trained, files, tmp_path, capsys, mistake, message):
    folder, row, file = trained, 'a row/1', files[0]
    if mistake == 'no file':
        file = tmp_path / 'nothing.png'
    elif mistake == 'no image':
        file = trained / 'results.jsonl'
    elif mistake == 'a folder':
        file = tmp_path
    elif mistake == 'no workdir':
        folder = tmp_path / 'nowhere'
    elif mistake == 'no row':
        row = 'b'
    elif mistake == 'diverged':
        row = 'diverged'
    else:
        folder = damaged_copy(trained, tmp_path)
        if mistake == 'no parameters':
            (folder / 'parameters' / 'a_row_1_seeds_0_to_1.safetensors').unlink()
    code, out, err = run(capsys, folder, file, row=row)
    assert (code, out) == (2, '') and err.count('\n') == 1
    assert err.startswith('error: ') and message.format(folder) in err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--workdir=runs', '--row=a'], 'the following arguments are required: FILE'),
        (
            ['a.png', '--workdir=r', '--row=a', '--invert=maybe'],
            "--invert: 'maybe': expected one of auto, yes, no",
        ),
        (
            ['a.png', '--workdir=r', '--row=a', '--unsure_below=50'],
            "--unsure_below: '50': expected a number, 0 to 1",
        ),
        (
            ['a.png', '--workdir=r', '--row=a', '--unsure_below=half'],
            "'half': expected a number, 0 to 1",
        ),
    ],
)
def test_wrong_flags(capsys, arguments, message):
    assert predict.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith('error: ') and message in err


def test_the_command_runs_as_a_module(trained, files, tmp_path):
    flags = [f'--workdir={trained}', '--row=a row/1', files[0]]
    env = {'FMNIST_CACHE_DIR': str(tmp_path / 'cache'), 'PATH': ''}
    done = subprocess.run(
        [sys.executable, '-m', 'fmnist_jax.predict', *flags],
        capture_output=True,
        text=True,
        env=env,
        timeout=200,
    )
    assert done.returncode == 0 and done.stderr == '', done.stderr
    assert f'{files[0]}: ' in done.stdout


def test_the_packages_own_networks_answer_without_a_workdir(tmp_path, capsys, data_dir):
    images = datasets.load('fashion_mnist', data_dir)
    photo = tmp_path / 'boot.png'
    Image.fromarray(255 - images.test_images[0]).resize((280, 280)).save(photo)
    assert predict.main([str(photo)]) == 0
    out = capsys.readouterr().out
    assert out.startswith('base_cnn, mean of 3 networks (seeds 0, 1, 2)')
    assert f'{photo}: Ankle boot ' in out
    networks = kept_networks.of_row(kept_networks.SHIPPED)
    logits = kept_networks.seed_logits(
        networks.settings, networks.variables, images.test_images[:1000]
    )
    accuracy = (logits.argmax(-1) == images.test_labels[:1000]).mean(-1)
    assert (accuracy > 0.87).all()
