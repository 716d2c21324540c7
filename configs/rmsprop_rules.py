"""Report 004: do Keras 2 and Keras 3 give the same numbers? Their RMSprop differs.

    python -m fmnist_jax.main --config=configs/rmsprop_rules.py

The report is of March 2021. Keras of that time (TensorFlow 2.0 to 2.10) divides the gradient by
√v + 1e-7, Keras 3 by √(v + 1e-7), where v is the running mean of the squared gradient. So Keras 3
has a floor of 0.0003 under the root of v, which shortens the steps of weights with smaller
gradients. Our tables of report 004 are trained with the rule of Keras 3. This table trains five of
their rows with the rule of Keras 2, and its claims compare them with the rows of those tables.
The five rows are the ANN, a narrow network of two and of three convolutions, the base CNN, and the
wide network with the largest difference from the report (86.85 %).
"""

from configs import ann_vs_cnn, tuning_2_layers, tuning_3_layers
from configs.ann_vs_cnn import ANN, BASE_CNN, DENSE_L2
from configs.base import claim, row, same
from configs.tuning_1_layer import row_name

GRIDS = {'tuning_2_layers': tuning_2_layers.GRID, 'tuning_3_layers': tuning_3_layers.GRID}
NETWORKS = (  # (table, filters, dense nodes), cheap ones first
    ('tuning_3_layers', (16, 16, 16), 16),
    ('tuning_2_layers', (16, 16), 16),
    ('tuning_3_layers', (64, 128, 128), 128),
)


def _grid_row(table, widths, dense):
    change = {'model.name': 'tuned_cnn', 'model.widths': widths, 'model.dense': dense} | DENSE_L2
    return row(row_name(widths, dense), change, GRIDS[table][widths, dense][1], repeats=True)


def _compared(name, table):
    return claim(
        f'{name}: Keras 2 and Keras 3 give the same accuracy within half a point',
        *same(name, f'{table}:{name}'),
    )


def get_config():
    """Five rows of 20 epochs with three seeds."""
    config = ann_vs_cnn.get_config()
    config.title = 'Report 004: RMSprop of Keras 2'
    config.report = ''  # its claims are ours, not the report's
    config.num_seeds = 3
    config.optimizer.framework = 'keras2'
    narrow_3, narrow_2, wide_3 = [_grid_row(*network) for network in NETWORKS]
    config.rows = (
        row('ann_fashion_mnist', ANN, 0.8803, repeats=True),
        narrow_3,
        narrow_2,
        row('base_cnn_regularized', BASE_CNN | DENSE_L2, 0.8961, repeats=True),
        wide_3,
    )
    tables = ('ann_vs_cnn', 'tuning_3_layers', 'tuning_2_layers', 'ann_vs_cnn', 'tuning_3_layers')
    config.claims = tuple(
        _compared(one['name'], table) for one, table in zip(config.rows, tables, strict=True)
    )
    return config
