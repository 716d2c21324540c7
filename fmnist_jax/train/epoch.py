"""An epoch of one seed as one loop on the device, the evaluation of a network, the best epoch.

The permutation of an epoch's images depends on (seed, epoch) alone, so the loop may be cut into
calls of any number of steps.
"""

import copy

import jax
import jax.numpy as jnp

from fmnist_jax.data import catalog
from fmnist_jax.models.batch import ALONE
from fmnist_jax.train import augment, losses, step


def _choose(condition, new, old):
    """The tree `new` if the condition ([] bool) holds, else `old`."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def permutation(config, seed, indices, epoch):
    """The indices of an epoch's training images in random order, padded to whole batches."""
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


def images_of(config, seed, images, batch, epoch):
    """The uint8 images of a batch, mirrored in every other epoch with augment.alternate_flip."""
    if not config.augment.alternate_flip:
        return images[batch]
    return augment.alternate_flip(step.seed_key(seed, step.FLIP), images[batch], batch, epoch)


def train_steps(config, state, metrics, seed, indices, data, epoch, start, stop, share=ALONE):
    """Runs the steps `start` to `stop` (excluded) of an epoch, counted from 1.

    Args:
      metrics: Metrics of the epoch's earlier steps.
      indices: [n] int32, this seed's images among those of data, (images, labels).
      epoch, start, stop: [] int32; traced, so that one program serves any number of steps.

    Returns:
      (State, Metrics of the epoch so far); both unchanged if early stopping has ended this seed.
    """
    count, (images, labels) = indices.shape[0], data

    def run(state):
        """Trains a seed that has not stopped."""
        if config.head_epochs:
            whole_net_begins = (epoch == config.head_epochs + 1) & (start == 0)
            fresh = step.optimizer_of(config, count).init(state.params)
            opt_state = _choose(whole_net_begins, fresh, state.opt_state)
            state = state._replace(opt_state=opt_state)
        shuffled = permutation(config, seed, indices, epoch)

        def one_step(i, carry):
            state, total = carry
            batch, mask = batch_of(config, shuffled, count, i)
            batch = (images_of(config, seed, images, batch, epoch), labels[batch], mask)
            state, new = step.train_step(state, seed, *batch, config, count, share)
            return state, jax.tree.map(jnp.add, total, new)

        return jax.lax.fori_loop(start, stop, one_step, (state, metrics))

    return jax.lax.cond(state.stopped, lambda state: (state, metrics), run, state)


def head_only(config):
    """Settings of the first `head_epochs` epochs, which train the last dense layer alone."""
    head = copy.deepcopy(config)
    head.epochs, head.head_epochs = config.head_epochs, 0
    head.model.frozen_blocks = step.model_of(config).blocks
    return head


def predict(config, params, batch_stats, images, indices, count=None, share=ALONE):
    """Logits [n, classes] of the uint8 images at `indices` [n], computed in padded batches.

    count: [] int32, how many of the first images are computed, None for all. The other logits are
      undefined. `count` may be traced, so one program serves any number of images.
    """
    total, classes = indices.shape[0], len(catalog.class_names(config.dataset))
    batch = min(config.eval_batch_size, -(-total // share.parts))
    together = batch * share.parts  # images that this seed's devices compute at a time
    padded = jnp.pad(indices, (0, -total % together)).reshape(-1, together)
    batches = -(-(total if count is None else count) // together)
    model, variables = step.model_of(config), {'params': params, 'batch_stats': batch_stats}

    def one_batch(i, logits):
        own = images[share.take(padded[i])]
        return logits.at[i].set(step.logits(model, variables, own, config))

    logits = jnp.zeros((len(padded), batch, classes))  # this device's part
    logits = jax.lax.fori_loop(0, batches, one_batch, logits)
    return share.collect(logits.swapaxes(0, 1)).swapaxes(0, 1).reshape(-1, classes)[:total]


def evaluate(config, params, batch_stats, indices, count, data, share=ALONE):
    """Evaluates a network on the first `count` images of data, (images, labels), at `indices` [n].

    Returns:
      (logits [n, classes], of which the first `count` are computed; their Metrics).
    """
    images, labels = data
    logits = predict(config, params, batch_stats, images, indices, count, share)
    mask = jnp.arange(indices.shape[0]) < count
    return logits, losses.evaluate(logits, labels[indices], config.loss, config.accuracy, mask)


def keep_best(config, state, metrics, epoch, share=ALONE):
    """The State after an epoch's validation: its best parameters, and early stopping."""
    score = -metrics.loss if config.selection == 'val_loss' else 1.0 * metrics.correct
    score = score / metrics.count
    score = jnp.where(jnp.isnan(score), -jnp.inf, score)
    # A seed that diverges at once keeps its first epoch, whose loss tells it.
    better = ((score > state.best.score) | (state.best.epoch == 0)) & ~state.stopped
    best = _choose(better, step.Best(*step.evaluated(state), score, epoch), state.best)
    if config.patience > 0:
        state = state._replace(stopped=state.stopped | (epoch - best.epoch >= config.patience))
    return state._replace(best=best)


def selected(state):
    """The tested `params` and `batch_stats`: the best ones, with selection 'last' the last ones."""
    best = state.best
    return step.evaluated(state) if best is None else (best.params, best.batch_stats)
