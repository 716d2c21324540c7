"""As accurate as possible with few parameters, from random weights.

    python -m fmnist_jax.main --config=configs/small.py
    python -m fmnist_jax.main --config=configs/small.py --rows=under_15k

The rows are `speed_net` with the recipe of configs/speedrun.py, narrower widths and more epochs.
The goals are mean test accuracies: 95.0 % under 100,000 parameters, 94.5 % under 50,000, 93.0 %
under 15,000. configs/small_choices.py has the runs by which network and augmentation were chosen,
on held-out training images.

Other programs ran beside seeds 0 and 1 of under_15k, so their seconds are too many.

The rows train on all 60,000 images; each declared seed sees the test images once, after the last
epoch. experiments/records.py makes the page of the results.
"""

from configs import speedrun
from configs.base import row

GOALS = {'under_100k': 0.95, 'under_50k': 0.945, 'under_15k': 0.93}  # mean test accuracy to reach
SEEDS = 5
EPOCHS = 30

ROWS = (
    row('under_100k', {'model.widths': (16, 40, 72)}),  # 99,054 parameters
    row('under_50k', {'model.widths': (12, 28, 48)}),  # 47,174
    row('under_15k', {'model.widths': (8, 16, 24)}),  # 14,590
)


def get_config():
    """Three rows of five seeds."""
    config = speedrun.get_config()
    config.title = 'Small networks: the best accuracy with few parameters'
    config.num_seeds = SEEDS
    config.epochs = EPOCHS
    config.rows = ROWS
    return config
