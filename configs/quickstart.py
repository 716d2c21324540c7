"""The first run: one row of report 002, two seeds.

    make run

The row is the best of report 002, Adam with a learning rate of 0.001, exactly as in
configs/fcn_optimizers.py. Without data and without a network connection, the run uses synthetic
images and says so.
"""

from configs import fcn_optimizers


def get_config():
    """Report 002's best row."""
    config = fcn_optimizers.get_config()
    config.title = "Quickstart: report 002's best row"
    config.num_seeds = 2
    config.dataset.fallback = 'synthetic'
    config.rows = tuple(
        row | {'repeats': True} for row in config.rows if row['name'] == 'adam_0.001'
    )
    config.claims = ()
    return config
