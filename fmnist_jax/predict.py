"""Classifies photos or IDX files with a trained row, and says how sure it is.

    python -m fmnist_jax.predict shoe.jpg shirt.png
    python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max shoe.jpg shirt.png
    python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max --format=json *.png
    python -m fmnist_jax.predict --workdir=runs/lenet --row=relu_max images-idx3-ubyte.gz

Without a workdir, three small networks answer that come with the package: the base CNN of report
004 (fmnist_jax/results/base_cnn/README.md).

The probabilities are the mean over the row's seeds. Each seed's logits are divided by the row's
temperature, so each network is calibrated. Their mean is a little too modest; the printed
calibration error on the test images says how much.
A photo should show one item. The command finds it and says what it did; `--show=out.png` draws what
the networks see. Their probabilities are calibrated for images like those of the data set;
experiments/photos/table.md has measurements with photos.
"""

import json
import pathlib
import sys

from fmnist_jax.config.cli import Parser, exit_code, fraction, path, say
from fmnist_jax.errors import ConfigError, DataError, one_line

_SHOWN = 3  # most probable classes of an image, as text
_PICTURES = ('.png', '.svg')  # the endings of --show
UNSURE_BELOW = 0.8  # experiments/photos/table.md: of what is surer, at most 5 % is wrong


def _parser():
    parser = Parser(prog='python -m fmnist_jax.predict', description=__doc__)
    add = parser.add_argument
    add('files', nargs='+', type=path, metavar='FILE', help='PNG, JPEG, WebP, TIFF, GIF, BMP, IDX')
    text = "where the row was trained: runs/lenet; default: the package's"
    add('--workdir', type=path, help=text)
    add('--row', help='name of the row; default: the only one of the workdir')
    text = (
        'the networks know light items on black; auto inverts a photo, unless its item is lighter '
        'than a dark background or nearly white; no IDX file'
    )
    add('--invert', choices=('auto', 'yes', 'no'), default='auto', help=text)
    text = (
        'scale the whole photo. Default: find the item, cut it out and scale it to fill the image, '
        'as the data set was made'
    )
    add('--whole', action='store_true', help=text)
    add('--format', choices=('text', 'json'), default='text')
    text = 'mark images whose most probable class has less than this (default %(default)s)'
    add('--unsure_below', type=fraction, default=UNSURE_BELOW, metavar='P', help=text)
    text = 'draw each photo, what the networks see of it, and the most probable classes: out.png'
    add('--show', type=path, metavar='FILE', help=text)
    return parser


def look(files, dataset, invert='auto', centre=True):
    """Reads files as the networks know images.

    Args:
      files: paths.
      dataset: settings.dataset of the networks.
      invert, centre: see data.photos.view. An IDX file is taken as it is. Networks of colour or of
        the user's own images know photos as they are, see data.own.read_photo.

    Returns:
      ([(file, data.photos.View)], one message for each file that cannot be read).

    Raises:
      DataError: no file can be read.
    """
    from fmnist_jax.data import catalog, own, photos

    side, _, *colours = catalog.image_shape(dataset)
    views, unreadable = [], []
    for file in files:
        try:
            if pathlib.Path(file).is_dir():
                raise DataError(f'{file}: a folder; name its files, such as {file}/*.jpg')
            if catalog.is_light_on_black(dataset):
                view = photos.view(file, invert, centre, dataset.name)
            else:  # as the network's own images were read
                view = photos.View(own.read_photo(file, side, 3 if colours else 1)[None])
            views.append((file, view))
        except DataError as error:
            unreadable.append(str(error))
    if not views:
        raise DataError(one_line('; '.join(unreadable)))
    return views, unreadable


def predict(networks, views, unsure_below=UNSURE_BELOW):
    """Classes and probabilities of the images of files.

    Args:
      networks: results.networks.Networks.
      views: [(file, data.photos.View)], from `look`.
      unsure_below: an image is unsure if its best class has less, or if no item was found.

    Returns:
      (one dict for each image; the seeds whose networks were used).

    Raises:
      DataError: every seed has diverged.
    """
    import numpy as np

    from fmnist_jax.results import networks as trained

    probs, seeds = trained.ensemble(networks, np.concatenate([view.images for _, view in views]))
    names = networks.class_names
    places = [(file, view, k) for file, view in views for k in range(len(view.images))]
    predictions = [
        {
            'file': str(file),
            'index': index,
            'note': view.note,
            'class': names[row.argmax()],
            'probability': round(float(row.max()), 4),
            'unsure': bool(view.is_doubtful or row.max() < unsure_below),
            'probabilities': {name: round(float(p), 4) for name, p in zip(names, row, strict=True)},
        }
        for (file, view, index), row in zip(places, probs, strict=True)
    ]
    return predictions, seeds


def _best(prediction):
    """[(class, probability)] of the most probable classes of an image."""
    return sorted(prediction['probabilities'].items(), key=lambda item: -item[1])[:_SHOWN]


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
        answer = ', '.join(f'{name} {p:.2f}' for name, p in _best(prediction))
        where = f'{file}[{index}]' if file in several else file
        print(f'{where}: {"unsure: " if prediction["unsure"] else ""}{answer}')
        if prediction['note']:
            print(f'  {prediction["note"]}')


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


def _show(path, views, predictions):
    """Draws --show; says if that leaves images out."""
    from fmnist_jax.report.figures import seen

    images = [(view, index) for _, view in views for index in range(len(view.images))]
    pictures = [
        seen.Seen(p['file'], view.photo, view.box, view.images[index], _best(p), p['unsure'])
        for (view, index), p in zip(images, predictions, strict=True)
    ]
    seen.write(path, pictures[: seen.MOST])
    if len(pictures) > seen.MOST:
        say(f'{path}: the first {seen.MOST} of {len(pictures)} images')


def _main(arguments):
    options = _parser().parse_args(arguments)
    if options.show and options.show.suffix not in _PICTURES:
        raise ConfigError(f'--show={options.show}: expected a file that ends in .png or .svg')
    if options.show and not options.show.parent.is_dir():
        raise ConfigError(f'--show={options.show}: there is no folder {options.show.parent}')
    from fmnist_jax.results import networks as trained  # after the flags: JAX takes a second

    networks = trained.of_row(options.workdir or trained.SHIPPED, options.row)
    dataset = networks.settings.dataset
    views, unreadable = look(options.files, dataset, options.invert, not options.whole)
    predictions, seeds = predict(networks, views, options.unsure_below)
    show = {'text': _print_text, 'json': _print_json}[options.format]
    show(networks, predictions, seeds, options.unsure_below)
    if options.show:
        _show(options.show, views, predictions)
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
