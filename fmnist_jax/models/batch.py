"""Batches that several devices share.

With more devices than seeds, devices share a seed: each holds the seed's whole state and takes its
part of every batch, and gradients and the sums of batch norm are added over the devices. Random
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
