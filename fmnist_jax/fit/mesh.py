"""The layout: one seed's pure function run for many seeds, over the devices of one or more hosts.

Arrays of all seeds have the shape [devices, seeds per device, ...]: `pmap` spreads the first axis,
`vmap` or `lax.map` the second. Seeds never communicate; only devices that share a seed do. With
several hosts each runs this in its own process, and `shard_map` spreads the first axis: a compiled
`pmap` takes whole arrays, of which a host has only its part.
"""

import functools
import pickle
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from fmnist_jax.config.settings import split_static
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import memory
from fmnist_jax.models.batch import ALONE, AXIS, Share
from fmnist_jax.train import step

_shapes = {}  # {key of split_static: shapes of one seed's State}, because tracing takes long


class Layout(NamedTuple):
    """Which seeds train on which devices."""

    count: int  # seeds
    devices: tuple  # of jax.Device
    per_device: int
    mode: str  # 'vmap': all seeds of a device at once; 'map': one after the other
    chunk: int  # with 'map': seeds at once; 0 and 1 mean one
    share: Share = ALONE  # how many devices share a seed's batches

    @property
    def groups(self):
        """Groups of devices that share their seeds' batches."""
        return len(self.devices) // self.share.parts

    @property
    def padded(self):
        """Seeds that run, as many on each device; the last one is repeated."""
        return self.groups * self.per_device


def _state_shapes(settings):
    """The shapes of one seed's State."""
    key, _ = split_static(settings)
    if key not in _shapes:
        _shapes[key] = jax.eval_shape(lambda: step.init(settings, 0, settings.batch_size))
    return _shapes[key]


def devices_per_seed(settings, num_seeds, available):
    """Number of devices that share a seed's batches, for `num_seeds` seeds on `available` devices.

    By default as many as possible for a convolutional network on a CPU and with several hosts,
    else 1: a GPU is more than one seed fills. Raises ConfigError if the setting is impossible.
    """
    state = _state_shapes(settings)
    batch, wanted = settings.batch_size, settings.devices_per_seed
    size = step.micro_batch_size(settings, state.params, state.batch_stats)
    parts = batch if size == batch else batch // size
    each = max(1, available // num_seeds)
    possible = [k for k in range(1, each + 1) if parts % k == 0]
    if wanted and wanted not in possible:
        raise ConfigError(
            f'config.devices_per_seed={wanted}: expected one of {", ".join(map(str, possible))}: '
            f'{each} devices for each seed, and a batch of {batch} images in {parts} parts'
        )
    convolutional = any(leaf.ndim == 4 for leaf in jax.tree.leaves(state.params))
    shared = (convolutional and jax.default_backend() == 'cpu') or jax.process_count() > 1
    return wanted or (max(possible) if shared else 1)


def make_layout(settings, devices=None):
    """The Layout of a row's seeds over `devices`, by default all; ConfigError if impossible."""
    devices = jax.devices() if devices is None else devices
    each = devices_per_seed(settings, settings.num_seeds, len(devices))
    layout = arrange(settings.num_seeds, settings.replicas, settings.replicas_chunk, devices, each)
    memory.check_state(settings, _state_shapes(settings), layout)
    return layout


def arrange(count, mode='auto', chunk=0, devices=None, devices_per_seed=1):
    """Lays out `count` seeds over devices so that the fewest run one after the other.

    mode: as of Layout, or 'auto': 'map' on a CPU, whose caches hold one network, else 'vmap'.

    Raises:
      ConfigError: the hosts cannot share the seeds evenly.
    """
    devices = tuple(jax.devices() if devices is None else devices)
    if mode == 'auto':
        mode = 'map' if devices[0].platform == 'cpu' else 'vmap'
    per_device = -(-count // len(devices))
    needed = -(-count // per_device) * devices_per_seed
    hosts = {}
    for device in devices:
        hosts.setdefault(device.process_index, []).append(device)
    each, rest = divmod(needed, len(hosts))
    if rest:
        raise ConfigError(
            f'{needed} devices would train these seeds, which {len(hosts)} hosts cannot share '
            f'evenly: choose config.num_seeds, or config.devices_per_seed, for {len(devices)}'
        )
    devices = tuple(device for local in hosts.values() for device in local[:each])
    return Layout(count, devices, per_device, mode, chunk, Share(devices_per_seed, needed))


def several_hosts(layout):
    """Whether the layout's devices belong to several processes."""
    return len({device.process_index for device in layout.devices}) > 1


def _mesh(layout):
    return Mesh(np.array(layout.devices), (AXIS,))


@functools.cache
def _identity(devices):
    return jax.pmap(lambda tree: tree, devices=devices)


def _put(layout, tree):
    """Arrays [devices, ...] with their first axis spread over the devices."""
    if not jax.tree.leaves(tree):
        return tree  # pmap refuses a tree without arrays
    if not several_hosts(layout):
        return _identity(layout.devices)(tree)  # with the sharding that pmap itself uses
    sharding = NamedSharding(_mesh(layout), P(AXIS))
    return jax.tree.map(
        lambda a: jax.make_array_from_callback(a.shape, sharding, lambda part: a[part]), tree
    )


def shard(layout, tree):
    """Arrays [S, ...] -> [devices, seeds per device, ...] on the devices."""

    def split(array):
        array = np.asarray(array)
        array = array[np.arange(layout.padded).clip(max=layout.count - 1)]
        array = array.reshape(layout.groups, layout.per_device, *array.shape[1:])
        return np.repeat(array, layout.share.parts, axis=0)

    return _put(layout, jax.tree.map(split, tree))


def replicate(layout, tree):
    """Arrays that all seeds read -> [devices, ...], a copy on each device."""
    copies = len(layout.devices)
    return _put(layout, jax.tree.map(lambda a: np.broadcast_to(a, (copies, *np.shape(a))), tree))


def gather(layout, tree):
    """Arrays [devices, seeds per device, ...] -> numpy [S, ...]."""

    def join(array):
        array = np.asarray(array)[:: layout.share.parts]
        return array.reshape(layout.padded, *array.shape[2:])[: layout.count]

    if several_hosts(layout):  # a host holds its own devices' part only
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(join, tree)


def broadcast(layout, value):
    """Host 0's value (anything that can be pickled), on every host."""
    if not several_hosts(layout):
        return value
    raw = np.frombuffer(pickle.dumps(value), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(raw))))
    raw = np.pad(raw[:size], (0, max(0, size - len(raw))))
    return pickle.loads(multihost_utils.broadcast_one_to_all(raw).tobytes())


def all_max(layout, number):
    """The largest number of all hosts, so that every host decides the same."""
    if not several_hosts(layout):
        return number
    return float(multihost_utils.process_allgather(np.float32(number)).max())


def _over_seeds(function, layout, axes):
    """`function` of one seed -> of all seeds of one device; axes as for vmap (0 or None)."""
    if layout.mode == 'vmap':
        return jax.vmap(function, in_axes=axes)

    def mapped(*args):
        """Gives lax.map its one argument, the arrays of each seed, and closes over the others."""
        own = {i: a for i, a in enumerate(args) if axes[i] == 0}

        def one(own):
            return function(*[own.get(i, a) for i, a in enumerate(args)])

        if layout.per_device == 1:  # without a loop XLA optimizes best
            only = one(jax.tree.map(lambda a: a[0], own))
            return jax.tree.map(lambda a: jnp.asarray(a)[None], only)
        return jax.lax.map(one, own, batch_size=layout.chunk if layout.chunk > 1 else None)

    return mapped


def _over_devices(mapped, layout, axes, args, donate):
    """pmap over the devices of this host."""
    # One axis for every leaf. With one for every argument, pmap gives a wrong result if an argument
    # has as many leaves as there are arguments.
    in_axes = tuple(
        jax.tree.map(lambda _, axis=None if axis == 'same' else 0: axis, argument)
        for argument, axis in zip(args, axes, strict=True)
    )
    return jax.pmap(
        mapped, axis_name=AXIS, in_axes=in_axes, devices=layout.devices, donate_argnums=donate
    )


def _over_hosts(mapped, layout, axes, args, donate):
    """As pmap, for arrays that are spread over the devices of several hosts."""

    def on_one_device(*args):
        own = [
            a if axis == 'same' else jax.tree.map(lambda leaf: jnp.squeeze(leaf, 0), a)
            for a, axis in zip(args, axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: jnp.expand_dims(leaf, 0), mapped(*own))

    program = jax.shard_map(
        on_one_device,
        mesh=_mesh(layout),
        in_specs=tuple(P() if axis == 'same' else P(AXIS) for axis in axes),
        out_specs=P(AXIS),
        check_vma=False,  # the check knows no axis_index_groups
    )
    return jax.jit(program, donate_argnums=donate)


def lower_for(layout, function, axes, *args, donate=()):
    """Traces one seed's `function` for all seeds: a jax.stages.Lowered.

    Args:
      axes: for each argument 0 (each seed's own arrays, from `shard` or an earlier program), None
        (the same for all seeds, from `replicate`) or 'same' (the same, numbers from the host).
      args: arrays or, for those of an earlier program, `result_shapes`.
      donate: positions of arguments whose memory the result may reuse.
    """
    mapped = _over_seeds(function, layout, tuple(0 if axis == 0 else None for axis in axes))
    spread = _over_hosts if several_hosts(layout) else _over_devices
    return spread(mapped, layout, axes, args, donate).lower(*args)


def result_shapes(layout, lowered):
    """The results of a program of `lower_for` as jax.ShapeDtypeStructs."""
    sharding = NamedSharding(_mesh(layout), P(AXIS)) if several_hosts(layout) else None
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        lowered.out_info,
    )


def compiler_options(layout, fast=False):
    """XLA's options for a program of `lower_for`; fast: compile quickly, without optimization."""
    options = {'xla_backend_optimization_level': 0} if fast else {}
    if len(layout.devices) > 1 and layout.devices[0].platform == 'cpu':
        # Each core works for its own device: operations split over all cores would only wait.
        options['xla_cpu_multi_thread_eigen'] = False
    return options


def compile_for(layout, function, axes, *args, donate=()):
    """Compiles one seed's `function` for all seeds, as `lower_for`: (program, seconds it took)."""
    start = time.perf_counter()
    lowered = lower_for(layout, function, axes, *args, donate=donate)
    program = lowered.compile(compiler_options=compiler_options(layout))
    return program, time.perf_counter() - start
