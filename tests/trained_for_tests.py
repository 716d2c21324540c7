"""A workdir with trained networks: seconds of training on drawn garments."""

from settings_for_tests import small_dataset

from configs import base
from fmnist_jax.sweep import experiment

DATASET = small_dataset()


def train(workdir, num_seeds, rows, say=lambda line: None):
    """Runs rows in `workdir`; rows: {name: {'section.field': value} beside the tiny settings}."""
    config = base.get_config()
    config.title = 'A test'
    config.num_seeds, config.epochs = num_seeds, 2
    config.batch_size = config.eval_batch_size = 16
    config.dataset.name, config.dataset.num_validation = 'synthetic', 20
    config.model.name, config.optimizer.learning_rate = 'fcn', 0.05
    tiny = {'model.widths': (12,)}
    config.rows = tuple(base.row(name, tiny | change) for name, change in rows.items())
    experiment.run(config, config.rows, workdir, lambda name: DATASET, say=say)
