"""What a table's file starts from: the defaults of every field, rows, claims, search spaces.

The fields stand in fmnist_jax/config/schema.py; experiments/FIELDS.md shows them as a table.
Seeds are `seed`, `seed + 1`, ...: each has its own validation split, initialization, order of the
images, dropout and augmentation.
"""

from fmnist_jax.config.schema import default_config as get_config
from fmnist_jax.config.table import choice, claim, not_worse, row, same, uniform

__all__ = ['choice', 'claim', 'get_config', 'not_worse', 'row', 'same', 'uniform']
