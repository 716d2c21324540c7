"""Replicas: one seed's pure function run for many seeds, over the devices there are.

The only file that says `pmap` and `vmap` (and `shard_map`, where the devices belong to several
hosts, each with a process of its own that runs all of this). Arrays of all seeds have the shape
[devices, seeds per device, ...]: `pmap` spreads the first axis, `vmap` or `lax.map` the
second. Seeds never talk to each other; only where devices share a seed (share.py) is there a
collective, in which one device waits for another. On a CPU each core is a device: a core that
trains its own seeds needs no barrier in every operation (LeNet-5 on two cores: twice as fast).
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

from fmnist_jax.models.batch import ALONE, AXIS, Share

# Which seeds are trained on which devices.


class Layout(NamedTuple):
    """How `count` seeds are laid out."""

    count: int
    devices: tuple  # of jax.Device
    per_device: int
    mode: str  # 'vmap': all seeds of a device at once; 'map': one after the other
    chunk: int  # with 'map': seeds at once; 0 and 1 mean one
    share: Share = ALONE  # how many devices share a seed's batches

    @property
    def padded(self):
        """Seeds that run: as many on each device; those beyond `count` repeat the last."""
        return len(self.devices) // self.share.parts * self.per_device


def arrange(count, mode='auto', chunk=0, devices=None, devices_per_seed=1):
    """Lays out `count` seeds over the devices so that the fewest run one after the other.

    Args:
      count: seeds, at least 1.
      mode: 'vmap', 'map' or 'auto' (one after the other on a CPU, whose caches hold one
        network; all at once elsewhere).
      chunk: seeds at once with 'map'.
      devices: jax devices; by default all, those of other hosts (hosts.py) too.
      devices_per_seed: that share each seed's batches; more than 1 needs as many for each.

    Raises:
      ValueError: some hosts would have nothing to do.
    """
    devices = tuple(jax.devices() if devices is None else devices)
    if mode == 'auto':
        mode = 'map' if devices[0].platform == 'cpu' else 'vmap'
    per_device = -(-count // len(devices))
    needed = -(-count // per_device) * devices_per_seed
    share = Share(devices_per_seed, needed)
    return Layout(count, _of_each_host(devices, needed), per_device, mode, chunk, share)


def _of_each_host(devices, needed):
    """The first `needed` devices, as many of each host."""
    hosts = {}
    for device in devices:
        hosts.setdefault(device.process_index, []).append(device)
    each, rest = divmod(needed, len(hosts))
    if rest:
        raise ValueError(
            f'{needed} devices would train these seeds, which {len(hosts)} hosts cannot share '
            f'evenly: choose config.num_seeds, or config.devices_per_seed, for {len(devices)}'
        )
    return tuple(device for mine in hosts.values() for device in mine[:each])


def shard(layout, tree):
    """Arrays [count, ...] -> [devices, seeds per device, ...] on the devices."""

    def lay_out(array):
        array = np.asarray(array)
        extra = layout.padded - layout.count
        array = np.concatenate([array, np.repeat(array[-1:], extra, axis=0)])
        groups = len(layout.devices) // layout.share.parts
        array = array.reshape(groups, layout.per_device, *array.shape[1:])
        return np.repeat(array, layout.share.parts, axis=0)

    return _on_devices(layout, jax.tree.map(lay_out, tree))


def replicate(layout, tree):
    """Arrays that all seeds read -> a copy on each device, [devices, ...]."""
    copies = len(layout.devices)
    return _on_devices(
        layout, jax.tree.map(lambda a: np.broadcast_to(a, (copies, *np.shape(a))), tree)
    )


def gather(layout, tree):
    """Arrays [devices, seeds per device, ...] -> numpy [count, ...]."""

    def collect(array):
        array = np.asarray(array)[:: layout.share.parts]
        return array.reshape(layout.padded, *array.shape[2:])[: layout.count]

    if several_hosts(layout):  # a host sees its own devices' part alone
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(collect, tree)


def broadcast(layout, value):
    """The first host's value (anything that can be pickled), for all of them."""
    if not several_hosts(layout):
        return value
    raw = np.frombuffer(pickle.dumps(value), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(raw))))
    raw = np.pad(raw[:size], (0, max(0, size - len(raw))))
    return pickle.loads(multihost_utils.broadcast_one_to_all(raw).tobytes())


def all_max(layout, number):
    """The largest number of all hosts, so that all of them decide the same by it."""
    if not several_hosts(layout):
        return number
    return float(multihost_utils.process_allgather(np.float32(number)).max())


def several_hosts(layout):
    """Whether the replicas' devices belong to several processes."""
    return len({device.process_index for device in layout.devices}) > 1


def _mesh(devices):
    return Mesh(np.array(devices), (AXIS,))


@functools.cache
def _identity(devices):
    """Compiled once per shape, not once per call."""
    return jax.pmap(lambda tree: tree, devices=devices)


def _on_devices(layout, tree):
    """First axis over the devices, by the layout that pmap itself uses."""
    if not jax.tree.leaves(tree):
        return tree  # pmap refuses to map nothing
    if several_hosts(layout):
        layout = NamedSharding(_mesh(layout.devices), P(AXIS))
        return jax.tree.map(
            lambda a: jax.make_array_from_callback(a.shape, layout, lambda part: a[part]), tree
        )
    return _identity(layout.devices)(tree)


def _over_seeds(function, layout, axes):
    """`function` of one seed -> of the seeds of one device; axes as for vmap (0 or None)."""
    if layout.mode == 'vmap':
        return jax.vmap(function, in_axes=axes)

    def mapped(*args):
        """lax.map takes one argument: the seeds' own arrays; the shared ones are closed over."""
        own = [a for a, axis in zip(args, axes, strict=True) if axis == 0]

        def one(own):
            own = iter(own)
            return function(
                *[next(own) if axis == 0 else a for a, axis in zip(args, axes, strict=True)]
            )

        if layout.per_device == 1:  # no loop: XLA optimizes the entry computation best
            only = one(jax.tree.map(lambda a: a[0], own))
            return jax.tree.map(lambda a: jnp.asarray(a)[None], only)
        chunk = layout.chunk if layout.chunk > 1 else None
        return jax.lax.map(one, own, batch_size=chunk)

    return mapped


def _map_over_hosts(function, devices, axes, donate):
    """What pmap does, for arrays that are spread over the devices of several hosts.

    pmap itself takes and gives each host's part of an array, but once compiled the whole.
    """

    def on_one_device(*args):
        own = [
            jax.tree.map(lambda leaf: leaf[0], a) if axis == 0 else a
            for a, axis in zip(args, axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], function(*own))

    spread = jax.shard_map(
        on_one_device,
        mesh=_mesh(devices),
        in_specs=tuple(P(AXIS) if axis == 0 else P() for axis in axes),
        out_specs=P(AXIS),
        check_vma=False,  # pmap does not check either
    )
    return jax.jit(spread, donate_argnums=donate)


def compile_for(layout, function, axes, *args, donate=(), runs_once=False):
    """Compiles one seed's `function` for all seeds.

    Args:
      replicas: the layout.
      function: pure function of one seed's arrays.
      axes: per argument 0 (an array of each seed's own, from `spread` or an earlier program),
        None (from `share`) or 'same' (a plain number, the same for all).
      *args: example arguments.
      donate: positions of arguments whose memory the result may take over.
      runs_once: compile without optimization, which takes a quarter of the time.

    Returns:
      (program, seconds it took to compile).
    """
    start = time.perf_counter()
    seed_axes = tuple(0 if axis == 0 else None for axis in axes)
    device_axes = tuple(None if axis == 'same' else 0 for axis in axes)
    mapped = _over_seeds(function, layout, seed_axes)
    if several_hosts(layout):
        program = _map_over_hosts(mapped, layout.devices, device_axes, donate)
    else:
        program = jax.pmap(
            mapped,
            axis_name=AXIS,
            in_axes=device_axes,
            devices=layout.devices,
            donate_argnums=donate,
        )
    options = {}
    if runs_once:
        options['xla_backend_optimization_level'] = 0
    if len(layout.devices) > 1 and layout.devices[0].platform == 'cpu':
        # Each core works for its own device; products split over all cores would only wait for
        # each other (the fully connected net: 1.1 to 1.2 times as fast).
        options['xla_cpu_multi_thread_eigen'] = False
    compiled = program.lower(*args).compile(compiler_options=options)
    return compiled, time.perf_counter() - start
