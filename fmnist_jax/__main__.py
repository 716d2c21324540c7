"""The commands: `fmnist-jax COMMAND` and `python -m fmnist_jax COMMAND`."""

import importlib
import os
import sys

import fmnist_jax

_COMMANDS = {
    'run': ('main', 'train the rows of a table, print the report beside ours'),
    'report': ('report', 'tables, CSV, figures and a page from results'),
    'search': ('search', 'search hyper-parameters on validation images'),
    'predict': ('predict', 'classify photos with a trained row'),
    'export': ('export', 'write one trained network with a model card'),
    'cost': ('cost', 'parameters and operations of the networks'),
}


def _usage():
    lines = ['usage: fmnist-jax COMMAND [FLAG ...]; fmnist-jax COMMAND --help lists the flags', '']
    lines += [f'  {name:8}{text}' for name, (_, text) in _COMMANDS.items()]
    return '\n'.join([*lines, '', '  --version  the version of fmnist_jax'])


def main(arguments=None):
    """Runs a command: returns its exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ['--help']
    if name in ('--version', '-V'):
        print(f'fmnist_jax {fmnist_jax.__version__}')
        return 0
    if name in ('--help', '-h', 'help'):
        print(_usage())
        return 0
    if name not in _COMMANDS:
        print(f'error: {name}: expected one of {", ".join(_COMMANDS)}', file=sys.stderr)
        return 2
    sys.path.insert(0, os.getcwd())  # as `python -m` does: a table's file imports its neighbours
    module, _ = _COMMANDS[name]
    return importlib.import_module(f'fmnist_jax.{module}').main(rest)


if __name__ == '__main__':
    sys.exit(main())
