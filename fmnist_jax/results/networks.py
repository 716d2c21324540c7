"""Trained parameters of every seed of a row: kept in a file, read, and found again by row.

The file is safetensors (numbers and text alone: reading one runs no code). Tensors are named
'params/Conv_0/kernel', their first axis is the seed. The metadata says what they are: settings,
model, data set, input scaling, classes, seeds, and a checksum, which the format itself lacks.
"""

import hashlib
import json
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
from fmnist_jax.data.datasets import CLASS_NAMES
from fmnist_jax.errors import ConfigError, DataError
from fmnist_jax.files import file_name
from fmnist_jax.models import variable_shapes
from fmnist_jax.results import lines
from fmnist_jax.train import calibration, evaluate
from fmnist_jax.train.step import model_of

_VARIABLES = ('params', 'batch_stats')


class Networks(NamedTuple):
    """The trained networks of one row; every array's first axis is the seed."""

    settings: Any  # ConfigDict, of any of the seeds: they differ in nothing that matters here
    seeds: tuple  # their numbers
    variables: dict  # {'params', 'batch_stats'}, numpy [S, ...]
    class_names: tuple
    temperatures: tuple = ()  # per seed: what its logits are divided by, None if not fitted
    result: dict | None = None  # the row's result line

    def seed(self, number):
        """The variables of one seed.

        Raises:
          ConfigError: there is no such seed.
        """
        if number not in self.seeds:
            have = ', '.join(map(str, self.seeds))
            raise ConfigError(f'--seed={number}: no parameters of that seed; there are {have}')
        return jax.tree.map(lambda a: a[self.seeds.index(number)], self.variables)


def save(workdir, row_name, settings, variables):
    """Writes the parameters of the seeds of `settings`, all of them or nothing.

    Args:
      workdir: folder of the results.
      row_name: names the file.
      settings: a row's settings: its seeds are settings.seed, settings.seed + 1, ...
      variables: {'params', 'batch_stats'}, arrays [S, ...].

    Returns:
      The path within the workdir.
    """
    seeds = range(settings.seed, settings.seed + settings.num_seeds)
    name = file_name(f'{row_name} seeds {seeds[0]} to {seeds[-1]}')
    path = pathlib.Path('parameters') / f'{name}.safetensors'
    whole = pathlib.Path(workdir) / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    write(whole, variables, metadata(settings, row=row_name, seeds=list(seeds)))
    return str(path)


def metadata(settings, **more):
    """What a file says of its parameters: {name: text or what JSON can hold}."""
    scaling = {name: settings.dataset[name] for name in ('mean', 'std', 'image_size', 'channels')}
    return {
        'model': settings.model.name,
        'dataset': settings.dataset.name,
        'class_names': list(CLASS_NAMES[settings.dataset.name]),
        'input': {'pixels': '(uint8 / 255 - mean) / std'} | scaling,
        'settings': plain(settings),
        **more,
    }


def write(path, variables, about):
    """Writes variables and metadata as a safetensors file, all of it or nothing."""
    tensors = flatten_dict({name: variables.get(name, {}) for name in _VARIABLES}, sep='/')
    # safetensors writes an array's memory as it lies there.
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    about = about | {'sha256': _digest(tensors)}
    text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in about.items()}
    files.write(path, save_tensors(tensors, text))


def _digest(tensors):
    """SHA-256 over names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f'{name} {tensors[name].shape}'.encode())
        digest.update(tensors[name].data)
    return digest.hexdigest()


def load(path):
    """The Networks of a file: a row's, which `save` wrote, or one network's (see export.py).

    Raises:
      DataError: it is not there, damaged, or holds something else.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise DataError(f'{path}: no such file; expected the parameters of a row')
    try:
        with safetensors.safe_open(path, 'np') as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found = _digest(tensors)
        if found != about['sha256']:
            raise ValueError(f'SHA-256 {found}, expected {about["sha256"]}')
        if 'seed' in about:  # one network, without an axis for seeds
            tensors = {name: array[None] for name, array in tensors.items()}
            about['seeds'], about['temperatures'] = (
                f'[{about["seed"]}]',
                f'[{about["temperature"]}]',
            )
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
    """Refuses parameters that are not those of the network that the settings name."""
    side, channels = settings.dataset.image_size, settings.dataset.channels
    expected = variable_shapes(model_of(settings), (side, side, channels))
    expected = {k: (count, *leaf.shape) for k, leaf in flatten_dict(expected, sep='/').items()}
    found = {name: leaf.shape for name, leaf in flatten_dict(variables, sep='/').items()}
    if found != expected:
        wrong = sorted(dict(found.items() ^ expected.items()))
        raise DataError(
            f'{path}: does not fit the network {settings.model.name} ({", ".join(wrong[:3])}); '
            'it was written by another version'
        )


def of_row(workdir, row_name):
    """The Networks of a finished row, of all its seeds whose parameters were kept.

    Raises:
      ConfigError: no such workdir, row, or none of its parameters were kept.
      DataError: a file of them is missing or damaged.
    """
    rows = {result['row']: result for result in lines.read(workdir)}
    if not rows:
        raise ConfigError(f'{workdir}: no result lines there (results.jsonl)')
    if row_name not in rows:
        raise ConfigError(f'--row={row_name}: not in {workdir}; its rows are {", ".join(rows)}')
    result = rows[row_name]
    files = result.get('parameters_file') or []
    if not files:
        raise ConfigError(
            f'{workdir}: the row {row_name!r} is older than kept parameters; train it in another '
            '--workdir'
        )
    parts = [load(pathlib.Path(workdir) / file) for file in files]
    temperatures = zip(parts, result['temperature'], strict=True)
    return Networks(
        parts[0].settings,
        tuple(seed for part in parts for seed in part.seeds),
        jax.tree.map(lambda *arrays: np.concatenate(arrays), *[p.variables for p in parts]),
        parts[0].class_names,
        tuple(t for part, t in temperatures for _ in part.seeds),
        result,
    )


# What trained networks say about images: each seed's logits, and the seeds' mean probabilities.


def seed_logits(settings, variables, images):
    """Logits of every seed: numpy float32 [S, N, 10].

    The seeds go one after the other through one compiled program.

    Args:
      settings: a row's settings.
      variables: {'params', 'batch_stats'}, arrays [S, ...], such as fit's Outcome.variables.
      images: uint8 [N, 28, 28], light items on a black background.
    """
    images = jnp.asarray(images)

    @jax.jit
    def one_seed(params, batch_stats, images):
        everything = jnp.arange(images.shape[0])
        return evaluate.predict(settings, params, batch_stats, images, everything)

    count = len(jax.tree.leaves(variables)[0])
    seeds = (jax.tree.map(lambda a, k=k: a[k], variables) for k in range(count))
    found = [one_seed(one['params'], one.get('batch_stats', {}), images) for one in seeds]
    return np.stack([np.asarray(logits) for logits in found])


def ensemble(networks, images):
    """The mean over seeds of their probabilities, each at its temperature.

    Args:
      networks: parameters.Networks.
      images: uint8 [N, 28, 28].

    Returns:
      (probabilities [N, 10], numbers of the seeds that have a say: a diverged one has none).

    Raises:
      DataError: every seed has diverged.
    """
    logits = seed_logits(networks.settings, networks.variables, images)
    finite = np.isfinite(logits).all((1, 2))
    if not finite.any():
        raise DataError('every seed of the row has diverged: its networks give no numbers')
    loss = networks.settings.loss
    probs = [
        calibration.calibrated(mine, temperature, loss)
        for mine, temperature, good in zip(logits, networks.temperatures, finite, strict=True)
        if good
    ]
    seeds = tuple(k for k, good in zip(networks.seeds, finite, strict=True) if good)
    return np.mean(probs, axis=0, dtype=np.float64), seeds
