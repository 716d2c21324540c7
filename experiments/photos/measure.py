"""Measures predict on photos with ten kinds of trouble, drawn from test images (draw.py).

    python -m fmnist_jax.main --config=configs/lenet.py --rows=relu_max --config.num_seeds=3 \
        --config.epochs=5 --workdir=runs/photos
    python experiments/photos/measure.py --workdir=runs/photos

Without --workdir, the package's networks answer. Every kind has its own test images. The networks
see each of them as it is in the data set, as a whole photo that is scaled down, and as predict sees
the photo. The command writes table.md.
"""

import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from experiments.photos import draw  # noqa: E402
from fmnist_jax import predict  # noqa: E402
from fmnist_jax.config.cli import Parser, exit_code, path, say, whole  # noqa: E402
from fmnist_jax.data import datasets  # noqa: E402
from fmnist_jax.errors import ConfigError  # noqa: E402
from fmnist_jax.markdown import markdown, number  # noqa: E402
from fmnist_jax.results import networks as trained  # noqa: E402


def measure(networks, images, labels, kind, seed):
    """The numbers of one kind of trouble.

    Args:
      networks: results.networks.Networks.
      images, labels: uint8 [N, 28, 28] and integers [N] of the garments.
      kind: one of draw.KINDS.
      seed: of the drawing.

    Returns:
      {'images': N; 'clean', 'whole', 'found': accuracy; 'sure': the part of the photos whose
      prediction is not unsure; 'sure_wrong': the part that is sure and wrong; 'nothing': the number
      of photos in which no item was found}.
    """
    clean, _ = trained.ensemble(networks, images)
    numbers = {'images': len(labels), 'clean': float((clean.argmax(-1) == labels).mean())}
    names = np.array([networks.class_names[label] for label in labels])
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / str(k) for k in range(len(images))]
        for k, (file, image) in enumerate(zip(files, images, strict=True)):
            file.write_bytes(kind(np.random.default_rng((seed, k)), image))
        for name in ('whole', 'found'):
            views, unreadable = predict.look(
                files, networks.settings.dataset, centre=name == 'found'
            )
            if unreadable:
                raise ConfigError('; '.join(unreadable))
            predictions, _ = predict.predict(networks, views)
            right = np.array([p['class'] for p in predictions]) == names
            numbers[name] = float(right.mean())
    is_sure = np.array([not p['unsure'] for p in predictions])
    return numbers | {
        'sure': float(is_sure.mean()),
        'sure_wrong': float((is_sure & ~right).mean()),
        'nothing': sum(view.is_doubtful for _, view in views),
    }


def page(rows, networks, command):
    """The page of {name of a kind: numbers of `measure`}."""
    heading = ['trouble', 'photos', 'clean', 'whole photo', 'item found', 'found / clean']
    heading += ['sure', 'sure and wrong', 'no item']
    cells = [
        [
            name,
            str(kind['images']),
            *[number(100 * kind[column], 1) for column in ('clean', 'whole', 'found')],
            number(kind['found'] / kind['clean'] if kind['clean'] else None, 2),
            *[number(100 * kind[column], 1) for column in ('sure', 'sure_wrong')],
            str(kind['nothing']),
        ]
        for name, kind in rows.items()
    ]
    about = networks.result
    return f"""# Photos with trouble

Made by `{command}`
with {about['model']}, row {about['row']}: the mean of {len(networks.seeds)} seeds after
{networks.settings.epochs} epochs.
[draw.py](draw.py) pastes garments of the test set into photos and describes the kinds of trouble.
Every kind has its own test images.

{markdown(heading, cells)}
All in %, except the numbers of photos and the quotient.

- *clean*: accuracy on the test images themselves.
- *whole photo*: accuracy on the photos scaled down as they are (`--whole`).
- *item found*: accuracy on the photos as `predict` sees them by default.
- *sure*: photos whose best class has {predict.UNSURE_BELOW} or more (`--unsure_below`).
- *sure and wrong*: photos with a sure and wrong answer, of all photos of the kind.
- *no item*: photos in which `predict` finds no item. It says so and is unsure.
"""


def _main(arguments):
    parser = Parser(description=__doc__)
    parser.add_argument('--workdir', type=path, help="default: the package's networks")
    parser.add_argument('--row', help='default: the only one of the workdir')
    parser.add_argument('--per_kind', type=whole(1), default=100, help='photos of a kind (100)')
    parser.add_argument('--seed', type=whole(0), default=0, help='of images and drawing (0)')
    parser.add_argument('--data_dir', type=path, help='as for fmnist_jax.main')
    parser.add_argument('--to', type=path, default=HERE / 'table.md')
    options = parser.parse_args(arguments)
    networks = trained.of_row(options.workdir or trained.SHIPPED, options.row)
    dataset = datasets.load(networks.settings.dataset.name, options.data_dir)
    order = np.random.default_rng(options.seed).permutation(len(dataset.test_labels))
    if len(order) < options.per_kind * len(draw.KINDS):
        raise ConfigError(f'--per_kind={options.per_kind}: too many for {len(order)} test images')
    rows = {}
    for k, kind in enumerate(draw.KINDS):
        chosen = order[k * options.per_kind : (k + 1) * options.per_kind]
        images, labels = dataset.test_images[chosen], dataset.test_labels[chosen]
        rows[kind.__name__] = measure(networks, images, labels, kind, options.seed)
        say(f'{kind.__name__}: {rows[kind.__name__]}')
    command = 'python experiments/photos/measure.py'
    if options.workdir:
        command += f' --workdir={options.workdir}'
    if options.row:
        command += f' --row={options.row}'
    text = page(rows, networks, command)
    options.to.write_text(text, encoding='utf-8')
    print(text)


def main(arguments=None):
    """The command; returns the exit code (config.cli.exit_code)."""
    return exit_code(_main, arguments)


if __name__ == '__main__':
    sys.exit(main())
