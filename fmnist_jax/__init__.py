"""Every table of five Fashion-MNIST reports, re-run in JAX with many seeds and error bars.

As a library (README has an example, experiments/tour.ipynb goes through all of it):

  load_data       a data set as numpy arrays         make_settings   settings, by field
  fit_seeds       trains all seeds of the settings   predict_images  their probabilities
  summarize       mean, std, interval                ensemble        mean probabilities of seeds
  make_model      a network by name; MODELS          load_networks   a file of trained parameters
  row_networks    the networks of a finished row     CLASS_NAMES     of each data set
  default_config  a config with every default        row, claim      what a table's file adds to it
  learning_curves a plot of a training               load_images     your own images as a data set

A name is loaded when it is first used, so `import fmnist_jax` takes no time.
"""

import importlib
import os

# jax 0.10.1, the newest right one for Python 3.11, warns in several lines for each program that it
# loads from the compilation cache (jax issue 38445). This has to be set before JAX is imported.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

_WHERE = {
    'CLASS_NAMES': ('data.datasets', 'CLASS_NAMES'),
    'MODELS': ('models', 'MODELS'),
    'claim': ('config.table', 'claim'),
    'default_config': ('config.schema', 'default_config'),
    'ensemble': ('results.arrays', 'ensemble'),
    'fit_seeds': ('fit.api', 'fit_seeds'),
    'learning_curves': ('report.figures', 'learning_curves_of'),
    'load_data': ('data.datasets', 'load'),
    'load_images': ('data.own', 'read'),
    'load_networks': ('results.networks', 'load'),
    'make_model': ('models', 'make_model'),
    'make_settings': ('config.table', 'make_settings'),
    'predict_images': ('results.networks', 'predict_images'),
    'row': ('config.table', 'row'),
    'row_networks': ('results.networks', 'of_row'),
    'summarize': ('results.statistics', 'summarize'),
}
__all__ = tuple(_WHERE)


def __getattr__(name):
    if name == '__version__':
        from importlib import metadata

        return metadata.version('fmnist_jax')
    if name not in _WHERE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(f'{__name__}.{module}'), attribute)


def __dir__():
    return sorted({*globals(), *_WHERE})
