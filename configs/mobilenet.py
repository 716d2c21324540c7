"""Report 000: simple CNN, MobileNet and simplified MobileNet, three augmentations each (Table 2).

    python -m fmnist_jax.main --config=configs/mobilenet.py
    python -m fmnist_jax.main --config=configs/mobilenet.py --rows='simple_cnn*'
    python -m fmnist_jax.cost            # Table 1, and the columns of parameters and operations

The MobileNets start from Keras' ImageNet weights. fmnist_jax downloads the weights once (17 MB);
--pretrained=FILE names a local file. All layers train, on images up-scaled to 56x56 with three
channels.

The report leaves these choices open. Ours: batches of 32 (Keras' default); early stopping on the
validation loss with patience 5, also for the MobileNets, and a test of the best epoch; at most 60
epochs for the simple CNN and 20 for the MobileNets; Keras' Adam (epsilon 1e-7); inputs in [0, 1]
for the simple CNN, and in [-1, 1] for the MobileNets, as Keras' preprocessing does. The report's
rotation angles are "normal (mean 0, variance pi/8)", a standard deviation of 36 degrees. In rows
that end in `_narrow` the standard deviation is pi/8, 22.5 degrees.

Three rows are not in the report: the simplified MobileNet from random weights, with the same
settings and with those of the simple CNN (Adam 0.001, no decay); and the simple CNN with bagging,
which the discussion could not afford: each seed trains on a bootstrap sample of its training
images. Compare its column `ensemble` with that of `simple_cnn`.
"""

import math

from configs import base
from configs.base import claim, not_worse, row

FLIP = {'augment.flip': True}
ROTATE = FLIP | {'augment.rotation': math.sqrt(math.pi / 8)}  # variance pi/8
ROTATE_LESS = FLIP | {'augment.rotation': math.pi / 8}
MOBILENET = {
    'pretrained': 'imagenet',
    'epochs': 20,
    'dataset.image_size': 56,
    'dataset.channels': 3,
    'dataset.mean': 0.5,
    'dataset.std': 0.5,
    'optimizer.learning_rate': 0.0003,
    'schedule.name': 'exponential',
    'schedule.decay_rate': 0.8,  # a factor, once an epoch
}
# (settings; accuracy without augmentation, with flips, with flips and rotation; parameters,
# operations and seconds per epoch, as the report rounds them)
NETWORKS = {
    'simple_cnn': ({}, (0.9252, 0.9187, 0.9116), (73_000, 5_600_000, 4)),
    'simplified_mobilenet': (MOBILENET, (0.9294, 0.9269, 0.9249), (140_000, 93_000_000, 11)),
    'mobilenet': (MOBILENET, (0.9346, 0.9413, 0.9387), (3_239_000, 242_000_000, 20)),
}
COLUMNS = ('parameters', 'operations', 'seconds_per_epoch')

CLAIMS = (  # sections "Simple CNN", "Transfer learning", "Simplified MobileNet", "Discussion"
    claim(
        'Augmentation showed up not to be beneficial (simple CNN)',
        not_worse('simple_cnn', 'simple_cnn_flip'),
        not_worse('simple_cnn', 'simple_cnn_flip_rotate'),
    ),
    claim(
        'Accuracy increases from the simple CNN through the simplified to the full MobileNet',
        *[
            pair
            for suffix in ('', '_flip', '_flip_rotate')
            for pair in (
                (f'simplified_mobilenet{suffix}', f'simple_cnn{suffix}'),
                (f'mobilenet{suffix}', f'simplified_mobilenet{suffix}'),
            )
        ],
    ),
    claim(
        'MobileNet gains from flipped images, the simplified one does not',
        ('mobilenet_flip', 'mobilenet'),
        not_worse('simplified_mobilenet', 'simplified_mobilenet_flip'),
    ),
    claim(
        'ImageNet weights help (ours: the same network from random weights, in two recipes)',
        ('simplified_mobilenet', 'simplified_mobilenet_scratch'),
        ('simplified_mobilenet', 'simplified_mobilenet_scratch_adam'),
    ),
)


def _rows():
    for name, (change, reported, columns) in NETWORKS.items():
        change = {'model.name': name} | change
        augmentations = {'': {}, '_flip': FLIP, '_flip_rotate': ROTATE}
        for (suffix, augment), accuracy in zip(augmentations.items(), reported, strict=True):
            also = dict(zip(COLUMNS, columns, strict=True))
            yield row(name + suffix, change | augment, accuracy, also)
    for name in ('simple_cnn', 'simplified_mobilenet'):  # pi/8 as the standard deviation
        change, reported, _ = NETWORKS[name]
        narrow = {'model.name': name} | change | ROTATE_LESS
        yield row(f'{name}_flip_rotate_narrow', narrow, reported[2], repeats=True)
    scratch = {'model.name': 'simplified_mobilenet'} | MOBILENET | {'pretrained': ''}
    yield row('simplified_mobilenet_scratch', scratch)
    constant = {
        'schedule.name': 'constant',
        'schedule.decay_rate': 1.0,
        'optimizer.learning_rate': 0.001,
        'epochs': 60,
    }
    yield row('simplified_mobilenet_scratch_adam', scratch | constant)
    yield row('simple_cnn_bagged', {'model.name': 'simple_cnn', 'dataset.bootstrap': True})


def get_config():
    """Fourteen rows; hours on two CPU cores, so choose --rows and --config.num_seeds."""
    config = base.get_config()
    config.title = 'Report 000: simple CNN and MobileNets'
    config.report = '000'
    config.num_seeds = 3
    config.epochs = 60
    config.batch_size = 32
    config.selection = 'val_loss'
    config.patience = 5
    config.optimizer.name = 'adam'
    config.optimizer.framework = 'keras'
    config.optimizer.learning_rate = 0.001
    config.rows = tuple(_rows())
    config.claims = CLAIMS
    return config
