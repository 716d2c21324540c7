"""How the speedrun's widths, learning rate and epochs were chosen: validation accuracy of one seed.

    python -m fmnist_jax.main --config=configs/speedrun_choices.py

The rows train on 50,000 images and are compared by the accuracy on the other 10,000. The first four
take about the same operations. Test accuracies are about 0.7 points below validation accuracies (in
the results of configs/mobilenet.py), so a row of configs/speedrun.py takes as few epochs as reach a
validation accuracy 0.7 points above its goal.

The comments are the validation accuracies of single runs with one core a run. Another number of
devices adds in another order, so they differ by some tenths of a point.
"""

from configs import speedrun
from configs.base import row

ROWS = (
    row('wide', {'model.widths': (32, 96, 128), 'epochs': 4}),  # 94.14
    row('middle', {'model.widths': (16, 64, 128), 'epochs': 8}),  # 94.59
    row(
        'middle_twice_the_rate',  # 94.60
        {'model.widths': (16, 64, 128), 'epochs': 8, 'optimizer.learning_rate': 0.2},
    ),
    row('narrow', {'epochs': 12}),  # 94.76
    row('narrow_5_epochs', {'epochs': 5}),  # 93.61
    row('narrow_6_epochs', {'epochs': 6}),  # 94.11
)


def get_config():
    """Six rows of one seed."""
    config = speedrun.get_config()
    config.title = 'Speedrun: widths, learning rate and epochs'
    config.num_seeds = 1
    config.dataset.num_validation = 10_000
    config.rows = ROWS
    return config
