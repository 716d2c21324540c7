"""Report 004, section 5: CNNs with three convolutions, 35 choices of filters and dense nodes.

    python -m fmnist_jax.main --config=configs/tuning_3_layers.py

The network has three unpadded 3x3 convolutions with 2x2 max pooling between them, dropout 0.5 and
one dense layer. The row with 32, 32 and 32 filters and 32 nodes is the report's base CNN. All other
settings are those of configs/ann_vs_cnn.py. configs/tuning_1_layer.py explains the loss.
"""

from configs.base import claim
from configs.tuning_1_layer import grid_config, row_name

GRID = {  # (filters of each convolution, nodes of the dense layer): (loss, accuracy)
    ((16, 64, 64), 64): (0.3285186, 0.9013),
    ((32, 32, 32), 32): (0.3490883, 0.8987),
    ((16, 32, 64), 128): (0.3516762, 0.8975),
    ((16, 32, 64), 64): (0.3591526, 0.8964),
    ((128, 128, 128), 128): (0.3714084, 0.8958),
    ((16, 32, 32), 128): (0.3647694, 0.8953),
    ((16, 16, 32), 128): (0.377426, 0.8949),
    ((32, 64, 64), 64): (0.3555158, 0.8943),
    ((32, 32, 64), 64): (0.3632422, 0.8929),
    ((16, 32, 32), 64): (0.3675427, 0.8927),
    ((64, 64, 64), 128): (0.3815908, 0.892),
    ((16, 64, 128), 128): (0.3559208, 0.8916),
    ((16, 16, 32), 64): (0.3791296, 0.8912),
    ((16, 16, 32), 32): (0.3660437, 0.8908),
    ((32, 32, 128), 128): (0.360634, 0.8896),
    ((32, 64, 64), 128): (0.3697281, 0.8894),
    ((16, 16, 128), 128): (0.3639417, 0.8893),
    ((16, 16, 64), 64): (0.365632, 0.8891),
    ((32, 32, 64), 128): (0.3626045, 0.8887),
    ((16, 128, 128), 128): (0.372866, 0.8882),
    ((16, 16, 64), 128): (0.3582244, 0.8874),
    ((16, 16, 16), 32): (0.4059208, 0.8857),
    ((16, 32, 32), 32): (0.3510404, 0.8848),
    ((16, 32, 128), 128): (0.3696151, 0.8848),
    ((32, 64, 128), 128): (0.3738372, 0.8838),
    ((16, 16, 16), 128): (0.4201534, 0.8821),
    ((32, 32, 32), 128): (0.3623177, 0.8812),
    ((16, 16, 16), 16): (0.4089617, 0.8808),
    ((32, 32, 32), 64): (0.372685, 0.8798),
    ((64, 64, 128), 128): (0.3781148, 0.8778),
    ((32, 128, 128), 128): (0.3669939, 0.8754),
    ((16, 64, 64), 128): (0.3682324, 0.8745),
    ((64, 64, 64), 64): (0.3579265, 0.8738),
    ((16, 16, 16), 64): (0.4052259, 0.8701),
    ((64, 128, 128), 128): (0.3696061, 0.8685),
}
BEST = ((16, 64, 64), 64)

CLAIMS = (  # section 5; configs/tuning_2_layers.py compares the three grids
    claim(
        'The highest accuracy of a 3-layer model has 16, 64 and 64 filters and 64 dense nodes',
        *[(row_name(*BEST), row_name(*choice)) for choice in GRID if choice != BEST],
    ),
)


def get_config():
    """35 rows of 20 epochs. Each row compiles its own program."""
    return grid_config('Report 004: tuning, three convolutions', GRID, CLAIMS)
