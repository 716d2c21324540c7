"""Flags that the commands with a --config share, and how they start and end."""

import functools
import pathlib
import re
import sys
import traceback

from absl import flags
from ml_collections import config_flags

from fmnist_jax.config.cli import check_config_flags
from fmnist_jax.config.settings import TABLE_ONLY, resolve, select_rows
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError, one_line

CONFIG = config_flags.DEFINE_config_file(
    'config', None, "A table's file, such as configs/lenet.py.", lock_config=True
)
WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder for the results; runs/<name of the config> if not given.'
)
DATA_DIR = flags.DEFINE_string(
    'data_dir',
    None,
    'Folder with fashion_mnist/ and mnist/, each holding the four IDX .gz files; '
    'FMNIST_DATA_DIR if not given. Without either they are downloaded once.',
)
PRETRAINED = flags.DEFINE_string(
    'pretrained',
    None,
    "Keras file of MobileNet's ImageNet weights, for rows that start from them; "
    'downloaded once if not given.',
)
FRESH = flags.DEFINE_list(
    'fresh', [], 'Keras layers that start from random weights all the same: conv_pw_13,…'
)
CPU_DEVICES = flags.DEFINE_integer(
    'cpu_devices', None, 'Devices to make of the CPU; one per core if not given.', lower_bound=1
)
DEBUG = flags.DEFINE_bool('debug', False, 'Show the traceback of an error.')


def say(line):
    """Prints a line for the user, beside the results."""
    print(line, file=sys.stderr, flush=True)


def workdir():
    """--workdir, or runs/<name of the config>."""
    name = pathlib.Path(flags.FLAGS['config'].config_filename).stem
    return pathlib.Path(WORKDIR.value or f'runs/{name}')


def loaders():
    """(name -> data.Dataset, each read once; settings -> pretrained.Pretrained), by the flags.

    The second has `named`, whether --pretrained or --fresh is given.

    Raises:
      ConfigError: one of them is, and no selected row starts from pretrained weights. The second
        function's: the weights leave random what the settings freeze.
    """
    named = [f'--{flag.name}' for flag in (PRETRAINED, FRESH) if flag.value]
    if named:
        _check_use(named)

    @functools.cache
    def load(name):
        return datasets.load(name, DATA_DIR.value)

    def load_pretrained(settings):
        from fmnist_jax.config import checks
        from fmnist_jax.models import pretrained
        from fmnist_jax.train.step import model_of

        shape = (settings.dataset.image_size, settings.dataset.image_size, 3)
        weights = pretrained.load(model_of(settings), shape, PRETRAINED.value, FRESH.value)
        checks.check_weights(settings, weights.variables)
        return weights

    load_pretrained.named = bool(named)
    return load, load_pretrained


def _check_use(named):
    """Refuses the flags `named` where no selected row starts from pretrained weights."""
    # fmnist_jax.search has no --rows.
    pattern = flags.FLAGS['rows'].value if 'rows' in flags.FLAGS else '*'
    rows = select_rows(CONFIG.value, pattern)
    if not any(resolve(CONFIG.value, row).pretrained for row in rows):
        names = one_line(', '.join(row['name'] for row in rows), 200)
        raise ConfigError(
            f'{", ".join(named)}: none of the rows {names} starts from pretrained weights '
            '(config.pretrained=imagenet); choose other rows, or leave the flag out'
        )


def parse(argv, doc, module):
    """The config that the command line asks for; None if it asks for help, which is printed.

    Args:
      argv: the command line, with the command's name.
      doc: what the command does, for --help.
      module: the command's own, with its own flags.

    Raises:
      ConfigError, flags.Error: what is wrong with a flag or a field.
    """
    if {'--help', '-help', '-h'} & set(argv):
        own = [flags.FLAGS.module_help(part) for part in (module, sys.modules[__name__])]
        print(f'{doc}\n{"".join(own)}\n{_fields_help()}')
        return None
    check_config_flags(argv)
    junk = flags.FLAGS(argv)[1:]
    if junk:
        raise ConfigError(f'{junk[0]!r}: not a flag; flags begin with --, as in --rows=relu*')
    return CONFIG.value


def _fields_help():
    """Every field of configs/base.py with its default and comment, as they stand in the file."""
    try:
        from configs import base
    except ImportError:
        return "fields of the config: see configs/base.py, in the project's folder"
    lines = ['fields of the config:']
    before = ''
    for line in pathlib.Path(base.__file__).read_text().splitlines():
        found = re.match(r'    (?:config\.)?([a-z_0-9.]+) = (.+?)(?:  # (.+))?$', line)
        if found and found[1] not in TABLE_ONLY and not found[2].startswith(('_', 'ConfigDict')):
            name, default, comment = found.groups()
            default = "(the model's own)" if default.startswith('placeholder') else default
            lines.append(f'  --config.{name}={default}  {comment or before}'.rstrip())
        before = line.strip(' #') if line.strip().startswith('#') else ''
    return '\n'.join(lines)


# What absl passes on of a value that cannot be read, and what should have been there.
_EXPECTED = {
    ': invalid literal for int()': 'a whole number',
    ': could not convert string to float': 'a number',
    ": ('Non-boolean argument": 'true or false',
}


def _flag_message(error):
    """What absl says of a flag, in one line: it repeats the flag's value, whatever that is."""
    text = one_line(error)
    for theirs, expected in _EXPECTED.items():
        flag, found, _ = text.partition(theirs)
        if found:
            return f'{flag.removeprefix("flag ")}: expected {expected}'
    return text


def exit_code(command, argv):
    """Runs command(argv) and tells in one line what went wrong.

    Returns:
      0 done, 1 a machine was lost, 2 the user's mistake, 130 interrupted.
    """
    try:
        command(argv)
    except KeyboardInterrupt:
        say('\nStopped. What is finished is kept; the same command goes on from here.')
        return 130
    except (ConfigError, DataError, flags.Error, OSError) as error:
        if any(a in ('--debug', '--debug=true') for a in argv):
            traceback.print_exc()
        say(f'error: {_flag_message(error) if isinstance(error, flags.Error) else error}')
        return 1 if isinstance(error, ConnectionError) else 2
    return 0
