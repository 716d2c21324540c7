"""Report 000: which reading of "rotation" gives the accuracy of its simple CNN (91.16 %).

    python -m fmnist_jax.main --config=configs/readings_000.py

With flips and rotations our simple CNN has 88.3 %, three points less (configs/mobilenet.py). The
readings:

- as_table_2: angles of the variance pi/8 in radians, new ones in every step;
- degrees: the standard deviation is pi/8 degrees, as in functions that take degrees;
- copies_1, copies_2: one or two fixed augmented copies of each image beside the original ("the
  training dataset was augmented"), copies_1_narrow with a standard deviation of pi/8 radians;
- edge: pixels outside the rotated image repeat its border, as in Keras' ImageDataGenerator;
- batch_128: batches of 128 instead of Keras' 32;
- last_epoch: the last epoch is tested, as with Keras' EarlyStopping. There it also stops by the
  validation loss; here it trains for 25 epochs, about as long as our seeds train until they stop.

Left out: nearest-neighbour interpolation, which needs a second way to sample images and keeps the
accuracy of the angles.
"""

import math

from configs import mobilenet
from configs.base import row

READINGS = {
    'batch_128': {'batch_size': 128},
    'as_table_2': {},
    'edge': {'augment.fill': 'edge'},
    'degrees': {'augment.rotation': math.radians(math.pi / 8)},
    'last_epoch': {'selection': 'last', 'patience': 0, 'epochs': 25},
    'copies_1': {'augment.copies': 1},
    'copies_1_narrow': mobilenet.ROTATE_LESS | {'augment.copies': 1},
    'copies_2': {'augment.copies': 2},
}


def get_config():
    """Eight rows of up to 60 epochs with three seeds; half an hour to hours per row."""
    config = mobilenet.get_config()
    config.title = 'Report 000: readings of rotation'
    config.num_seeds = 3
    config.model.name = 'simple_cnn'
    config.rows = tuple(
        row(name, mobilenet.ROTATE | change, 0.9116, repeats=True)
        for name, change in READINGS.items()
    )
    config.claims = ()
    return config
