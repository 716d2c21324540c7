"""The trained networks of a row: their file, their predictions, and programs without this package.

A file is safetensors: reading one runs no code. Tensors have names such as 'params/Conv_0/kernel';
their first axis is the seed.
"""

import copy
import hashlib
import json
import logging
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save as save_tensors

from fmnist_jax import files
from fmnist_jax.config.settings import from_plain, plain
from fmnist_jax.data import catalog, datasets
from fmnist_jax.errors import ConfigError, DataError, one_line
from fmnist_jax.models import backend, variable_shapes
from fmnist_jax.results import lines
from fmnist_jax.train import calibration, epoch
from fmnist_jax.train.losses import probabilities
from fmnist_jax.train.step import logits as network_logits
from fmnist_jax.train.step import model_of

_VARIABLES = ('params', 'batch_stats')


class Networks(NamedTuple):
    """The trained networks of one row; the first axis of every array is the seed."""

    settings: Any  # ConfigDict of a part of the seeds; the other seeds differ only in `seed`
    seeds: tuple  # their numbers
    variables: dict  # {'params', 'batch_stats'}, numpy [S, ...]
    class_names: tuple
    temperatures: tuple = ()  # divisor of the logits for each seed, None if not fitted
    result: dict | None = None  # the row's result line

    def seed(self, number):
        """The variables of one seed; ConfigError if there is no such seed."""
        if number not in self.seeds:
            have = ', '.join(map(str, self.seeds))
            raise ConfigError(f'--seed={number}: no parameters of that seed; there are {have}')
        return jax.tree.map(lambda a: a[self.seeds.index(number)], self.variables)


def save(workdir, row_name, settings, variables):
    """Writes the variables [S, ...] of the seeds of `settings`; returns the path in the workdir."""
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    name = files.file_name(f'{row_name} seeds {seeds[0]} to {seeds[-1]}')
    path = pathlib.Path('parameters') / f'{name}.safetensors'
    whole = pathlib.Path(workdir) / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    write(whole, variables, metadata(settings, row=row_name, seeds=list(seeds)))
    return str(path)


def metadata(settings, **more):
    """The metadata of a file: {name: text or an object that JSON can hold}."""
    scaling = {name: settings.dataset[name] for name in ('mean', 'std', 'image_size', 'channels')}
    scaling['shape'] = list(catalog.image_shape(settings.dataset))
    return {
        'model': settings.model.name,
        'dataset': settings.dataset.name,
        'class_names': list(catalog.class_names(settings.dataset)),
        'input': {'pixels': '(uint8 / 255 - mean) / std'} | scaling,
        'settings': plain(settings),
        **more,
    }


def write(path, variables, about):
    """Writes variables and metadata as a safetensors file, whole or not at all."""
    tensors = flatten_dict({name: variables.get(name, {}) for name in _VARIABLES}, sep='/')
    # safetensors writes the memory of an array, whatever its strides.
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    about = about | {'sha256': _digest(tensors)}
    text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in about.items()}
    files.write(path, save_tensors(tensors, text))


def _digest(tensors):
    """SHA-256 of names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f'{name} {tensors[name].shape}'.encode())
        digest.update(tensors[name].data)
    return digest.hexdigest()


def load(path):
    """The Networks in a file of `save` or of export.py; DataError if it is missing or damaged."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise DataError(f'{path}: no such file; expected the parameters of a row')
    try:
        with safetensors.safe_open(path, 'np') as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if (digest := _digest(tensors)) != about['sha256']:
            raise ValueError(f'SHA-256 {digest}, expected {about["sha256"]}')
        if 'seed' in about:  # one network, without an axis for seeds
            tensors = {name: array[None] for name, array in tensors.items()}
            about |= {f'{name}s': f'[{about[name]}]' for name in ('seed', 'temperature')}
        settings = from_plain(json.loads(about['settings']))
        seeds, classes, temperatures = (
            tuple(json.loads(about.get(name, '[]')))
            for name in ('seeds', 'class_names', 'temperatures')
        )
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f'{path}: not the parameters of a row, or damaged ({error}); copy it again, or train '
            'the row in another --workdir'
        ) from error
    variables = {name: {} for name in _VARIABLES} | unflatten_dict(tensors, sep='/')
    _check_fit(path, settings, variables, len(seeds))
    return Networks(settings, seeds, variables, classes, temperatures)


def _check_fit(path, settings, variables, count):
    """Refuses parameters whose names or shapes differ from those of the settings' network."""
    expected = variable_shapes(model_of(settings), catalog.input_shape(settings.dataset))
    expected = {k: (count, *leaf.shape) for k, leaf in flatten_dict(expected, sep='/').items()}
    shapes = {name: leaf.shape for name, leaf in flatten_dict(variables, sep='/').items()}
    if shapes != expected:
        wrong = sorted(dict(shapes.items() ^ expected.items()))
        raise DataError(
            f'{path}: does not fit the network {settings.model.name} ({", ".join(wrong[:3])}); '
            'it was written by another version'
        )


# Three seeds of report 004's base CNN, with which `predict` answers without a workdir.
SHIPPED = pathlib.Path(__file__).parent / 'base_cnn'


def of_row(workdir, row_name=None):
    """The Networks of all seeds of a finished row whose parameters were kept.

    Args:
      workdir: folder of the results.
      row_name: None for the only row of the workdir.

    Raises:
      ConfigError: no result lines, no such row, or no parameters of the row were kept.
      DataError: a file of parameters is missing or damaged.
    """
    workdir = pathlib.Path(workdir)
    rows = {result['row']: result for result in lines.read(workdir)}
    if not rows:
        raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
    if row_name is None and len(rows) == 1:
        row_name = next(iter(rows))
    if row_name not in rows:
        wrong = f'--row={row_name}: not in {workdir}' if row_name else '--row=NAME is missing'
        raise ConfigError(f'{wrong}; the rows of {workdir} are {", ".join(rows)}')
    result = rows[row_name]
    pairs = zip(result['parameters_file'], result['temperature'], strict=True)
    pairs = [(file, temperature) for file, temperature in pairs if file]
    missing = [file for file, _ in pairs if not (workdir / file).is_file()]
    if missing:
        raise DataError(
            f'{workdir / missing[0]}: no such file; git leaves parameters out: train the row in '
            f'another workdir, python -m fmnist_jax.main --config={workdir.name} '
            f"--rows='{row_name}' --workdir=runs/{workdir.name}"
        )
    kept = [(load(workdir / file), temperature) for file, temperature in pairs]
    if not kept:
        raise ConfigError(
            f'{workdir}: the row {row_name!r} has no file of parameters; train it in another '
            '--workdir'
        )
    first, _ = kept[0]
    return first._replace(
        seeds=tuple(seed for part, _ in kept for seed in part.seeds),
        variables=jax.tree.map(lambda *a: np.concatenate(a), *[p.variables for p, _ in kept]),
        temperatures=tuple(temperature for part, temperature in kept for _ in part.seeds),
        result=result,
    )


def seed_logits(settings, variables, images):
    """Logits of every seed, one seed after the other: float32 [S, N, K]; see `predict_images`."""
    images = jnp.asarray(images)

    @jax.jit
    def one_seed(params, batch_stats, images):
        everything = jnp.arange(images.shape[0])
        return epoch.predict(settings, params, batch_stats, images, everything)

    count = len(jax.tree.leaves(variables)[0])
    seeds = (jax.tree.map(lambda a, k=k: a[k], variables) for k in range(count))
    logits = [one_seed(seed['params'], seed.get('batch_stats', {}), images) for seed in seeds]
    return np.stack(logits)


def predict_images(settings, variables, images, temperature=None):
    """Probabilities of every seed: float32 [S, N, classes].

    Args:
      settings: of `make_settings`.
      variables: {'params', 'batch_stats'}, arrays [S, ...], such as FitResult.variables.
      images: uint8 [N, 28, 28], light items on a black background; of another data set as its
        images are (data.catalog.image_shape).
      temperature: divisor of the logits; None for 1.

    Raises:
      DataError: arrays that are no such images.
    """
    shape = catalog.image_shape(settings.dataset)
    logits = seed_logits(settings, variables, datasets.check_images('images', images, shape))
    return calibration.calibrated(logits, temperature, settings.loss)


def ensemble(networks, images):
    """The finite seeds' mean probabilities [N, K], each at its temperature, and their numbers."""
    logits = seed_logits(networks.settings, networks.variables, images)
    members = np.flatnonzero(np.isfinite(logits).all((1, 2)))
    if not members.size:
        raise DataError('every seed of the row has diverged: no network gives finite logits')
    probs = [
        calibration.calibrated(logits[k], networks.temperatures[k], networks.settings.loss)
        for k in members
    ]
    return np.mean(probs, axis=0, dtype=np.float64), tuple(networks.seeds[k] for k in members)


def program(settings, variables, temperature=None):
    """The function from images uint8 [N, *image_shape] to probabilities, in float32.

    `variables` are those of one seed. The program uses XLA's convolutions: those of
    models/convolution.py are for training on a CPU.
    """
    settings = copy.deepcopy(settings)
    settings.compute = 'float32'
    network = model_of(settings)
    variables = jax.tree.map(jnp.asarray, variables)

    def classify(images):
        with backend.portable():
            logits = network_logits(network, variables, images, settings)
        return probabilities(logits / (temperature or 1.0), settings.loss)

    return classify


def stablehlo(classify, image_shape=(28, 28)):
    """The program in JAX's export format, which is StableHLO with its calling convention: bytes.

    `jax.export.deserialize(bytearray(raw)).call(images)` runs it on a CPU, a CUDA GPU or a TPU.
    """
    from jax import export

    (count,) = export.symbolic_shape('images')
    images = jax.ShapeDtypeStruct((count, *image_shape), np.uint8)
    exported = export.export(jax.jit(classify), platforms=('cpu', 'cuda', 'tpu'))(images)
    return bytes(exported.serialize())


def onnx(classify, image_shape=(28, 28)):
    """The program as ONNX, with input `images` and output `probabilities`: bytes.

    Raises:
      ConfigError: jax2onnx is not installed, or does not go with this version of jax.
    """
    try:
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ConfigError(
            f'--formats=onnx needs jax2onnx ({error}): pip install jax2onnx, or name other formats'
        ) from error
    logging.getLogger('onnx_ir').setLevel(logging.ERROR)  # it warns of its own values
    images = jax.ShapeDtypeStruct(('images', *image_shape), np.uint8)
    names = {'input_names': ['images'], 'output_names': ['probabilities']}
    try:
        model = to_onnx(classify, [images], model_name='fmnist_jax', **names)
    except Exception as error:  # jax2onnx patches JAX, whose next version may break it
        raise ConfigError(
            f'--formats=onnx: jax2onnx fails with jax {jax.__version__} '
            f'({type(error).__name__}: {one_line(error)}); name other formats'
        ) from error
    return model.SerializeToString()
