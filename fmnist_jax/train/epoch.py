"""The steps of an epoch as one loop on the device, for one seed.

The permutation of an epoch's images depends on (seed, epoch) alone, so the loop may be cut into
calls of any number of steps.
"""

import copy

import jax
import jax.numpy as jnp

from fmnist_jax.models.batch import ALONE
from fmnist_jax.train import step


def choose(condition, new, old):
    """The tree `new` if the condition ([] bool) holds, else `old`."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def permutation(config, seed, indices, epoch):
    """The training images of an epoch in random order, padded to whole batches."""
    count = indices.shape[0]
    key = jax.random.fold_in(step.seed_key(seed, step.PERMUTATION), epoch)
    # jax.random.permutation would sort twice, to break ties between the random bits.
    _, shuffled = jax.lax.sort_key_val(jax.random.bits(key, (count,)), indices)
    return jnp.pad(shuffled, (0, step.steps_per_epoch(config, count) * config.batch_size - count))


def batch_of(config, shuffled, count, i):
    """Batch i of a permutation: (its images [B], bool [B] of those that count or None for all)."""
    size = config.batch_size
    batch = jax.lax.dynamic_slice_in_dim(shuffled, i * size, size)
    return batch, None if count % size == 0 else i * size + jnp.arange(size) < count


def train_steps(config, state, metrics, seed, indices, data, epoch, start, stop, share=ALONE):
    """Runs the steps `start` to `stop` (excluded) of an epoch, counted from 1.

    Args:
      config, state, seed: as for `step.train_step`.
      metrics: Metrics of the epoch's earlier steps.
      indices: [n] int32, this seed's images.
      data: (images, labels) of the training set.
      epoch, start, stop: [] int32; traced, so that one program serves any number of steps.

    Returns:
      (State, Metrics of the epoch so far); both unchanged if early stopping has ended this seed.
    """
    count, (images, labels) = indices.shape[0], data

    def run(state):
        if config.head_epochs:
            whole_net_begins = (epoch == config.head_epochs + 1) & (start == 0)
            fresh = step.optimizer_of(config, count).init(state.params)
            opt_state = choose(whole_net_begins, fresh, state.opt_state)
            state = state._replace(opt_state=opt_state)
        shuffled = permutation(config, seed, indices, epoch)

        def one_step(i, carry):
            state, total = carry
            batch, mask = batch_of(config, shuffled, count, i)
            state, new = step.train_step(
                state, seed, images[batch], labels[batch], mask, config, count, share
            )
            return state, jax.tree.map(jnp.add, total, new)

        return jax.lax.fori_loop(start, stop, one_step, (state, metrics))

    return jax.lax.cond(state.stopped, lambda state: (state, metrics), run, state)


def head_only(config):
    """Settings of the first `head_epochs` epochs, which train the last dense layer alone."""
    head = copy.deepcopy(config)
    head.epochs, head.head_epochs = config.head_epochs, 0
    head.model.frozen_blocks = step.model_of(config).blocks
    return head
