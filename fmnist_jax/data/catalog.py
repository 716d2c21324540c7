"""What a data set is, without its files: the names of its classes and the shape of its images.

Sources of the names: the data sets' authors (Xiao et al. 2017; Clanuwat et al. 2018; Cohen et al.
2017; Krizhevsky 2009), as tensorflow-datasets has them.
"""

from typing import NamedTuple

from fmnist_jax.data import synthetic

OWN = 'folder'  # the user's own images: a folder for each class, or an .npz file (own.py)
_DIGITS, _CAPITALS = '0123456789', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
_CIFAR10 = 'airplane automobile bird cat deer dog frog horse ship truck'
_CIFAR100 = (
    'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus '
    'butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch '
    'crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo '
    'keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse '
    'mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy '
    'porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper '
    'snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television '
    'tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm'
)
CLASS_NAMES = {
    'fashion_mnist': synthetic.CLASS_NAMES,
    'mnist': tuple(_DIGITS),
    'kmnist': ('o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo'),
    'emnist/letters': tuple(_CAPITALS),  # capital and small letters together
    'emnist/balanced': tuple(f'{_DIGITS}{_CAPITALS}abdefghnqrt'),
    'cifar10': tuple(_CIFAR10.split()),
    'cifar100': tuple(_CIFAR100.split()),
    'synthetic': synthetic.CLASS_NAMES,
}
NAMES = (*CLASS_NAMES, OWN)  # the values of dataset.name
_SHAPES = {'cifar10': (32, 32, 3), 'cifar100': (32, 32, 3)}  # the others: (28, 28)


class Own(NamedTuple):
    """How own images are read: the arguments of own.read, beside the path."""

    image_size: int
    channels: int
    test_seed: int


# In the following, `dataset` is the group of fields of that name in a row's settings: a ConfigDict,
# or a dict from a result line. Settings of older files lack the younger fields.


def source(dataset):
    """What to load for these settings: a name, or Own; equal for equal images."""
    if dataset['name'] != OWN:
        return dataset['name']
    return Own(dataset['image_size'], dataset['channels'], dataset.get('test_seed', 0))


def class_names(dataset):
    """The names of the classes in the order of their labels, a tuple."""
    if dataset['name'] == OWN:
        return tuple(dataset.get('classes', ()))
    return CLASS_NAMES[dataset['name']]


def image_shape(dataset):
    """The shape of one image as it is loaded: (height, width), or (height, width, 3)."""
    if dataset['name'] != OWN:
        return _SHAPES.get(dataset['name'], (28, 28))
    side, channels = dataset['image_size'], dataset['channels']
    return (side, side, 3) if channels == 3 else (side, side)


def input_shape(dataset):
    """The shape of one image as a network gets it: (height, width, channels).

    Smaller images are scaled up to dataset.image_size; grey ones get dataset.channels.
    """
    height, width, *colours = image_shape(dataset)
    size = dataset['image_size']
    if size > height:
        height = width = size
    return height, width, max(dataset['channels'], *colours, 1)


def is_light_on_black(dataset):
    """Whether an image is one light grey item on black, as photos.view makes it from a photo."""
    return dataset['name'] != OWN and len(image_shape(dataset)) == 2
