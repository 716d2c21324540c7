r"""Report 000's discussion: Bayesian optimization of the simplified MobileNet.

    python -m fmnist_jax.search --config=configs/mobilenet_search.py --trials=30

The report starts from ImageNet's weights with Adam 0.0003, times 0.8 after every epoch, and dropout
before the dense layer; it could not afford "tuning of hyperparameters e.g. by Bayesian
optimization". This search chooses these three with one seed for each trial, judged on validation
images. Only fresh seeds of the best trial see the test images. The report's number without a
search is 92.94 %.

Thirty trials need a GPU. A smaller search has trials of 5 epochs:

    python -m fmnist_jax.search --config=configs/mobilenet_search.py --trials=8 \
        --config.epochs=5 --together=2 --best_seeds=1
"""

from configs import mobilenet
from configs.base import row, uniform


def get_config():
    """The simplified MobileNet from ImageNet's weights; the search sets three fields."""
    config = mobilenet.get_config()
    config.title = 'Report 000: search on the simplified MobileNet'
    config.num_seeds = 1
    change = {'model.name': 'simplified_mobilenet'} | mobilenet.MOBILENET
    config.update_from_flattened_dict(change)
    config.rows = (row('searched', {}, reported=0.9294, repeats=True),)
    config.claims = ()
    config.search = (
        uniform('optimizer.learning_rate', 1e-4, 3e-3, log=True),
        uniform('schedule.decay_rate', 0.6, 1.0),
        uniform('model.dropout', 0.0, 0.8),
    )
    return config
