"""What a trained row says about photos or IDX files: the classes, with calibrated probabilities.

python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max_sgd_augment shoe.jpg shirt.png
python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max_sgd_augment --format=json *.png
python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max_sgd_augment images-idx3-ubyte.gz

The probabilities are the mean over the row's seeds, each seed's logits divided by the row's
temperature. So each network is calibrated; their mean errs on the modest side, by as much as the
printed calibration error on the test images says.
A photo should show one item before a plain background: the networks have seen nothing else, and
their probabilities are calibrated for such images only.
"""

import argparse
import json
import signal
import sys

from fmnist_jax.config import machine
from fmnist_jax.config.cli import Parser
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError

_SHOWN = 3  # most probable classes of an image, as text


def _flags(argv):
    parser = Parser(
        prog='python -m fmnist_jax.predict',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('files', nargs='+', metavar='FILE', help='PNG, JPEG or IDX (.gz or not)')
    parser.add_argument('--workdir', required=True, help='where the row was trained: runs/lenet')
    parser.add_argument('--row', required=True, help='name of the row')
    parser.add_argument(
        *('--invert',),
        **{'choices': ('auto', 'yes', 'no'), 'default': 'auto'},
        help='the networks know light items on black; auto inverts a photo whose border is light '
        '(its median above half of full brightness), and no IDX file',
    )
    parser.add_argument(
        *('--centre',),
        action='store_true',
        help='cut to the item and scale it to fill the image, as the data set was made; else the '
        'whole photo is scaled',
    )
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    parser.add_argument(
        *('--unsure_below',),
        **{'type': _fraction, 'default': 0.5, 'metavar': 'P'},
        help='mark images whose most probable class has less than this (default 0.5)',
    )
    return parser.parse_args(argv)


def _fraction(text):
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text}: expected 0 to 1')
    return value


def _predicted(file, probs, class_names, unsure_below):
    """One dict for each image of a file."""
    best = probs.argmax(-1)
    return [
        {
            'file': str(file),
            'index': index,
            'class': class_names[k],
            'probability': round(float(row[k]), 4),
            'unsure': bool(row[k] < unsure_below),
            'probabilities': {
                name: round(float(p), 4) for name, p in zip(class_names, row, strict=True)
            },
        }
        for index, (row, k) in enumerate(zip(probs, best, strict=True))
    ]


def predict(networks, files, invert='auto', centre=False, unsure_below=0.5):
    """Classes and probabilities of the images in files.

    Args:
      networks: parameters.Networks.
      files: paths; invert, centre: as for photos.read.
      unsure_below: an image is marked as unsure if its best class has less.

    Returns:
      (one dict for each image, numbers of the seeds that have a say).

    Raises:
      DataError: a file cannot be read, or every seed has diverged.
    """
    import numpy as np

    from fmnist_jax.data import photos
    from fmnist_jax.results import networks as kept_networks

    dataset = networks.settings.dataset.name
    images = [photos.read(file, invert, centre, dataset) for file in files]
    probs, seeds = kept_networks.ensemble(networks, np.concatenate(images))
    parts = np.split(probs, np.cumsum([len(part) for part in images])[:-1])
    return [
        prediction
        for file, part in zip(files, parts, strict=True)
        for prediction in _predicted(file, part, networks.class_names, unsure_below)
    ], seeds


def _calibrated_how(networks):
    """How the temperature of a row came about, in words."""
    values = sorted({round(t, 2) for t in networks.temperatures if t is not None})
    if not values:
        return 'temperature 1: no validation images to fit it on, so probabilities as trained'
    text = 'temperature ' + ' and '.join(map(str, values)) + ', fitted on validation images'
    if None in networks.temperatures:
        text += ', 1 for seeds without any'
    return text


def _error_of_mean(networks):
    """How far the mean probabilities can be believed, in words; '' where it was not measured."""
    error = networks.result.get('ensemble_calibration_error')
    return (
        ''
        if error is None
        else f'calibration error of the mean on test images {100 * error:.2f} %; '
    )


def _print_text(networks, predictions, seeds, unsure_below):
    names = ', '.join(map(str, seeds))
    print(f'{networks.result["model"]}, mean of {len(seeds)} networks (seeds {names})')
    print(f'{_calibrated_how(networks)}; {_error_of_mean(networks)}unsure: below {unsure_below:g}')
    if networks.settings.loss == 'sigmoid':
        print('sigmoid loss: each class answers for itself, probabilities do not sum to 1')
    several = {p['file'] for p in predictions if p['index']}
    for prediction in predictions:
        file, index = prediction['file'], prediction['index']
        best = sorted(prediction['probabilities'].items(), key=lambda item: -item[1])[:_SHOWN]
        answer = ', '.join(f'{name} {p:.2f}' for name, p in best)
        where = f'{file}[{index}]' if file in several else file
        print(f'{where}: {"unsure: " if prediction["unsure"] else ""}{answer}')


def _print_json(networks, predictions, seeds, unsure_below):
    about = {
        'row': networks.result['row'],
        'model': networks.result['model'],
        'dataset': networks.result['dataset'],
        'seeds': seeds,
        'temperatures': [
            t for k, t in zip(networks.seeds, networks.temperatures, strict=True) if k in seeds
        ],
        'ensemble_calibration_error': networks.result.get('ensemble_calibration_error'),
        'unsure_below': unsure_below,
    }
    print(json.dumps(about | {'images': predictions}, indent=1))


def main(argv=None):
    """The command: prints predictions; returns the exit code (0 done, 2 the user's mistake)."""
    flags = _flags(argv)
    from fmnist_jax.results import networks as kept_networks

    try:
        networks = kept_networks.of_row(flags.workdir, flags.row)
        predictions, seeds = predict(
            networks, flags.files, flags.invert, flags.centre, flags.unsure_below
        )
    except (ConfigError, DataError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    show = {'text': _print_text, 'json': _print_json}[flags.format]
    show(networks, predictions, seeds, flags.unsure_below)
    return 0


if __name__ == '__main__':
    if hasattr(signal, 'SIGPIPE'):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` may stop reading
    machine.set_up(1, datasets.cache_directory() / 'xla')
    sys.exit(main())
