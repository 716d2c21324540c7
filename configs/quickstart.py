"""The first run: two rows of report 003's table (LeNet-5), four seeds each.

    make run

One or two minutes on two CPU cores. Where there is neither data nor a network it falls back on
drawn garments, and says so. The settings are those of configs/lenet.py.
"""

from configs import lenet


def get_config():
    """The best and the worst model of report 003."""
    config = lenet.get_config()
    config.title = "Quickstart: report 003's best and worst LeNet-5"
    config.num_seeds = 4
    config.dataset.fallback = 'synthetic'
    config.rows = config.rows[:2]
    return config
