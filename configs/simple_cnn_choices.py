"""Report 000's choices for its simple CNN: dropout and the numbers of filters.

    python -m fmnist_jax.main --config=configs/simple_cnn_choices.py
    python -m fmnist_jax.search --config=configs/simple_cnn_choices.py --trials=30

The report says that dropout 0.5 "was found to perform the best", and that "the number of filters in
each convolution layers was chosen to minimize the number of total parameters while preserving the
performance". It prints no other number. The rows change one choice each: three other dropouts, half
and twice the filters. All other settings are those of configs/mobilenet.py, whose row `simple_cnn`
they are compared with.

The search is the Bayesian optimization that its discussion could not afford: dropout, learning rate
and dense nodes, judged on validation images.
"""

from configs import mobilenet
from configs.base import claim, not_worse, row, uniform

CHOSEN = 'mobilenet:simple_cnn'  # dropout 0.5; 16, 32 and 32 filters
DROPOUTS = (0.0, 0.25, 0.75)

CLAIMS = (  # section "Simple CNN"
    claim(
        'Dropout with p = 0.5 performs the best',
        *[(CHOSEN, f'dropout_{rate}') for rate in DROPOUTS],
    ),
    claim(
        'The numbers of filters are as small as they can be without a loss (here: twice as many '
        'gain less than half a point, half as many lose)',
        not_worse(CHOSEN, 'filters_doubled'),
        (CHOSEN, 'filters_halved'),
    ),
)


def get_config():
    """Five rows, about 20 epochs each; hours on two CPU cores."""
    config = mobilenet.get_config()
    config.title = 'Report 000: dropout and filters of the simple CNN'
    config.model.name = 'simple_cnn'
    config.rows = (
        *[row(f'dropout_{rate}', {'model.dropout': rate}) for rate in DROPOUTS],
        row('filters_halved', {'model.widths': (8, 16, 16)}),
        row('filters_doubled', {'model.widths': (32, 64, 64)}),
    )
    config.claims = CLAIMS
    config.search = (
        uniform('model.dropout', 0.0, 0.8),
        uniform('optimizer.learning_rate', 1e-4, 1e-2, log=True),
        uniform('model.dense', 32, 256),
    )
    return config
