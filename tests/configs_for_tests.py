"""Every table's config, as tests look at them."""

import importlib
import pathlib

from fmnist_jax.config.settings import resolve

ROOT = pathlib.Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / 'configs').glob('*.py') if path.stem != 'base')
CONFIGS = {name: importlib.import_module(f'configs.{name}').get_config() for name in NAMES}


def rows_of(name):
    return {row['name']: row for row in CONFIGS[name].rows}


def settings_of(name, row):
    return resolve(CONFIGS[name], rows_of(name)[row])
