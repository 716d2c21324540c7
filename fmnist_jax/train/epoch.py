"""The steps of an epoch as one loop on the device, for one seed.

The order of an epoch's images depends on (seed, epoch) alone, so the loop may be cut into calls
of any number of steps: the run is the same.
"""

import jax
import jax.numpy as jnp

from fmnist_jax.models.batch import ALONE
from fmnist_jax.train import losses
from fmnist_jax.train.step import ORDER, restart_optimizer, seed_key, steps_per_epoch, train_step


def _order(config, seed, indices, epoch):
    """This epoch's order of the training images, filled up to whole batches."""
    count = indices.shape[0]
    order_key = jax.random.fold_in(seed_key(seed, ORDER), epoch)
    # Sorted by random bits, once: jax.random.permutation sorts twice to break ties, which
    # hardly matter here, and takes 22 ms for 60,000 images instead of 11.
    bits = jax.random.bits(order_key, (count,))
    _, order = jax.lax.sort_key_val(bits, indices)
    return jnp.pad(order, (0, steps_per_epoch(config, count) * config.batch_size - count))


def _batch(config, order, count, i):
    """(which images are in batch i, which of them count or None for all)."""
    size = config.batch_size
    chosen = jax.lax.dynamic_slice_in_dim(order, i * size, size)
    return chosen, None if count % size == 0 else i * size + jnp.arange(size) < count


def batch_of(config, seed, indices, epoch, i):
    """Batch i of an epoch: (which images, which of them count or None for all)."""
    return _batch(config, _order(config, seed, indices, epoch), indices.shape[0], i)


def train_steps(
    config, state, measured, seed, indices, images, labels, epoch, start, stop, share=ALONE
):
    """The steps `start` to `stop` (excluded) of an epoch: (State, Metrics of the epoch so far).

    Args:
      config: resolved config.
      state: State after all steps before these.
      measured: Metrics of the epoch's steps before these. Added up here, step by step, so that
        the sums do not depend on where the epoch is cut either.
      seed: [] int32.
      indices: [n] int32, which images are this seed's training images.
      images, labels: the whole training set, uint8 [N, 28, 28] and int32 [N].
      epoch: [] int32, counted from 1.
      start, stop: [] int32; traced, so that one program serves any number of steps.
      share: the devices that take a part of each batch.

    A seed that early stopping has ended does nothing: its state comes back as it was.
    """
    count = indices.shape[0]

    def run(state):
        """The loop of a seed that has not stopped."""
        if config.head_epochs:
            whole_net_begins = (epoch == config.head_epochs + 1) & (start == 0)
            state = restart_optimizer(config, state, count, whole_net_begins)
        order = _order(config, seed, indices, epoch)

        def one_step(i, carry):
            state, total = carry
            chosen, mask = _batch(config, order, count, i)
            state, measured = train_step(
                state, seed, images[chosen], labels[chosen], mask, config, count, share
            )
            return state, losses.add(total, measured)

        return jax.lax.fori_loop(start, stop, one_step, (state, measured))

    return jax.lax.cond(state.stopped, lambda state: (state, measured), run, state)
