"""Report 004: which L2 gives its numbers, of four strengths and places that are likely.

    python -m fmnist_jax.main --config=configs/cnn_l2.py

The report names L2 and says neither how strong it is nor on which layers. Its grids print two
numbers a row that depend on it: the accuracy, and Keras' validation loss, which holds the penalty.
Four small networks, one of each depth and one with a wide dense layer, try Keras' 0.001 on every
parameter, on all kernels and on the dense layers' kernels, and 0.01 on these (`l2` is twice
Keras' number).
"""

from configs import ann_vs_cnn, tuning_1_layer, tuning_2_layers, tuning_3_layers
from configs.base import row

NETWORKS = {  # (filters, dense nodes) -> the grid that has it
    ((16,), 16): tuning_1_layer.GRID,
    ((16, 16), 16): tuning_2_layers.GRID,
    ((16, 16), 128): tuning_2_layers.GRID,
    ((16, 16, 16), 16): tuning_3_layers.GRID,
}
L2 = {
    'everywhere': {'optimizer.l2_on': 'all'},
    'dense_kernels': {'optimizer.l2_on': 'dense'},
    'kernels': {'optimizer.l2_on': 'kernels'},
    'dense_kernels_tenfold': {'optimizer.l2_on': 'dense', 'optimizer.l2': 0.02},
}


def get_config():
    """20 epochs of sixteen rows; two minutes a row and seed on one CPU core."""
    config = ann_vs_cnn.get_config()
    config.title = 'Report 004: strength and place of L2'
    config.model.name = 'tuned_cnn'
    config.claims = ()
    config.rows = tuple(
        row(
            f'{tuning_1_layer.row_name(widths, dense)}_{name}',
            {'model.widths': widths, 'model.dense': dense, **place},
            grid[widths, dense][1],
            {'loss': grid[widths, dense][0]},
            repeats=True,
        )
        for name, place in L2.items()
        for (widths, dense), grid in NETWORKS.items()
    )
    return config
