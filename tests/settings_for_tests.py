"""Small settings and data sets: a run of seconds on synthetic images."""

from configs import base
from fmnist_jax.config.settings import resolve
from fmnist_jax.data import synthetic
from fmnist_jax.data.datasets import Dataset

# The least network with convolutions and batch norm: three of each, compiled in seconds.
BATCH_NORM = {
    'model__name': 'mobilenet',
    'model__widths': None,
    'model__blocks': 1,
    'model__width_multiplier': 0.25,
    'dataset__image_size': 32,
    'dataset__channels': 3,
}


def small_dataset(num_train=100, num_test=37):
    """Drawn garments; sizes that no batch divides."""
    return Dataset(*synthetic.draw(num_train=num_train, num_test=num_test))


def small_settings(**change):
    """Settings of a tiny run; change: field=value, with '__' for the dot of 'section.field'."""
    tiny = {
        'dataset.name': 'synthetic',
        'dataset.num_validation': 20,
        'batch_size': 16,
        'eval_batch_size': 16,
        'num_seeds': 3,
        'epochs': 2,
        'model.name': 'fcn',
        'model.widths': (12,),
        'optimizer.learning_rate': 0.05,
    }
    tiny |= {path.replace('__', '.'): value for path, value in change.items()}
    tiny = {path: value for path, value in tiny.items() if value is not None}
    return resolve(base.get_config(), base.row('tiny', tiny))
