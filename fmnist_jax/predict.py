"""Classifies photos or IDX files with a trained row, with calibrated probabilities.

    python -m fmnist_jax.predict shoe.jpg shirt.png
    python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max shoe.jpg shirt.png
    python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max --format=json *.png
    python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max images-idx3-ubyte.gz

Without a workdir, three small networks answer that come with the package: the base CNN of report
004 (fmnist_jax/results/base_cnn/README.md).

The probabilities are the mean over the row's seeds. Each seed's logits are divided by the row's
temperature, so each network is calibrated. Their mean is a little too modest; the printed
calibration error on the test images says how much.
A photo should show one item before a plain background. The networks know no other images, and
their probabilities are calibrated for such images only.
"""

import json
import sys

from fmnist_jax.config.cli import Parser, exit_code, fraction, path, say
from fmnist_jax.errors import ConfigError, DataError

_SHOWN = 3  # most probable classes of an image, as text


def _parser():
    parser = Parser(prog='python -m fmnist_jax.predict', description=__doc__)
    add = parser.add_argument
    add('files', nargs='+', type=path, metavar='FILE', help='PNG, JPEG, WebP, TIFF, GIF, BMP, IDX')
    add(
        '--workdir', type=path, help="where the row was trained: runs/lenet; default: the package's"
    )
    add('--row', help='name of the row; default: the only one of the workdir')
    add(
        '--invert',
        choices=('auto', 'yes', 'no'),
        default='auto',
        help='the networks know light items on black; auto inverts a photo whose border is light, '
        'and no IDX file',
    )
    add(
        '--whole',
        action='store_true',
        help='scale the whole photo. Default: cut to the item and scale it to fill the image, as '
        'the data set was made',
    )
    add('--centre', action='store_true', help='the default; kept for older scripts')
    add('--format', choices=('text', 'json'), default='text')
    add(
        '--unsure_below',
        type=fraction,
        default=0.5,
        metavar='P',
        help='mark images whose most probable class has less than this (default 0.5)',
    )
    return parser


def _predictions(file, probs, class_names, unsure_below):
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


def predict(networks, files, invert='auto', centre=True, unsure_below=0.5):
    """Classes and probabilities of the images in files.

    Args:
      networks: results.networks.Networks.
      files: paths.
      invert, centre: see data.photos.read. An IDX file is taken as it is. Networks of colour or of
        the user's own images know photos as they are, see data.own.read_photo.
      unsure_below: an image is marked as unsure if its best class has less.

    Returns:
      (one dict for each image; the seeds whose networks were used; one message for each file that
      cannot be read).

    Raises:
      DataError: no file can be read, or every seed has diverged.
    """
    import numpy as np

    from fmnist_jax.data import catalog, own, photos
    from fmnist_jax.results import networks as trained

    dataset = networks.settings.dataset
    side, _, *colours = catalog.image_shape(dataset)
    read, unreadable = [], []
    for file in files:
        try:
            if catalog.is_light_on_black(dataset):
                images = photos.read(file, invert, centre, dataset.name)
            else:  # as the network's own images were read
                images = own.read_photo(file, side, 3 if colours else 1)[None]
            read.append((file, images))
        except DataError as error:
            unreadable.append(str(error))
    if not read:
        raise DataError('; '.join(unreadable))
    probs, seeds = trained.ensemble(networks, np.concatenate([images for _, images in read]))
    ends = np.cumsum([len(images) for _, images in read])
    predictions = []
    for (file, _), part in zip(read, np.split(probs, ends[:-1]), strict=True):
        predictions += _predictions(file, part, networks.class_names, unsure_below)
    return predictions, seeds, unreadable


def _temperature_text(networks):
    """The temperature of a row, and where it comes from."""
    values = sorted({round(t, 2) for t in networks.temperatures if t is not None})
    if not values:
        return 'temperature 1: no validation images to fit it on, so probabilities as trained'
    text = 'temperature ' + ' and '.join(map(str, values)) + ', fitted on validation images'
    return text + (', 1 for seeds without any' if None in networks.temperatures else '')


def _error_text(networks):
    """The calibration error of the mean probabilities; '' where it was not measured."""
    error = networks.result.get('ensemble_calibration_error')
    if error is None:
        return ''
    return f'calibration error of the mean on test images {100 * error:.2f} %; '


def _print_text(networks, predictions, seeds, unsure_below):
    names = ', '.join(map(str, seeds))
    print(f'{networks.result["model"]}, mean of {len(seeds)} networks (seeds {names})')
    print(f'{_temperature_text(networks)}; {_error_text(networks)}unsure: below {unsure_below:g}')
    if networks.settings.loss == 'sigmoid':
        print('sigmoid loss: each class has its own probability; they do not sum to 1')
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


def _main(arguments):
    options = _parser().parse_args(arguments)
    from fmnist_jax.results import networks as trained  # after the flags: JAX takes a second

    networks = trained.of_row(options.workdir or trained.SHIPPED, options.row)
    predictions, seeds, unreadable = predict(
        networks, options.files, options.invert, not options.whole, options.unsure_below
    )
    show = {'text': _print_text, 'json': _print_json}[options.format]
    show(networks, predictions, seeds, options.unsure_below)
    for message in unreadable:
        say(f'error: {message}')
    if unreadable:
        raise ConfigError(f'{len(unreadable)} of {len(options.files)} files cannot be read')


def main(arguments=None):
    """The command: prints predictions; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    from fmnist_jax.config import machine
    from fmnist_jax.data import datasets

    machine.set_up(1, datasets.cache_directory() / 'xla')
    sys.exit(main())
