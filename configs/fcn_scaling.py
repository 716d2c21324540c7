"""Report 002: which scaling of the inputs gives its numbers for SGD.

    python -m fmnist_jax.main --config=configs/fcn_scaling.py

The report does not say how it scaled its images. Its SGD rows tell: they train slowly enough to
depend on it. configs/fcn_optimizers.py uses the scaling that fits.
"""

from configs import fcn_optimizers
from configs.base import row

REPORTED = {0.03: 0.872, 0.01: 0.852, 0.001: 0.769}  # report 002, baseline and table: SGD
SCALINGS = {  # name -> (mean, std) of (pixels / 255 - mean) / std
    'unit': (0.0, 1.0),
    'symmetric': (0.5, 0.5),
    'standardized': (0.28604, 0.35302),
}


def get_config():
    """40 epochs of nine rows; about half a minute a row with 2 seeds on two CPU cores."""
    config = fcn_optimizers.get_config()
    config.title = 'Report 002: input scaling under SGD'
    config.num_seeds = 2
    config.optimizer.name = 'sgd'
    config.rows = tuple(
        row(
            f'sgd_{rate}_{name}',
            {'optimizer.learning_rate': rate, 'dataset.mean': mean, 'dataset.std': std},
            reported,
            repeats=True,
        )
        for name, (mean, std) in SCALINGS.items()
        for rate, reported in REPORTED.items()
    )
    config.claims = ()
    return config
