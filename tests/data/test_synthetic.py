"""The drawn garments: shapes, balance, repeatability, neither trivial nor hopeless to classify."""

import time

import numpy as np
import pytest

from fmnist_jax.data import synthetic


@pytest.fixture(scope='module')
def garments():
    return synthetic.draw(4000, 1000, seed=0)


def test_shapes_and_types(garments):
    assert [a.shape for a in garments] == [(4000, 28, 28), (4000,), (1000, 28, 28), (1000,)]
    assert [a.dtype for a in garments] == [np.uint8, np.int32, np.uint8, np.int32]


def test_classes_are_balanced_and_shuffled(garments):
    _, labels, _, test_labels = garments
    assert np.bincount(labels).tolist() == [400] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10
    assert 0.05 < np.mean(labels[1:] == labels[:-1]) < 0.15  # 0.1 by chance


def test_the_seed_decides():
    first, again, other = (synthetic.draw(300, 100, seed) for seed in (5, 5, 6))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != other[0]).any() and (first[1] != other[1]).any()


def test_a_part_does_not_depend_on_the_size_of_the_other():
    np.testing.assert_array_equal(synthetic.draw(30, 100)[2], synthetic.draw(500, 100)[2])
    assert len(synthetic.draw(30, 0)[2]) == 0


def test_parts_and_images_differ(garments):
    train, _, test, _ = garments
    images = np.concatenate([train, test]).reshape(5000, -1)
    assert len(np.unique(images, axis=0)) == 5000


def test_images_use_the_range_as_fashion_mnist_does(garments):
    images = garments[0] / 255
    # Fashion-MNIST: mean 0.286, standard deviation 0.353, half of the pixels are background.
    assert 0.15 < images.mean() < 0.35 and 0.25 < images.std() < 0.4
    assert 0.4 < np.mean(images == 0) < 0.75
    assert images.max() == 1
    assert (images.max((1, 2)) > 0.15).all()  # no garment is invisible


def test_garments_have_their_shapes(garments):
    images, labels = garments[:2]
    of = {name: images[labels == i] > 0 for i, name in enumerate(synthetic.CLASS_NAMES)}
    area = {name: shapes.mean() for name, shapes in of.items()}
    assert area['Sandal'] < area['Sneaker'] < area['Ankle boot']
    assert area['Trouser'] < area['T-shirt/top'] < area['Pullover']
    width = {name: shapes.any(1).sum(1).mean() for name, shapes in of.items()}
    height = {name: shapes.any(2).sum(1).mean() for name, shapes in of.items()}
    assert height['Trouser'] > 22 > 18 > width['Trouser']
    assert width['Sneaker'] > 22 > 15 > height['Sneaker']
    assert height['Ankle boot'] > 17 > 15 > height['Sneaker']
    # The toe is on the left, the higher heel or shaft on the right.
    for shoe in ('Sandal', 'Sneaker', 'Ankle boot'):
        assert of[shoe][:, :, 14:].mean() > of[shoe][:, :, :14].mean()


def test_a_linear_classifier_gets_most_but_not_all(garments):
    train, labels, test, test_labels = garments

    def features(images):
        return np.c_[images.reshape(len(images), -1) / 255.0, np.ones(len(images))]

    x, targets = features(train), np.eye(10)[labels]
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(785), x.T @ targets)  # ridge regression
    right = (features(test) @ weights).argmax(1) == test_labels
    assert 0.7 < right.mean() < 0.92
    # Every class is found more often than by chance.
    per_class = [right[test_labels == k].mean() for k in range(10)]
    assert min(per_class) > 0.2


def test_all_are_drawn_in_seconds():
    start = time.perf_counter()
    synthetic.draw(14_000, 0)
    assert time.perf_counter() - start < 3  # a fifth of the default; 0.3 s on an idle core
