"""One trained network to carry away: parameters, portable programs and a model card.

python -m fmnist_jax.export --workdir=runs/lenet --row=relu_max_sgd_augment --seed=0 --to=shoes
python -m fmnist_jax.export ... --formats=safetensors,stablehlo,onnx     (onnx: the extra `onnx`)

The programs take images uint8 [N, 28, 28] and give probabilities [N, 10]; scaling and the row's
temperature are part of them. README.md, the model card, says how good the network is, what it is
for, how it was made and how each file is used.
"""

import argparse
import os
import pathlib
import sys

from fmnist_jax.config.cli import Parser
from fmnist_jax.errors import ConfigError, DataError

FORMATS = ('safetensors', 'stablehlo', 'onnx')


def _formats(text):
    names = [name for name in text.split(',') if name]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f'{text!r}: expected some of {",".join(FORMATS)}, separated by commas'
        )
    return tuple(name for name in FORMATS if name in names)


def _flags(argv):
    parser = Parser(
        prog='python -m fmnist_jax.export',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--workdir', required=True, help='where the row was trained: runs/lenet')
    parser.add_argument('--row', required=True, help='name of the row')
    parser.add_argument('--seed', type=int, default=0, help='number of the network (default 0)')
    parser.add_argument('--to', required=True, metavar='DIR', help='new or empty folder')
    parser.add_argument(
        *('--formats',),
        **{'type': _formats, 'default': FORMATS[:2], 'metavar': 'NAME,...'},
        help=f'some of {",".join(FORMATS)} (default {",".join(FORMATS[:2])})',
    )
    return parser.parse_args(argv)


def export(networks, seed, folder, formats):
    """Writes one network of a row, with its card, into a new or empty folder.

    Everything is made before anything is written.

    Args:
      networks: parameters.Networks.
      seed: number of the network.
      folder: where the files go.
      formats: some of FORMATS.

    Returns:
      The paths written.

    Raises:
      ConfigError: no such seed, or it has diverged; the folder holds something; a format's package
        is missing.
      OSError: it cannot be written.
    """
    import jax
    import numpy as np

    from fmnist_jax.report import model_card
    from fmnist_jax.results import networks as kept_networks
    from fmnist_jax.results import portable

    variables = networks.seed(seed)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
        raise ConfigError(f'--seed={seed}: it has diverged, its parameters are no numbers')
    folder = pathlib.Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f'--to={folder}: not empty; name a new folder')
    temperature = networks.temperatures[networks.seeds.index(seed)]
    classify = portable.program(networks.settings, variables, temperature)
    makers = {'stablehlo': portable.stablehlo, 'onnx': portable.onnx}
    raw = {model_card.file_of(name): makers[name](classify) for name in formats if name in makers}
    raw['README.md'] = model_card.card(networks, seed, formats).encode()
    folder.mkdir(parents=True, exist_ok=True)
    if 'safetensors' in formats:
        about = {'row': networks.result['row'], 'seed': seed, 'temperature': temperature}
        about = kept_networks.metadata(networks.settings, **about)
        kept_networks.write(folder / model_card.file_of('safetensors'), variables, about)
    for name, content in raw.items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


def main(argv=None):
    """The command: writes the files; returns the exit code (0 done, 2 the user's mistake)."""
    flags = _flags(argv)
    from fmnist_jax.results import networks as kept_networks

    try:
        networks = kept_networks.of_row(flags.workdir, flags.row)
        paths = export(networks, flags.seed, flags.to, flags.formats)
    except (ConfigError, DataError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    for path in paths:
        print(f'{path} ({os.path.getsize(path):,} bytes)')
    return 0


if __name__ == '__main__':
    sys.exit(main())
