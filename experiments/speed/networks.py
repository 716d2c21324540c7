"""The timed networks, with the settings that make both sides train the same network."""

from typing import NamedTuple


class Network(NamedTuple):
    """One line of the table."""

    change: dict  # config fields that our side changes
    report: str | None = None  # the report that prints a training time
    epoch_seconds: float | None = None  # per epoch, as the report prints or implies it


_MOBILENET = {'dataset.image_size': 56, 'dataset.channels': 3, 'model.dropout': 0.5}

NETWORKS = {
    'fcn': Network({}, '002', 12.0),  # "approximately 8 minutes" for 40 epochs on a T4
    # 1.976 minutes for about 7 epochs. PyTorch's usual LeNet has ReLU and max pooling.
    'lenet5': Network({'model.activation': 'relu', 'model.pooling': 'max'}, '003', 17.0),
    'simple_cnn': Network({'model.dropout': 0.5}, '000', 4.0),
    'tuned_cnn': Network({'model.dropout': 0.5}),
    'cnn_1': Network({}),
    'cnn_2': Network({}),
    'simplified_mobilenet': Network(_MOBILENET, '000', 11.0),
    'mobilenet': Network(_MOBILENET, '000', 20.0),
}
DEFAULT = tuple(name for name in NETWORKS if name != 'cnn_1')  # cnn_2 is cnn_1 with batch norm

BATCH_SIZE = 128
LEARNING_RATE = 0.001
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
    layout, _, chunk = mode.partition(':')
    change = {
        'model.name': name,
        'num_seeds': seeds,
        'batch_size': BATCH_SIZE,
        'dataset.num_validation': 0,
        'optimizer.name': 'adam',
        'optimizer.learning_rate': LEARNING_RATE,
        'replicas': layout,
        'replicas_chunk': int(chunk or 0),
    }
    if compute != 'float32':
        change['compute'] = compute
    return change | NETWORKS[name].change | (extra or {})
