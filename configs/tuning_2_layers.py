"""Report 004, Table 3: CNNs with two convolutions, twenty choices of filters and dense nodes.

    python -m fmnist_jax.main --config=configs/tuning_2_layers.py

The network has two unpadded 3x3 convolutions with 2x2 max pooling between them, dropout 0.5 and one
dense layer. The report's best CNN is one of them: 64 and 64 filters, 128 nodes, 91.05 %. All other
settings are those of configs/ann_vs_cnn.py. configs/tuning_1_layer.py explains the loss.
"""

from configs.base import claim
from configs.tuning_1_layer import grid_config, row_name

GRID = {  # (filters of each convolution, nodes of the dense layer): (loss, accuracy)
    ((64, 64), 128): (0.3582129, 0.9105),
    ((16, 16), 16): (0.3371479, 0.9085),
    ((16, 32), 32): (0.346076, 0.9083),
    ((16, 64), 128): (0.3745891, 0.9075),
    ((16, 64), 64): (0.3712587, 0.9058),
    ((128, 128), 128): (0.3594763, 0.9056),
    ((16, 16), 64): (0.370802, 0.9043),
    ((32, 128), 128): (0.3617978, 0.9043),
    ((32, 64), 128): (0.3708788, 0.904),
    ((16, 128), 128): (0.363212, 0.9038),
    ((16, 16), 32): (0.3544248, 0.903),
    ((32, 32), 64): (0.3658721, 0.9016),
    ((32, 64), 64): (0.3527359, 0.9004),
    ((64, 128), 128): (0.3599405, 0.9001),
    ((16, 32), 128): (0.3746517, 0.8999),
    ((32, 32), 128): (0.3668669, 0.8987),
    ((64, 64), 64): (0.3659216, 0.8969),
    ((16, 16), 128): (0.3792344, 0.8934),
    ((16, 32), 64): (0.3707672, 0.8925),
    ((32, 32), 32): (0.3499357, 0.8906),
}
BEST = ((64, 64), 128)

CLAIMS = (  # section 5
    claim(
        'Overall 1-layer and 3-layer models are inferior to the 2-layer models',
        ('*', 'tuning_1_layer:*'),
        ('*', 'tuning_3_layers:*'),
    ),
    claim(
        'Among the 2-layer models the best has 64 and 64 filters and 128 dense nodes',
        *[(row_name(*BEST), row_name(*choice)) for choice in GRID if choice != BEST],
    ),
)


def get_config():
    """Twenty rows of 20 epochs. Each row compiles its own program."""
    return grid_config('Report 004, Table 3: tuning, two convolutions', GRID, CLAIMS)
