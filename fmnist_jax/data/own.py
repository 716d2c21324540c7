"""The user's own images as a Dataset: a folder with a folder for each class, or an .npz file.

The folder follows torchvision's ImageFolder, with `train` and `test` inside or without; the file
follows Keras: x_train, y_train and, if there are test images, x_test and y_test.
"""

import hashlib
import io
import os
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from fmnist_jax.data.datasets import Dataset, stratified_order
from fmnist_jax.data.photos import why_unreadable
from fmnist_jax.errors import DataError, one_line
from fmnist_jax.files import local_path

ENDINGS = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.gif', '.tif', '.tiff')
TEST_SHARE = 5  # every fifth image is a test image where the user gives none
_KEYS = ('x_train', 'y_train', 'x_test', 'y_test')
_UNREADABLE = (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError)


class OwnImages(NamedTuple):
    """What `read` finds."""

    dataset: Dataset  # in the order of `stratified_order`
    class_names: tuple
    fingerprint: int  # of the classes' names and the files' contents in their order, 48 bits
    notes: tuple  # lines for the user


class _Part(NamedTuple):
    """The training or the test images."""

    images: list  # uint8 [side, side] or [side, side, 3]
    labels: list
    names: list  # of the images, for messages


def read(path, image_size=28, channels=1, test_seed=0):
    """Reads own images, scaled to squares: an OwnImages.

    A picture is turned upright, scaled as a whole and padded with black; transparent parts become
    white. The classes are the folders in alphabetical order, or the labels of the file (and its
    `class_names`, if it has such an array). Without test images a fifth of each class is drawn.

    Args:
      path: folder or .npz file.
      image_size: pixels, both sides.
      channels: 1 for grey images, 3 for colour.
      test_seed: draws the test images; the same ones for every seed of a training.

    Raises:
      DataError: not such a folder or file, a picture that cannot be read, a class with too few
        images, test images of other classes.
    """
    path, digest = local_path(path), hashlib.sha256()
    if path.is_dir():
        names, train, test, notes = _read_folder(path, image_size, channels, digest)
    elif path.suffix == '.npz' and path.is_file():
        names, train, test, notes = _read_npz(path, image_size, channels, digest)
    else:
        raise DataError(
            f'{path}: expected a folder with a folder of images for each class, or an .npz file '
            f'with {", ".join(_KEYS)}'
        )
    _check_counts(path, names, train, test, notes)
    train = _Part(np.stack(train.images), np.int32(train.labels), train.names)
    order = stratified_order(train.labels, test_seed)
    if test is None:
        count = round(len(order) / TEST_SHARE)
        train, test = _select(train, order[count:]), _select(train, order[:count])
        notes.append(
            f'{path} has no test images: {count} of {len(order)}, a fifth of each class, are drawn '
            'for the test (dataset.test_seed)'
        )
    else:
        test = _Part(np.stack(test.images), np.int32(test.labels), test.names)
        train = _select(train, order)
    notes += _duplicates(train, test)
    dataset = Dataset(train.images, train.labels, test.images, test.labels)
    return OwnImages(dataset, names, int.from_bytes(digest.digest()[:6]), tuple(notes))


def read_photo(path, image_size, channels):
    """One picture as `read` makes it: uint8 [side, side] or [side, side, 3]. Raises DataError."""
    path = local_path(path)
    content = b''
    try:
        content = path.read_bytes()
        return _picture(content, image_size, channels)
    except _UNREADABLE as error:
        why = why_unreadable(content[:12], error)
        raise DataError(f'{path}: not a picture that can be read ({why})') from error


def _picture(content, image_size, channels):
    """The bytes of a picture's file as an array."""
    with Image.open(io.BytesIO(content)) as file:
        file.draft(None, (image_size, image_size))  # a JPEG unpacks only what is needed
        picture = ImageOps.exif_transpose(file)
    if picture.mode[0] in 'IF':  # more than 8 bits, which Pillow would cut off at 255
        values = np.asarray(picture, np.float32)
        most = values.max()
        scale = 1 / 257 if most > 255 else 255 if picture.mode == 'F' and most <= 1 else 1
        picture = Image.fromarray((values * scale).clip(0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert('RGBA')
        white = Image.new('RGBA', picture.size, 'white')
        picture = Image.alpha_composite(white, picture)
    return _square(picture, image_size, channels)


def _square(picture, image_size, channels):
    """A Pillow image scaled as a whole into a black square."""
    picture = picture.convert('RGB' if channels == 3 else 'L')
    side = (image_size, image_size)
    return np.asarray(ImageOps.pad(picture, side, Image.Resampling.BILINEAR))


def _read_folder(path, image_size, channels, digest):
    """(names of the classes, training _Part, test _Part or None, notes)."""
    root = path / 'train' if (path / 'train').is_dir() else path
    names = _folders(root)
    if len(names) < 2:
        raise DataError(
            f'{root}: {len(names)} folders in it; expected a folder of images for each class, two '
            'or more'
        )
    notes = []

    def read_classes(kind, folder):
        digest.update(f'{kind} '.encode())
        return _read_classes(folder, names, image_size, channels, digest, notes)

    train = read_classes('train', root)
    if root == path or not (path / 'test').is_dir():
        return names, train, None, notes
    others = set(_folders(path / 'test')) ^ set(names)
    if others:
        raise DataError(
            f'{path}: train and test differ in the classes {", ".join(sorted(others))}; expected '
            'the same folders in both'
        )
    test = read_classes('test', path / 'test')
    return names, train, test, notes


def _folders(root):
    """The names of the folders in `root`, without hidden ones and macOS' own."""
    names = (path.name for path in root.iterdir() if path.is_dir())
    return tuple(sorted(name for name in names if name[0] != '.' and name != '__MACOSX'))


def _read_classes(root, names, image_size, channels, digest, notes):
    """The _Part in the folders `names` of `root`; adds files of other kinds to the notes."""
    files, others = [], []
    for label, name in enumerate(names):
        for folder, _, inside in sorted(os.walk(root / name, followlinks=True)):
            for file in sorted(pathlib.Path(folder, f) for f in inside if not f.startswith('.')):
                is_picture = file.suffix.lower() in ENDINGS
                (files if is_picture else others).append((file, label))
    part, broken = _Part([], [], []), []
    for file, label in tqdm(files, desc=f'Reading {root}', unit=' images', delay=1):
        content = b''
        try:
            content = file.read_bytes()
            part.images.append(_picture(content, image_size, channels))
        except _UNREADABLE as error:
            broken.append(f'{file} ({why_unreadable(content[:12], error)})')
            continue
        part.labels.append(label)
        part.names.append(str(file))
        digest.update(f'{names[label]} {len(content)} '.encode() + content)
    if broken:
        raise DataError(
            f'{len(broken)} of {len(files)} pictures cannot be read: {", ".join(broken[:3])}'
            f'{", ..." if len(broken) > 3 else ""}; delete or replace them'
        )
    if others:
        notes.append(
            f'{root}: {len(others)} files are left out, which are no pictures by their endings, '
            f'such as {others[0][0]}'
        )
    return part


def _read_npz(path, image_size, channels, digest):
    """As `_read_folder`, from a file."""
    try:
        digest.update(path.read_bytes())
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError('it is a single array, as numpy.save writes it')
        with file:
            arrays = {name: file[name] for name in (*_KEYS, 'class_names') if name in file}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged files
        raise DataError(f'{path}: not an .npz file of arrays ({one_line(error)})') from error
    missing = [name for name in _KEYS if name not in arrays]
    if missing not in ([], ['x_test', 'y_test']):
        raise DataError(f'{path}: lacks {", ".join(missing)}; expected {", ".join(_KEYS)}')
    parts = []
    for kind in ('train', 'test')[: 2 - len(missing) // 2]:
        images, labels = arrays[f'x_{kind}'], arrays[f'y_{kind}']
        _check_arrays(f'{path}: x_{kind}', images, f'{path}: y_{kind}', labels)
        labels = labels.reshape(-1).tolist()
        squeezed = images[..., 0] if images.shape[-1] == 1 and images.ndim == 4 else images
        scaled = [_square(Image.fromarray(image), image_size, channels) for image in squeezed]
        parts.append(_Part(scaled, labels, [f'x_{kind}[{k}]' for k in range(len(labels))]))
    count = max(max(part.labels) for part in parts) + 1
    names = _names(path, arrays.get('class_names', np.arange(count)), count)
    notes = []
    shape = arrays['x_train'].shape[1:]
    if shape[:2] != (image_size, image_size):
        sides = f'{shape[0]}x{shape[1]} to {image_size}x{image_size}'
        notes.append(f'{path}: images are scaled from {sides} (dataset.image_size)')
    return names, parts[0], parts[1] if len(parts) == 2 else None, notes


def _names(path, array, count):
    """The names of `count` classes or more, as texts."""
    if array.ndim != 1:
        raise DataError(
            f'{path}: class_names has the shape {array.shape}; expected ({count},), a name for '
            'each label'
        )
    array = np.char.decode(array) if array.dtype.kind == 'S' else array
    names = tuple(map(str, array))
    if len(names) < count or len(set(names)) < len(names) or '' in names:
        raise DataError(
            f'{path}: {len(set(names) - {""})} different class_names for labels 0 to {count - 1}'
        )
    return names


def _check_arrays(images_name, images, labels_name, labels):
    """Refuses other arrays than images and their labels."""
    is_shape = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
    if images.dtype != np.uint8 or not is_shape or 0 in images.shape:
        raise DataError(
            f'{images_name} is {images.dtype} of shape {images.shape}; expected uint8 [N, H, W] or '
            '[N, H, W, 3] with values 0 to 255'
        )
    count = len(images)
    if labels.dtype.kind not in 'ui' or labels.shape not in ((count,), (count, 1)):
        raise DataError(
            f'{labels_name} is {labels.dtype} of shape {labels.shape}; expected integers ({count},)'
        )
    if labels.min() < 0 or labels.max() > 65_535:
        raise DataError(
            f'{labels_name} has labels {labels.min()} to {labels.max()}; expected 0, 1…'
        )


def _check_counts(path, names, train, test, notes):
    """Refuses fewer than two classes, and classes with too few images."""
    if len(names) < 2:
        raise DataError(f'{path}: all images are of one class; expected two classes or more')
    least, why = 2, ' for training'
    if test is None:
        least, why = TEST_SHARE, ', because a fifth of them are test images'
    counts = np.bincount(train.labels, minlength=len(names))
    few = [f'{name} {n}' for name, n in zip(names, counts, strict=True) if n < least]
    if few:
        shown = ', '.join(few[:5]) + (f' and {len(few) - 5} more classes' if few[5:] else '')
        raise DataError(
            f'{path}: too few images of a class: {shown}; expected '
            f'{least} or more{why}{"".join(f"; {note}" for note in notes)}'
        )
    tested = range(len(names)) if test is None else set(test.labels)
    none = [name for label, name in enumerate(names) if label not in tested]
    if none:
        raise DataError(f'{path}: no test images of {one_line(", ".join(none), 200)}')


def _select(part, indices):
    return _Part(part.images[indices], part.labels[indices], [part.names[i] for i in indices])


def _duplicates(train, test):
    """Notes about equal images: a test image that was trained on tells nothing."""
    seen, inside = {}, 0
    for image, name in zip(train.images, train.names, strict=True):
        inside += image.tobytes() in seen
        seen.setdefault(image.tobytes(), name)
    pairs = [
        f'{name} = {seen[image.tobytes()]}'
        for image, name in zip(test.images, test.names, strict=True)
        if image.tobytes() in seen
    ]
    notes = []
    if pairs:
        notes.append(
            f'{len(pairs)} of {len(test.names)} test images are training images, too, so their '
            f'accuracy is memory: {", ".join(pairs[:3])}{", ..." if len(pairs) > 3 else ""}'
        )
    if inside:
        notes.append(
            f'{inside} training images occur twice or more: a seed may train on some of its '
            'validation images'
        )
    return notes
