"""Every table of five Fashion-MNIST reports, re-run in JAX with many seeds and error bars.

As a library (README has an example, experiments/tour.ipynb goes through all of it):

  load_data       a data set as numpy arrays         make_settings   any field of configs/base.py
  fit_seeds       trains all seeds of the settings   predict_images  their probabilities
  summarize       mean, deviation, interval          ensemble        the seeds' mean probabilities
  make_model      a network by name; MODELS          load_networks   a file of trained parameters
  row_networks    a finished row's networks          CLASS_NAMES     of each data set

What is imported from here is loaded when it is first asked for, so that `import fmnist_jax` takes
no time.
"""

import importlib

_WHERE = {
    'CLASS_NAMES': ('data.datasets', 'CLASS_NAMES'),
    'MODELS': ('models', 'MODELS'),
    'ensemble': ('results.arrays', 'ensemble'),
    'fit_seeds': ('library', 'fit_seeds'),
    'load_data': ('data.datasets', 'load'),
    'load_networks': ('results.networks', 'load'),
    'make_model': ('models', 'make_model'),
    'make_settings': ('library', 'make_settings'),
    'predict_images': ('results.networks', 'predict_images'),
    'row_networks': ('results.networks', 'of_row'),
    'summarize': ('results.statistics', 'summarize'),
}
__all__ = tuple(_WHERE)


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(f'{__name__}.{module}'), attribute)


def __dir__():
    return sorted({*globals(), *_WHERE})
