"""The speedrun's recipe on a GPU: products in bfloat16, two hundred seeds trained together.

    python -m fmnist_jax.main --config=configs/speedrun_gpu.py

The recipe is that of configs/speedrun.py. A GPU multiplies bfloat16 numbers at twice the rate of
float32 ones, which it rounds to TF32, and moves half the bytes. Parameters, sums and the optimizer
stay float32. Each declared seed sees the test images once, after the last epoch.
"""

from configs import speedrun
from configs.base import row

GOALS = {'fast_94_bfloat16': 0.94}  # mean test accuracy to reach
SEEDS = 200


def get_config():
    """One row of 200 seeds."""
    config = speedrun.get_config()
    config.title = 'Speedrun on a GPU: bfloat16, many seeds together'
    config.num_seeds = SEEDS
    config.compute = 'bfloat16'
    config.rows = (row('fast_94_bfloat16', {'epochs': 12}),)
    return config
