"""What each part of the speedrun's recipe is worth: `fast_93` with one part changed at a time.

    python -m fmnist_jax.main --config=configs/speedrun_ablation.py

Each row leaves out, replaces or adds one part of the recipe in configs/speedrun.py, with as many
epochs as `fast_93`. 10,000 training images are held out, so that the page of the results
(experiments/records.py) can also say in which epoch the validation accuracy reaches 93 %. Without
Muon the learning rate is a usual one for SGD: 0.05 with Nesterov's momentum 0.9.
"""

from configs import speedrun
from configs.base import row

FULL = dict(next(row['change'] for row in speedrun.ROWS if row['name'] == 'fast_93'))
SGD = {
    'optimizer.name': 'sgd',
    'optimizer.learning_rate': 0.05,
    'optimizer.momentum': 0.9,
    'optimizer.unit_kernels': False,
    'optimizer.rest_factor': 0.0,
}
CHANGES = {
    'full': {},
    'sgd_instead_of_muon': SGD,
    'kernels_without_unit_norm': {'optimizer.unit_kernels': False},
    'one_rate_for_all': {'optimizer.rest_factor': 0.0},
    'no_identity_initialization': {'model.initialization': 'pytorch'},
    'no_label_smoothing': {'label_smoothing': 0.0},
    'no_flips': {'augment.alternate_flip': False},
    'random_flips': {'augment.alternate_flip': False, 'augment.flip': True},
    'one_view_in_the_test': {'test_views': 'one'},
    'silu': {'model.activation': 'silu'},
    'shifts_by_2_pixels': {'augment.crop_padding': 2},
    'averaged_parameters': {'average': 0.99},
}


def get_config():
    """Twelve rows of four seeds."""
    config = speedrun.get_config()
    config.title = 'Speedrun: one part of the recipe changed'
    config.num_seeds = 4
    config.dataset.num_validation = 10_000
    config.rows = tuple(row(name, FULL | change) for name, change in CHANGES.items())
    return config
