"""The reports' networks by name.

Every model is a flax.linen module. `model.init(key, images, train=False)` makes the variables;
`model.apply(variables, images, train, batch)` maps images [N, H, W, C] (28, 28, 1; for the
MobileNets 56, 56, 3) to logits [N, classes] in the images' type. `batch` is a batch.Batch.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from fmnist_jax.models.backend import portable
from fmnist_jax.models.cnn_variants import CNNVariant
from fmnist_jax.models.dense_net import DenseNet
from fmnist_jax.models.inception_net import InceptionNet
from fmnist_jax.models.lenet import LeNet5
from fmnist_jax.models.mlp import MLP
from fmnist_jax.models.mobilenet import MobileNet
from fmnist_jax.models.simple_cnn import SimpleCNN
from fmnist_jax.models.small_resnet import SmallResNet
from fmnist_jax.models.speed_net import SpeedNet
from fmnist_jax.models.tuned_cnn import TunedCNN

MODELS = {
    'fcn': partial(MLP, widths=(400, 400), initialization='pytorch'),
    'ann': partial(
        MLP, widths=(512, 256), initialization='keras', dropout=0.5, dropout_after='last'
    ),
    'lenet5': LeNet5,
    'simple_cnn': SimpleCNN,
    'cnn_1': partial(CNNVariant, variant='cnn_1', batch_norm=False),
    'cnn_2': partial(CNNVariant, variant='cnn_2'),
    'cnn_3': partial(CNNVariant, variant='cnn_3', dropout=0.5),
    'cnn_4': partial(CNNVariant, variant='cnn_4'),
    'cnn_5': partial(CNNVariant, variant='cnn_5'),
    'mobilenet': MobileNet,
    'simplified_mobilenet': partial(MobileNet, blocks=5),
    'small_resnet': SmallResNet,
    'speed_net': SpeedNet,
    'inception_net': InceptionNet,
    'dense_net': DenseNet,
    'base_cnn': partial(TunedCNN, widths=(32, 32, 32), dense=32),
    'tuned_cnn': partial(TunedCNN, widths=(64, 64), dense=128),
}


def model_fields(name):
    """{field of a model that a config may set: its default}."""
    make = partial(MODELS[name])
    fields = {f.name: f.default for f in dataclasses.fields(make.func)} | make.keywords
    return {k: fields[k] for k in fields if k not in ('parent', 'name', 'variant', 'classes')}


def make_model(name, classes=10, **fields):
    """The network `name`; a field that is None keeps its default. Raises ValueError.

    classes: of the data set, the number of logits (data.catalog.class_names).
    """
    if name not in MODELS:
        raise ValueError(f'model.name={name!r}: expected one of {", ".join(MODELS)}')
    fields = {field: value for field, value in fields.items() if value is not None}
    known = model_fields(name)
    for field in fields:
        if field not in known:
            raise ValueError(f'model.{field}: {name} has no such field; it has {", ".join(known)}')
    return MODELS[name](classes=classes, **fields)


def variable_shapes(model, image_shape, dtype=jnp.float32):
    """Shapes and types of a model's variables for images [height, width, channels] of `dtype`."""
    images = jax.ShapeDtypeStruct((1, *image_shape), dtype)
    with portable():  # traces fewer operations
        return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)


def start(model, params, images):
    """The initial parameters, with those that the network takes from training images."""
    return model.start(params, images) if hasattr(model, 'start') else params


def frozen(model, params):
    """A tree of bools like `params`: True where training does not change the parameter."""
    is_frozen = getattr(model, 'is_frozen', lambda path: False)
    return jax.tree_util.tree_map_with_path(
        lambda path, _: is_frozen(tuple(part.key for part in path)), params
    )
