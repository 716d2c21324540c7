"""The command line: flags, a config's fields as flags, messages and exit codes."""

import argparse
import difflib
import functools
import gc
import os
import pathlib
import sys
import traceback

from ml_collections import ConfigDict

from fmnist_jax.config.schema import BY_PATH, fields_help, unknown_field
from fmnist_jax.config.settings import TABLE_ONLY, override, resolve
from fmnist_jax.config.table import load_config
from fmnist_jax.errors import ConfigError, DataError, one_line


def say(line):
    """Prints a line for the user to stderr. Results alone go to stdout."""
    print(line, file=sys.stderr, flush=True)


class Parser(argparse.ArgumentParser):
    """argparse that reports a mistake in one line, without the usage."""

    def __init__(self, **options):
        options.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self.add_argument('--debug', action='store_true', help='show the traceback of an error')

    def error(self, message):
        """Ends the process with exit code 2."""
        self.exit(2, f'error: {one_line(message.removeprefix("argument "))}\n')

    def parse_args(self, args=None, namespace=None):
        """As argparse, with the close names for an unknown flag."""
        arguments = expand_flagfiles(sys.argv[1:] if args is None else list(args))
        options, unknown = self.parse_known_args(arguments, namespace)
        if unknown:
            name = unknown[0].partition('=')[0]
            if not name.startswith('-'):
                self.error(f'{unknown[0]!r}: not a flag; flags begin with --, as in --rows=relu*')
            flags = [flag for flag in self._option_string_actions if flag.startswith('--')]
            close = ', '.join(difflib.get_close_matches(name, flags))
            self.error(
                f'{name}: no such flag; '
                + (f'did you mean {close}?' if close else '--help lists them')
            )
        return options

    def _check_value(self, action, value):
        if action.choices is not None and value not in action.choices:
            choices = ', '.join(map(str, action.choices))
            raise argparse.ArgumentError(action, f'{value!r}: expected one of {choices}')


def path(text):
    """The type of a flag: a path, with ~ for the home folder."""
    if not text:
        raise argparse.ArgumentTypeError('empty; expected a path (. is the current folder)')
    return pathlib.Path(text).expanduser()


def whole(least):
    """The type of a flag: a whole number, `least` or more."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f'{text!r}: expected a whole number') from None
        if value < least:
            raise argparse.ArgumentTypeError(f'{value}: expected {least} or more')
        return value

    return parse


def fraction(text):
    """The type of a flag: a number, 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = float('nan')
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r}: expected a number, 0 to 1')
    return value


def names(text):
    """The type of a flag: names separated by commas."""
    return [name for name in text.split(',') if name]


def host_and_port(flag, address):
    """'HOST:PORT' of a flag -> (host, port).

    Raises:
      ConfigError: the address has another form.
    """
    host, _, port = address.rpartition(':')
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f'--{flag}={address}: expected HOST:PORT, as in 10.0.0.7:6379, or auto')
    return host.strip('[]'), int(port)


def expand_flagfiles(arguments):
    """Replaces --flagfile=FILE by the flags in the file, one a line."""
    expanded = []
    for argument in arguments:
        if not argument.startswith('--flagfile='):
            expanded.append(argument)
            continue
        file = path(argument.partition('=')[2])
        try:
            lines = [line.strip() for line in file.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise ConfigError(f'--flagfile={file}: cannot be read ({error})') from error
        expanded += [line for line in lines if line and not line.startswith('#')]
    return expanded


def table_parser(command, description):
    """The parser of a command with --config, with the flags that such commands share."""
    parser = Parser(
        prog=f'python -m fmnist_jax.{command}', description=description, epilog=fields_help()
    )
    add = parser.add_argument
    add('--config', metavar='FILE', help="a table's file, or its name in configs/: lenet")
    add('--workdir', type=path, help='folder of the results; default: runs/<name of the config>')
    text = (
        'folder with fashion_mnist/, mnist/ and so on, each with its published files; default: '
        'FMNIST_DATA_DIR. Without either, the files are downloaded once. With dataset.name=folder: '
        'your own images, a folder for each class, or an .npz file'
    )
    add('--data_dir', type=path, help=text)
    text = "Keras file of MobileNet's ImageNet weights; default: downloaded once"
    add('--pretrained', type=path, metavar='FILE', help=text)
    text = 'Keras layers that start from random weights all the same: conv_pw_13,...'
    add('--fresh', type=names, default=[], metavar='LAYER,...', help=text)
    add('--cpu_devices', type=whole(1), help='devices to make of the CPU; default: one a core')
    return parser


def parse_table(parser, arguments=None, example='quickstart'):
    """Parses the command line of a command with --config.

    Args:
      parser: of `table_parser`.
      arguments: the command line without the command's name; sys.argv's if None.
      example: the name of a config, for the message that --config is missing.

    Returns:
      (options, config with the overrides, {'section.field': value} of the overrides). `options`
      has `workdir` set, and `notes`: lines for the user about the overrides.

    Raises:
      ConfigError: no config, no such field, or a value that a field cannot have.
    """
    arguments = expand_flagfiles(sys.argv[1:] if arguments is None else list(arguments))
    fields, rest = _split_fields(arguments)
    options = parser.parse_args(rest)
    if options.config is None:
        raise ConfigError(f'--config=FILE is missing, for example --config=configs/{example}.py')
    config = load_config(options.config)
    overrides = dict(_parse_field(name, text) for name, text in fields)
    config, options.notes = override(config, overrides)
    options.workdir = options.workdir or pathlib.Path('runs') / pathlib.Path(options.config).stem
    if options.workdir.is_file():
        raise ConfigError(f'--workdir={options.workdir}: a file; name a folder')
    return options, config, overrides


def _split_fields(arguments):
    """Takes --config.FIELD=VALUE, --config.FIELD VALUE and --noconfig.FIELD out of the flags."""
    fields, rest = [], []
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        name, equals, value = argument.partition('=')
        if name.startswith('--noconfig.'):
            fields.append((name.removeprefix('--noconfig.'), 'false'))
        elif not name.startswith('--config.'):
            rest.append(argument)
        else:
            name = name.removeprefix('--config.')
            is_switch = name in BY_PATH and BY_PATH[name].kind == 'switch'
            if not equals and is_switch:
                value = 'true'
            elif not equals and position < len(arguments):
                value = arguments[position]
                position += 1
            fields.append((name, value))
    return fields, rest


def _parse_field(name, text):
    """('section.field', value) of a flag."""
    if name in BY_PATH:
        try:
            return name, BY_PATH[name].parse(text)
        except ValueError as error:
            raise ConfigError(f'--config.{name}={one_line(text, 100)}: {error}') from error
    if name.partition('.')[0] in TABLE_ONLY:
        raise ConfigError(f"--config.{name}: set in the config's file; see --rows")
    inside = [path for path in BY_PATH if path.startswith(f'{name}.')]
    if inside:
        raise ConfigError(
            f'--config.{name} is a group of fields: set one of them, such as --config.{inside[0]}'
        )
    raise ConfigError(f'--config.{name}: {unknown_field(name)}')


def loaders(options, config, rows):
    """The functions that load a data set and pretrained weights, as the flags say.

    Args:
      options: of `parse_table`.
      config, rows: the table's config and the selected rows.

    Returns:
      (catalog.source of a row's settings -> datasets.Dataset, each read once; settings ->
      pretrained.Pretrained). The first has a method `own` that gives own.OwnImages, the second an
      attribute `named`: whether --pretrained or --fresh is given.

    Raises:
      ConfigError: one of these flags is given, but no selected row starts from pretrained weights.
        The second function: the weights leave random what the settings freeze.
    """
    from fmnist_jax.data import catalog, datasets

    named = [f'--{flag}' for flag in ('pretrained', 'fresh') if getattr(options, flag)]
    if named and not any(resolve(config, row).pretrained for row in rows):
        shown = one_line(', '.join(row['name'] for row in rows), 200)
        raise ConfigError(
            f'{", ".join(named)}: none of the rows {shown} starts from pretrained weights '
            '(config.pretrained=imagenet); choose other rows, or leave the flag out'
        )

    @functools.cache
    def load_own(source):
        from fmnist_jax.data import own

        if not options.data_dir:
            raise ConfigError('--data_dir=PATH is missing: where your own images are')
        return own.read(options.data_dir, *source)

    @functools.cache
    def load(source):
        if isinstance(source, catalog.Own):
            return load_own(source).dataset
        return datasets.load(source, options.data_dir)

    load.own = load_own

    def load_pretrained(settings):
        """Loads the weights that the flags name, checked against the settings."""
        from fmnist_jax.config import checks
        from fmnist_jax.models import pretrained
        from fmnist_jax.train.step import model_of

        shape = catalog.input_shape(settings.dataset)
        weights = pretrained.load(model_of(settings), shape, options.pretrained, options.fresh)
        checks.check_weights(settings, weights.variables)
        return weights

    load_pretrained.named = bool(named)
    return load, load_pretrained


def with_own_images(config, rows, load):
    """Fills in what own images tell: (config, lines for the user). Other data sets change nothing.

    Own images give the names of the classes and the fingerprint. dataset.num_validation becomes at
    most a fifth of the training images.

    Args:
      config, rows: the table's config and the selected rows.
      load: of `loaders`.

    Raises:
      ConfigError: no --data_dir.
      DataError: see own.read.
    """
    from fmnist_jax.data import catalog

    sources = [catalog.source(resolve(config, row).dataset) for row in rows]
    sources = [source for source in sources if isinstance(source, catalog.Own)]
    if not sources:
        return config, []
    own = load.own(sources[0])
    config = ConfigDict(config.copy_and_resolve_references())
    config.dataset.classes, config.dataset.fingerprint = own.class_names, own.fingerprint
    images, notes = len(own.dataset.train_labels), list(own.notes)
    if config.dataset.num_validation > images // 5:
        notes.append(
            f'config.dataset.num_validation={config.dataset.num_validation}: of {images} training '
            f'images {images // 5} are held out'
        )
        config.dataset.num_validation = images // 5
    return config, notes


def exit_code(command, arguments):
    """Runs command(arguments) and reports what went wrong in one line.

    Returns:
      0 done, 1 a machine was lost, 2 the user's mistake, 130 interrupted, 141 nobody reads stdout.
    """
    # Imports and tracing make many objects that live on; to look for garbage among them at Python's
    # default pace takes a quarter of the time to trace.
    gc.set_threshold(50_000, 20, 20)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='replace')  # a terminal without ± still shows the table
    try:
        command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say('\nStopped. Finished work is kept; the same command goes on from here.')
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ConfigError, DataError, OSError) as error:
        if '--debug' in (arguments if arguments is not None else sys.argv):
            traceback.print_exc()
        say(f'error: {error}')
        return 1 if isinstance(error, ConnectionError) else 2
    except SystemExit as error:  # argparse: --help, or a mistake that it has reported
        return error.code or 0
    return 0
