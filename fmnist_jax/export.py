"""Writes one trained network to carry away: parameters, portable programs and a model card.

python -m fmnist_jax.export --workdir=runs/lenet --row=relu_max_sgd_augment --seed=0 --to=shoes
python -m fmnist_jax.export ... --formats=safetensors,stablehlo,onnx    (onnx: pip install jax2onnx)

The programs take images uint8 [N, 28, 28] and give probabilities [N, classes]. Images of other data
sets keep their own shape. Scaling and the row's temperature are part of the programs. README.md is
the model card: how good the network is, what it is for, how it was made, how each file is used.
"""

import argparse
import os
import pathlib
import sys

from fmnist_jax.config.cli import Parser, exit_code, path, say, whole
from fmnist_jax.errors import ConfigError

FORMATS = ('safetensors', 'stablehlo', 'onnx')


def _formats(text):
    names = [name for name in text.split(',') if name]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f'{text!r}: expected some of {",".join(FORMATS)}, separated by commas'
        )
    return tuple(name for name in FORMATS if name in names)


def _parser():
    parser = Parser(prog='python -m fmnist_jax.export', description=__doc__)
    add = parser.add_argument
    add('--workdir', required=True, type=path, help='where the row was trained: runs/lenet')
    add('--row', required=True, help='name of the row')
    add('--seed', type=whole(0), default=0, help='number of the network (default 0)')
    add('--to', required=True, type=path, metavar='DIR', help='new or empty folder')
    add(
        '--formats',
        type=_formats,
        default=FORMATS[:2],
        metavar='NAME,...',
        help=f'some of {",".join(FORMATS)} (default {",".join(FORMATS[:2])})',
    )
    return parser


def export(networks, seed, folder, formats):
    """Writes one network of a row, with its card, into a new or empty folder.

    Everything is made before anything is written.

    Args:
      networks: results.networks.Networks.
      seed: number of the network.
      folder: where the files go.
      formats: some of FORMATS.

    Returns:
      (the paths written, one message for each format that could not be made).

    Raises:
      ConfigError: no such seed, or it has diverged; the folder is not empty; no format can be made.
      OSError: a file cannot be written.
    """
    import jax
    import numpy as np

    from fmnist_jax.data import catalog
    from fmnist_jax.report import model_card
    from fmnist_jax.results import networks as trained

    variables = networks.seed(seed)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
        raise ConfigError(f'--seed={seed}: it has diverged, its parameters are no numbers')
    folder = pathlib.Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f'--to={folder}: not empty; name a new folder')
    temperature = networks.temperatures[networks.seeds.index(seed)]
    classify = trained.program(networks.settings, variables, temperature)
    shape = catalog.image_shape(networks.settings.dataset)
    contents, failed = {}, {}
    for name, make in (('stablehlo', trained.stablehlo), ('onnx', trained.onnx)):
        if name not in formats:
            continue
        try:
            contents[model_card.file_of(name)] = make(classify, shape)
        except ConfigError as error:
            failed[name] = str(error)
    formats = tuple(name for name in formats if name not in failed)
    if not formats:
        raise ConfigError('; '.join(failed.values()))
    contents['README.md'] = model_card.card(networks, seed, formats).encode()
    folder.mkdir(parents=True, exist_ok=True)
    if 'safetensors' in formats:
        about = {'row': networks.result['row'], 'seed': seed, 'temperature': temperature}
        about = trained.metadata(networks.settings, **about)
        trained.write(folder / model_card.file_of('safetensors'), variables, about)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir()), list(failed.values())


def _main(arguments):
    options = _parser().parse_args(arguments)
    from fmnist_jax.results import networks as trained  # after the flags: JAX takes a second

    if options.to.is_file():
        raise ConfigError(f'--to={options.to}: a file; name a folder')
    networks = trained.of_row(options.workdir, options.row)
    paths, failed = export(networks, options.seed, options.to, options.formats)
    for file in paths:
        print(f'{file} ({os.path.getsize(file):,} bytes)')
    for message in failed:
        say(f'error: {message}')
    if failed:
        raise ConfigError(f'{len(failed)} of {len(options.formats)} formats could not be made')


def main(arguments=None):
    """The command: writes the files; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    sys.exit(main())
