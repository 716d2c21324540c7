"""Report 002: RMSprop with learning rates 0.1 and 0.01 under three scalings of the inputs.

    python -m fmnist_jax.main --config=configs/readings_002.py

The report does not give the scaling. configs/fcn_scaling.py chooses the one that gives its numbers
for SGD, standardized pixels, and with that choice its two RMSprop numbers lie at the border of what
our seeds give. RMSprop with a large step has heavy tails, so each row has 30 seeds. Compare the
number with the seeds themselves, not with a normal distribution of their mean and deviation. All
other settings are those of configs/fcn_optimizers.py.
"""

from configs import fcn_optimizers
from configs.base import row
from configs.fcn_scaling import SCALINGS

RATES = (0.1, 0.01)


def get_config():
    """Six rows of 40 epochs with 30 seeds; a quarter of an hour per row on two CPU cores."""
    config = fcn_optimizers.get_config()
    config.title = 'Report 002: RMSprop under three input scalings'
    config.num_seeds = 30
    config.optimizer.name = 'rmsprop'
    config.rows = tuple(
        row(
            f'rmsprop_{rate}_{name}',
            {'optimizer.learning_rate': rate, 'dataset.mean': mean, 'dataset.std': std},
            fcn_optimizers.TABLE[rate, 'rmsprop'][0],
            repeats=True,
        )
        for rate in RATES
        for name, (mean, std) in SCALINGS.items()
    )
    config.claims = ()
    return config
