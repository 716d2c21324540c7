"""Report 002: which scaling of the inputs gives its numbers for SGD.

    python -m fmnist_jax.main --config=configs/fcn_scaling.py

The report does not give the scaling of its images. Its SGD rows train so slowly that their
accuracy depends on the scaling. configs/fcn_optimizers.py uses the scaling that fits best.
"""

from configs import fcn_optimizers
from configs.base import row

REPORTED = {0.03: 0.872, 0.01: 0.852, 0.001: 0.769}  # report 002, baseline and table: SGD
SCALINGS = {  # name: (mean, std) of (pixels / 255 - mean) / std
    'unit': (0.0, 1.0),
    'symmetric': (0.5, 0.5),
    'standardized': (0.28604, 0.35302),
}


def get_config():
    """Nine rows of 40 epochs; a minute per row of 3 seeds on two CPU cores."""
    config = fcn_optimizers.get_config()
    config.title = 'Report 002: input scaling under SGD'
    config.num_seeds = 3
    config.optimizer.name = 'sgd'
    config.rows = tuple(
        row(
            f'sgd_{rate}_{name}',
            {'optimizer.learning_rate': rate, 'dataset.mean': mean, 'dataset.std': std},
            reported,
            repeats=True,
            calibrated_on='input scaling',
        )
        for name, (mean, std) in SCALINGS.items()
        for rate, reported in REPORTED.items()
    )
    config.claims = ()
    return config
