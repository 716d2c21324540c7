"""A seed's batches over several devices and in parts: who takes which, and sums over all.

Where there are more devices than seeds, devices share a seed: each holds the seed's whole
state, takes its part of every batch, and gradients and batch norm's sums are added over them.
Every random number is drawn as if there were one device, so the run is the same up to the
order in which numbers are added.
"""

from typing import Any, NamedTuple

import jax

AXIS = 'devices'  # the pmapped axis of parallel.compile_for


class Share(NamedTuple):
    """`parts` devices, one beside the other, share a seed; the program has `devices`."""

    parts: int = 1
    devices: int = 1

    def index(self):
        """This device's part, 0 to parts - 1."""
        return jax.lax.axis_index(AXIS) % self.parts if self.parts > 1 else 0

    def _groups(self):
        return [
            list(range(first, first + self.parts)) for first in range(0, self.devices, self.parts)
        ]

    def sum(self, tree):
        """Arrays summed over the devices that share this seed."""
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
    """What a layer may need to know of its batch beside the values."""

    mask: Any = None  # [N] bool, images that count; None for all
    share: Share = ALONE


EVERY_IMAGE = Batch()
