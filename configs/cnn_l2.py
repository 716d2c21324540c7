"""Report 004: which of four choices of L2 gives its numbers.

    python -m fmnist_jax.main --config=configs/cnn_l2.py

The report uses L2, but does not give its strength or its layers. Two numbers per row of its grids
depend on L2: the accuracy, and Keras' validation loss, which includes the penalty. We train four
small networks: one of each depth, and one with a wide dense layer. Each uses Keras' 0.001 on every
parameter, on all kernels or on the dense layers' kernels, or 0.01 on the latter. (`l2` is twice
Keras' number.)
"""

from configs import ann_vs_cnn, tuning_1_layer, tuning_2_layers, tuning_3_layers
from configs.base import row

NETWORKS = {  # (filters, dense nodes): the grid with this row
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
    """Sixteen rows of 20 epochs; two minutes per row and seed on one CPU core."""
    config = ann_vs_cnn.get_config()
    config.title = 'Report 004: strength and place of L2'
    config.num_seeds = 3
    config.model.name = 'tuned_cnn'
    config.claims = ()
    config.rows = tuple(
        row(
            f'{tuning_1_layer.row_name(widths, dense)}_{name}',
            {'model.widths': widths, 'model.dense': dense, **place},
            grid[widths, dense][1],
            {'loss': grid[widths, dense][0]},
            repeats=True,
            calibrated_on='L2',
        )
        for name, place in L2.items()
        for (widths, dense), grid in NETWORKS.items()
    )
    return config
