"""The first run: two rows of report 003's table (LeNet-5), four seeds each.

    make run

The run takes two minutes on two CPU cores: 5 epochs instead of the 7 of configs/lenet.py. Without
data and without a network connection, it uses synthetic images and says so.
"""

from configs import lenet


def get_config():
    """The best and the worst model of report 003."""
    config = lenet.get_config()
    config.title = "Quickstart: report 003's best and worst LeNet-5 after 5 of its 7 epochs"
    config.num_seeds = 4
    config.epochs = 5
    config.dataset.fallback = 'synthetic'
    config.rows = tuple(row | {'repeats': True} for row in config.rows[:2])  # of configs/lenet.py
    config.claims = config.claims[:1]
    return config
