"""Report 004: what separates wide from narrow networks with three convolutions.

    python -m fmnist_jax.main --config=configs/readings_004.py

In the report's grid the narrow networks are as good as the wide ones; ours get better with the
width (64, 128 and 128 filters: report 86.85 %, ours 91.97). The rows are the corners of the grid:
narrow and wide filters, each with the fewest and the most dense nodes. Each reading changes one
choice that the report leaves open, or a setting that may have been another:

- kernels, everything: L2 on all kernels, or on every parameter, instead of the dense kernels;
- dropout_each: dropout 0.5 after each pooling, too;
- batch_32, batch_128: instead of 64;
- lr_0.002, lr_0.005, lr_0.01: instead of RMSprop's 0.001.

One seed is enough to see whether a reading turns the order round. `as_grid` repeats the rows of
configs/tuning_3_layers.py. The rule is Keras 2's (configs/rmsprop_rules.py).
"""

from configs import ann_vs_cnn, tuning_3_layers
from configs.base import row
from configs.tuning_1_layer import row_name

CORNERS = (((16, 16, 16), 16), ((16, 16, 16), 128), ((64, 64, 64), 64), ((64, 128, 128), 128))
READINGS = {
    'lr_0.01': {'optimizer.learning_rate': 0.01},
    'lr_0.005': {'optimizer.learning_rate': 0.005},
    'everything': {'optimizer.l2_on': 'all'},
    'kernels': {'optimizer.l2_on': 'kernels'},
    'dropout_each': {'model.dropout_after': 'each'},
    'lr_0.002': {'optimizer.learning_rate': 0.002},
    'batch_128': {'batch_size': 128},
    'batch_32': {'batch_size': 32},
    'as_grid': {},
}


def get_config():
    """36 rows of 20 epochs with one seed, the small networks first."""
    config = ann_vs_cnn.get_config()
    config.title = 'Report 004: readings that separate wide from narrow'
    config.num_seeds = 1
    config.model.name = 'tuned_cnn'
    config.optimizer.framework = 'keras2'
    config.optimizer.l2_on = 'dense'
    config.rows = tuple(
        row(
            f'{row_name(widths, dense)}_{name}',
            {'model.widths': widths, 'model.dense': dense} | change,
            tuning_3_layers.GRID[widths, dense][1],
            repeats=True,
        )
        for widths, dense in CORNERS
        for name, change in READINGS.items()
    )
    config.claims = ()
    return config
