"""Batches that several devices share, and micro-batches.

With more devices than seeds, devices share a seed: each holds the seed's whole state and takes
its part of every batch; gradients and the sums of batch norm are added over the devices. Random
numbers are drawn for the whole batch, so the run is the same up to the order of additions.
"""

from typing import Any, NamedTuple

import jax

AXIS = 'devices'  # the pmapped axis of fit/mesh.py


class Share(NamedTuple):
    """`parts` neighbouring devices of `devices` in the program share a seed."""

    parts: int = 1
    devices: int = 1

    def index(self):
        """Number of this device's part, 0 to parts - 1."""
        return jax.lax.axis_index(AXIS) % self.parts if self.parts > 1 else 0

    def _groups(self):
        starts = range(0, self.devices, self.parts)
        return [list(range(start, start + self.parts)) for start in starts]

    def sum(self, tree):
        """Sums arrays over the devices that share this seed."""
        if self.parts == 1:
            return tree
        return jax.lax.psum(tree, AXIS, axis_index_groups=self._groups())

    def take(self, tree):
        """Arrays [N, ...] -> this device's [N / parts, ...]; `parts` must divide N."""
        if self.parts == 1:
            return tree

        def part(array):
            size = array.shape[0] // self.parts
            return jax.lax.dynamic_slice_in_dim(array, self.index() * size, size)

        return jax.tree.map(part, tree)

    def collect(self, array):
        """The inverse of `take`: every device gets [N, ...]."""
        if self.parts == 1:
            return array
        return jax.lax.all_gather(array, AXIS, axis_index_groups=self._groups(), tiled=True)


ALONE = Share()


class Batch(NamedTuple):
    """What layers need to know of a batch beside its values."""

    mask: Any = None  # [N] bool, images that count; None for all
    share: Share = ALONE


EVERY_IMAGE = Batch()


# On a CPU, convolutional nets without batch norm see this many images of a batch at a time:
# their activations then stay in the cache. (Four seeds on two cores: the simple CNN trained 7,230
# images/s with 8 of them, 6,110 with 16; LeNet-5 49,200 and 52,400.)
_CPU_MICRO_BATCH = 8
# Every part reads a dense layer's kernel and adds to its gradient. Where that is most of the
# work, twice as many images share it. (Report 004's one convolution of 16 filters before 128 nodes
# trained 1.35 times as many images/s with 16 as with 8, of 64 filters 1.27, of 16 and 64 filters
# 1.16; from 32 on the activations leave the cache, and fewer cores could share a batch.)
_CPU_MICRO_BATCH_DENSE = 16
_MOSTLY_DENSE = 100  # a weight of a convolution is used at hundreds of pixels, a dense one once


def _fastest_micro_batch(params):
    """Images of a batch that are best seen at a time; None for all."""
    convolutions, dense = (
        sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim == ndim) for ndim in (4, 2)
    )
    if jax.default_backend() != 'cpu' or not convolutions:
        return None
    return _CPU_MICRO_BATCH_DENSE if dense > _MOSTLY_DENSE * convolutions else _CPU_MICRO_BATCH


def micro_batch_size(config, params, batch_stats):
    """Images that go through the network at a time; the whole batch if it needs to be.

    BatchNorm needs the statistics of the whole batch; a dense net is fastest on all of it.
    """
    wanted = config.micro_batch
    if wanted == 0:
        wanted = _fastest_micro_batch(params) or config.batch_size
    if jax.tree.leaves(batch_stats):
        return config.batch_size
    divisor = max(k for k in range(1, wanted + 1) if config.batch_size % k == 0)
    return divisor if 2 * divisor > wanted else config.batch_size


def devices_per_seed(config, params, batch_stats, available):
    """Devices that share a seed's batches: as asked for, or chosen; at most `available`.

    A convolutional net on a CPU is fastest with a part of the batch on each core; elsewhere one
    device is more than a seed can fill. Who starts several hosts wants all of them used.

    Raises:
      ValueError: config.devices_per_seed cannot be had; names it.
    """
    size = micro_batch_size(config, params, batch_stats)
    parts = config.batch_size if size == config.batch_size else config.batch_size // size
    possible = [k for k in range(1, available + 1) if parts % k == 0]
    if config.devices_per_seed == 0:
        convolutional = any(leaf.ndim == 4 for leaf in jax.tree.leaves(params))
        on_cpu = jax.default_backend() == 'cpu'
        return max(possible) if (convolutional and on_cpu) or jax.process_count() > 1 else 1
    if config.devices_per_seed not in possible:
        raise ValueError(
            f'config.devices_per_seed={config.devices_per_seed}: expected one of '
            f'{", ".join(map(str, possible))}: {available} devices for each seed, and a batch of '
            f'{config.batch_size} images in {parts} parts'
        )
    return config.devices_per_seed
