"""Says what is wrong with a command line in one line: argparse's, `--config` and addresses."""

import argparse
import difflib
import pathlib
import runpy
import sys

from fmnist_jax.config.settings import TABLE_ONLY, flatten
from fmnist_jax.config.table_checks import check_table
from fmnist_jax.errors import ConfigError, one_line


class Parser(argparse.ArgumentParser):
    """argparse, but what is wrong is said in one line, without the usage."""

    def error(self, message):
        self.exit(2, f'error: {message}\n')


def _config_path(argv):
    """The value of --config or -config, `--config=FILE` or `--config FILE`; None without."""
    for i, argument in enumerate(argv[1:], 1):
        name, equals, value = argument.partition('=')
        if name.lstrip('-') == 'config' and name.startswith('-'):
            return value if equals else (argv[i + 1] if i + 1 < len(argv) else None)
    return None


def load_config(path):
    """The config of a file, so that what is wrong with the file is told in its own words.

    Raises:
      ConfigError: it is not there, or is no config.
    """
    file = pathlib.Path(path)
    if not file.is_file():
        known = sorted(str(p) for p in pathlib.Path('configs').glob('*.py') if p.stem != 'base')
        hint = f'; there are {", ".join(known)}' if known else "; run in the project's folder"
        raise ConfigError(f'--config={path}: no such file{hint}')
    # A config imports configs.base: that works from any folder once its root can be imported.
    sys.path.insert(0, str(file.resolve().parent.parent))
    try:
        get_config = runpy.run_path(str(file)).get('get_config')
        if not callable(get_config):
            raise ConfigError('the file has no get_config()')
        config = get_config()
        check_table(config)
    except ConfigError as error:
        raise ConfigError(f'--config={path}: {error}') from error
    except (Exception, SystemExit) as error:  # whatever a user's own code raises
        raise ConfigError(f'--config={path}: {type(error).__name__}: {one_line(error)}') from error
    return config


def host_and_port(flag, address):
    """'HOST:PORT' of a flag -> (host, port).

    Raises:
      ConfigError: it is not of that form.
    """
    host, _, port = address.rpartition(':')
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f'--{flag}={address}: expected HOST:PORT, as in 10.0.0.7:6379, or auto')
    return host.strip('[]'), int(port)


def check_config_flags(argv):
    """Checks that the config file loads and that every --config.FIELD is one of its fields.

    Raises:
      ConfigError: with the fields whose names are close.
    """
    if any(argument.lstrip('-').startswith('help') for argument in argv[1:]):
        return
    path = _config_path(argv)
    if path is None:
        raise ConfigError('--config=FILE is missing, for example --config=configs/quickstart.py')
    config = load_config(path)
    fields = list(flatten(config.to_dict()))
    for argument in argv[1:]:
        name = argument.partition('=')[0].lstrip('-').removeprefix('no')
        if not name.startswith('config.') or name.removeprefix('config.') in fields:
            continue
        inside = [field for field in fields if f'config.{field}'.startswith(f'{name}.')]
        if inside:
            raise ConfigError(
                f'--{name} is a group of fields: set one of them, such as --config.{inside[0]}'
            )
        close = difflib.get_close_matches(name.removeprefix('config.'), fields)
        hint = f'did you mean {", ".join(close)}?' if close else 'see configs/base.py'
        raise ConfigError(f'--{name}: the config has no such field; {hint}')
    for field in TABLE_ONLY:
        if any(argument.startswith(f'--config.{field}') for argument in argv):
            raise ConfigError(f"--config.{field}: set in the config's file; see --rows")
