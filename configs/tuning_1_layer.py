"""Report 004, Table 4: CNNs with one convolution, ten choices of filters and dense nodes.

    python -m fmnist_jax.main --config=configs/tuning_1_layer.py

The network has one unpadded 3x3 convolution, dropout 0.5 and one dense layer. All other settings
are those of configs/ann_vs_cnn.py. The report's loss is its validation loss with the L2 penalty;
our table adds our penalty to the cross-entropy of the history. configs/tuning_2_layers.py has the
report's conclusions from the three grids.
"""

from configs import ann_vs_cnn
from configs.base import row

GRID = {  # (filters of each convolution, nodes of the dense layer): (loss, accuracy)
    ((32,), 32): (0.4348601, 0.885),
    ((16,), 16): (0.4167404, 0.8825),
    ((16,), 64): (0.4571034, 0.8811),
    ((32,), 64): (0.4534641, 0.8787),
    ((128,), 128): (0.4658866, 0.8783),
    ((16,), 128): (0.4601882, 0.877),
    ((16,), 32): (0.4307646, 0.8758),
    ((64,), 64): (0.4587474, 0.8758),
    ((64,), 128): (0.4636145, 0.8729),
    ((32,), 128): (0.4692729, 0.8682),
}
# Rows by which configs/cnn_l2.py chose the strength and the place of L2, in all three grids.
CALIBRATED = (((16,), 16), ((16, 16), 16), ((16, 16), 128), ((16, 16, 16), 16))


def row_name(widths, dense):
    """(16, 64), 128 -> '16_64_dense_128'."""
    return f'{"_".join(map(str, widths))}_dense_{dense}'


def grid_config(title, grid, claims=()):
    """The config of a tuning grid, also for tuning_2_layers.py and tuning_3_layers.py.

    Args:
      title: heading of the table.
      grid: {(filters of each convolution, dense nodes): (loss, accuracy)}, as the report prints it.
      claims: the report's conclusions from the grid.
    """
    config = ann_vs_cnn.get_config()
    config.title = title
    config.num_seeds = 3
    config.model.name = 'tuned_cnn'
    config.optimizer.l2_on = 'dense'
    config.rows = tuple(
        row(
            row_name(widths, dense),
            {'model.widths': widths, 'model.dense': dense},
            reported=accuracy,
            also_reported={'loss': loss},
            calibrated_on='L2' * ((widths, dense) in CALIBRATED),
        )
        for (widths, dense), (loss, accuracy) in grid.items()
    )
    config.claims = claims
    config.grid = True
    return config


def get_config():
    """Ten rows of 20 epochs. Each row compiles its own program."""
    return grid_config('Report 004, Table 4: tuning, one convolution', GRID)
