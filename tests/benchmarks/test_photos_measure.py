"""The photos with trouble, and what predict makes of them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from trained_for_tests import DATASET

from experiments.photos import draw, measure
from fmnist_jax.data import datasets, photos
from fmnist_jax.results import networks as kept_networks


def draws(kind, image, seed=0):
    return kind(np.random.default_rng(seed), image)


@pytest.mark.slow  # draws large photos
@pytest.mark.parametrize('kind', draw.KINDS)
def test_predict_sees_a_drawn_photo_as_the_image_that_it_was_made_from(kind, tmp_path):
    found, whole = [], []
    for number, image in enumerate(DATASET.test_images[:3]):
        path = tmp_path / 'photo'
        path.write_bytes(draws(kind, image, number))
        assert path.read_bytes() == draws(kind, image, number)
        with Image.open(path) as photo:
            assert min(photo.size) >= 300
        view = photos.view(path, centre=True)
        assert not view.is_doubtful
        rows, columns = (np.flatnonzero((image > 12).any(axis)) for axis in (1, 0))
        item = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        size = [round(28 * n / max(item.shape)) for n in item.shape[::-1]]
        expected = np.zeros((28, 28))
        top, left = (28 - size[1]) // 2, (28 - size[0]) // 2
        resized = Image.fromarray(item).resize(size, Image.Resampling.BILINEAR)
        expected[top : top + size[1], left : left + size[0]] = resized
        for similar, image in ((found, view.images[0]), (whole, photos.view(path).images[0])):
            similar.append(np.corrcoef(image.ravel(), expected.ravel())[0, 1])
    assert np.median(found) > 0.65 and np.median(found) > np.median(whole)


def test_a_turned_photo_lies_on_its_side_in_the_file():
    for seed in range(5):
        photo = Image.open(io.BytesIO(draws(draw.turned, DATASET.test_images[0], seed)))
        assert photo.getexif()[0x0112] in (3, 6, 8)
        assert ImageOps.exif_transpose(photo).tobytes() != photo.tobytes()


@pytest.mark.slow
def test_the_page_counts_what_predict_says(trained, tmp_path, monkeypatch, capsys):
    networks = kept_networks.of_row(trained, 'a row/1')
    images, labels = DATASET.test_images[:6], DATASET.test_labels[:6]
    numbers = measure.measure(networks, images, labels, draw.light, 0)
    clean = kept_networks.ensemble(networks, images)[0].argmax(-1)
    assert numbers['images'] == 6 and numbers['clean'] == (clean == labels).mean()
    assert numbers['nothing'] == 0 and 0 <= numbers['sure_wrong'] <= 1 - numbers['found']
    monkeypatch.setattr(datasets, 'load', lambda *_: DATASET)
    monkeypatch.setattr(draw, 'KINDS', (draw.light, draw.dark))
    to = tmp_path / 'table.md'
    flags = [f'--workdir={trained}', '--row=a row/1', '--per_kind=6', f'--to={to}']
    assert measure.main(flags) == 0
    text = to.read_text()
    assert '| light   | 6 ' in text and '| dark    | 6 ' in text and '--row=a row/1`' in text
    assert capsys.readouterr().out == f'{text}\n'
    assert measure.main([*flags, '--per_kind=100']) == 2
    assert '--per_kind=100: too many for 37 test images' in capsys.readouterr().err
