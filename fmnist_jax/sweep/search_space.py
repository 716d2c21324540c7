"""What a search may choose, and the config of what it found."""

import copy

from fmnist_jax.config.run_flags import say
from fmnist_jax.config.settings import resolve
from fmnist_jax.errors import ConfigError


def check_space(config):
    """Refuses a config whose `search` names no field, or values that cannot train.

    Raises:
      ConfigError: with the field.
    """
    from fmnist_jax.config.checks import check  # takes a second to import

    if not config.search:
        raise ConfigError('config.search is empty: this config is for fmnist_jax.main')
    corners = [
        {e['field']: e['values'][i] if 'values' in e else e[end] for e in config.search}
        for i, end in ((0, 'low'), (-1, 'high'))
    ]
    for corner in corners:
        settings = resolve(config, row('search', corner))
        try:
            check(settings)
        except ConfigError as error:
            raise ConfigError(f'config.search: {error}') from error
    if not (settings.dataset.num_validation or settings.dataset.validate_on_test):
        raise ConfigError('config.dataset.num_validation=0: a search needs validation images')
    if settings.dataset.validate_on_test:
        raise ConfigError('config.dataset.validate_on_test: a search must not see the test images')


def fix(config, fields):
    """Takes fields that the user has set by a flag out of `config.search`.

    Args:
      config: the config, with the flags' values.
      fields: names such as 'optimizer.learning_rate'.

    Raises:
      ConfigError: nothing is left to search.
    """
    left = tuple(entry for entry in config.search if entry['field'] not in fields)
    fixed = sorted({entry['field'] for entry in config.search} & set(fields))
    if fixed and not left:
        raise ConfigError(f'nothing is left to search: flags set {", ".join(fixed)}')
    if fixed:
        say(f'Set, so not searched: {", ".join(fixed)}')
    config.search = left


def row(name, change, reported=None):
    """A row of a table, as configs.base.row makes them."""
    no_more = {'also_reported': {}, 'repeats': False}
    return {'name': name, 'change': change, 'reported': reported} | no_more


def best_config(config, trial, num_seeds):
    """The config that trains a trial with fresh seeds: one row, named after the trial.

    Its seeds come after those that the trials were judged by; the number that a report prints for
    the config's first row, if any, stands beside it.
    """
    best = copy.deepcopy(config)
    best.unlock()
    best.seed, best.num_seeds = config.seed + config.num_seeds, num_seeds
    best.rows = (row(f'trial_{trial.number}', dict(trial.params), config.rows[0]['reported']),)
    best.claims = best.search = ()
    best.lock()
    return best
