"""fit_seeds: data sets and pretrained weights that it takes or refuses, and its progress."""

import jax
import numpy as np
import pytest
from settings_for_tests import BATCH_NORM, small_dataset, small_settings

from fmnist_jax.data import catalog
from fmnist_jax.data.datasets import Dataset, check_dataset
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.fit import api
from fmnist_jax.models.pretrained import Pretrained
from fmnist_jax.results import arrays, networks

DATASET = small_dataset()
IMAGES, LABELS = DATASET.train_images, DATASET.train_labels


def test_too_many_validation_images_are_refused_before_training():
    with pytest.raises(DataError, match='num_validation is 200'):
        api.fit_seeds(small_settings(dataset__num_validation=200), DATASET)


def test_settings_that_were_changed_are_checked_again():
    settings = small_settings(selection='val_loss')
    settings.dataset.num_validation = 0
    with pytest.raises(ConfigError, match='val_loss. needs a validation set'):
        api.fit_seeds(settings, DATASET)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'train_images': IMAGES / 255}, r'train_images has type float64.* \(255 \* images\)'),
        (
            {'train_labels': LABELS + 1},
            'train_labels has values 1 to 10; expected integers 0',
        ),
        ({'test_labels': np.where(DATASET.test_labels > 8, -1, 1)}, 'test_labels has values -1 to'),
        ({'train_labels': LABELS[:99]}, r'train_labels has shape \(99,\); .* shape \(100,\)'),
        ({'train_images': IMAGES[..., None]}, r'train_images has shape \(100, 28, 28, 1\)'),
        ({'train_labels': np.eye(10)[LABELS]}, r'shape \(100, 10\); .*give labels.argmax\(-1\)'),
        ({'train_labels': LABELS / 1}, 'train_labels has type float64'),
        ({'test_images': IMAGES[:0], 'test_labels': LABELS[:0]}, 'test_images .* N above 0'),
        ({'train_images': IMAGES + np.int32(9)}, 'train_images has values 9 to 264'),
        ({'train_images': [[1], [2, 3]]}, 'train_images is no array'),
        ({'train_labels': None}, r'train_labels has shape \(\)'),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(change, message):
    with pytest.raises(DataError, match=message) as caught:
        api.fit_seeds(small_settings(), DATASET._replace(**change))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('given', [None, 'fashion_mnist', (IMAGES, LABELS)])
def test_other_objects_than_a_data_set_are_refused(given):
    with pytest.raises(DataError, match='expected a Dataset of train_images, train_labels, test_'):
        api.fit_seeds(small_settings(), given)


def test_lists_and_other_integers_are_converted_without_loss():
    given = [IMAGES.tolist(), LABELS.tolist(), DATASET.test_images.astype(int), DATASET.test_labels]
    dataset = check_dataset(given)
    assert isinstance(dataset, Dataset)
    for array, expected in zip(dataset, DATASET, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_progress_is_shown_unless_it_is_switched_off(capsys):
    settings = small_settings(num_seeds=1, epochs=1)
    api.fit_seeds(settings, DATASET)
    assert capsys.readouterr().err.startswith('fcn: epoch 1/1 loss ')
    api.fit_seeds(settings, DATASET, progress=None)
    assert capsys.readouterr().err == ''


def small_mobilenet(**change):
    return small_settings(**BATCH_NORM, pretrained='imagenet', **change)


def test_pretrained_weights_are_taken_as_load_gives_them_or_their_variables(monkeypatch):
    monkeypatch.setattr(api, 'fit', lambda *_, progress, pretrained: pretrained)
    variables = {'params': {'conv1': {'kernel': np.ones((3, 3, 3, 8))}}, 'batch_stats': {}}
    for given in (variables, Pretrained(variables, {'file': 'x.h5'})):
        assert api.fit_seeds(small_mobilenet(), DATASET, pretrained=given) is variables
        with pytest.raises(ConfigError, match='config.head_epochs=1 freezes conv1_bn, conv_dw_1'):
            api.fit_seeds(small_mobilenet(head_epochs=1), DATASET, pretrained=given)


@pytest.mark.parametrize('given', [None, 'weights.h5', {'conv1': 1}, api])
def test_objects_that_are_no_pretrained_weights_are_refused_with_how_to_get_them(given):
    message = 'config.pretrained=.imagenet.: give the weights, too' if given is None else 'expected'
    with pytest.raises(ConfigError, match=message) as caught:
        api.fit_seeds(small_mobilenet(), DATASET, pretrained=given)
    text = str(caught.value)
    assert 'pretrained.load(train.model_of(settings), (32, 32, 3))' in text
    assert '\n' not in text


@pytest.mark.parametrize(
    ('name', 'model'),
    [
        ('emnist/balanced', {}),
        pytest.param('cifar100', {'name': 'lenet5', 'widths': None}, marks=pytest.mark.slow),
    ],
)
def test_other_shapes_and_numbers_of_classes(name, model):
    """Trained by our convolutions, and the same probabilities as a program with the backend's."""
    rng, classes = np.random.default_rng(0), len(catalog.CLASS_NAMES[name])
    shape = catalog.image_shape({'name': name})
    parts = [
        (rng.integers(0, 256, (count, *shape)).astype(np.uint8), np.arange(count) % classes)
        for count in (104, 100)
    ]
    dataset = Dataset(*(array for part in parts for array in part))
    change = {f'model__{field}': value for field, value in model.items()}
    settings = small_settings(
        dataset__name=name, num_seeds=2, epochs=1, augment__flip=True, **change
    )
    result = api.fit_seeds(settings, dataset, progress=None)
    assert result.logits.shape == (2, 100, classes) and np.isfinite(result.logits).all()
    matrices = np.array(arrays.confusion(result.logits, dataset.test_labels))
    assert matrices.shape == (2, classes, classes) and (matrices.sum((1, 2)) == 100).all()
    seed = jax.tree.map(lambda array: array[0], result.variables)
    program = networks.program(settings, seed)(dataset.test_images)
    expected = networks.predict_images(settings, result.variables, dataset.test_images)[0]
    np.testing.assert_allclose(program, expected, atol=1e-5)
    with pytest.raises(DataError, match=f'expected integers 0 to {classes - 1}'):
        api.fit_seeds(settings, dataset._replace(test_labels=dataset.test_labels + classes))
