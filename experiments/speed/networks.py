"""The timed networks, with the settings that make both sides train the same network."""

from typing import NamedTuple


class Network(NamedTuple):
    """One line of the table."""

    change: dict  # config fields that our side changes
    report: str | None = None  # the report that prints a training time
    epoch_seconds: float | None = None  # per epoch, as the report prints or implies it
    batch_size: int = 128
    optimizer: str = 'adam'  # a key of OPTIMIZERS
    convolves: bool = True  # False: it has dense layers only


class Optimizer(NamedTuple):
    """An optimizer that both sides have."""

    text: str  # for the page
    fields: dict  # of config.optimizer


OPTIMIZERS = {
    'adam': Optimizer('Adam', {'name': 'adam', 'learning_rate': 0.001}),
    'nesterov': Optimizer(
        'SGD with Nesterov momentum',
        {'name': 'sgd', 'learning_rate': 0.05, 'momentum': 0.85, 'nesterov': True},
    ),
}

_MOBILENET = {'dataset.image_size': 56, 'dataset.channels': 3, 'model.dropout': 0.5}

NETWORKS = {
    # "approximately 8 minutes" for 40 epochs on a T4
    'fcn': Network({}, '002', 12.0, convolves=False),
    # 1.976 minutes for about 7 epochs. PyTorch's usual LeNet has ReLU and max pooling.
    'lenet5': Network({'model.activation': 'relu', 'model.pooling': 'max'}, '003', 17.0),
    'simple_cnn': Network({'model.dropout': 0.5}, '000', 4.0),
    'tuned_cnn': Network({'model.dropout': 0.5}),
    'cnn_1': Network({}),
    'cnn_2': Network({}),
    'speed_net': Network({}, batch_size=500, optimizer='nesterov'),
    'simplified_mobilenet': Network(_MOBILENET, '000', 11.0),
    'mobilenet': Network(_MOBILENET, '000', 20.0),
}
DEFAULT = tuple(name for name in NETWORKS if name != 'cnn_1')  # cnn_2 is cnn_1 with batch norm

EPOCH_IMAGES = 60_000  # all published training images


def our_change(name, seeds, mode='auto', compute='float32', extra=None):
    """The config fields that our side changes: {'section.field': value}.

    Args:
      name: a key of NETWORKS.
      seeds: number of seeds to train together.
      mode: how a device runs its seeds: 'auto', 'vmap', 'map', or 'map:4' for four at once.
      compute: 'float32' or 'bfloat16'.
      extra: further changes, from the command line.
    """
    network = NETWORKS[name]
    optimizer = OPTIMIZERS[network.optimizer].fields
    layout, _, chunk = mode.partition(':')
    change = {
        'model.name': name,
        'num_seeds': seeds,
        'batch_size': network.batch_size,
        'dataset.num_validation': 0,
        **{f'optimizer.{field}': value for field, value in optimizer.items()},
        'replicas': layout,
        'replicas_chunk': int(chunk or 0),
    }
    if compute != 'float32':
        change['compute'] = compute
    return change | network.change | (extra or {})
