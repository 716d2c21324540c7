"""One seed's training step as pure functions: arrays in, arrays out.

Everything here is written for a single seed; `epoch_loop.py` loops over the steps of an epoch,
`parallel.py` runs that for many seeds. The random numbers of a step depend on (seed, step)
alone, so a seed gives the same run alone or among others.
"""

import copy
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from fmnist_jax.models import frozen, make_model
from fmnist_jax.models.batch import ALONE, Batch, micro_batch_size
from fmnist_jax.train import losses as metrics
from fmnist_jax.train.augment import augment, resize
from fmnist_jax.train.losses import LOSSES
from fmnist_jax.train.optimizers import make_optimizer
from fmnist_jax.train.schedules import make_schedule

# What a seed's random numbers are for; each gets a stream of its own.
INIT, ORDER, STEP = range(3)


class Best(NamedTuple):
    """What was best on the validation set so far."""

    params: Any
    batch_stats: Any
    score: jnp.ndarray  # [] float32: validation accuracy, or minus the validation loss
    epoch: jnp.ndarray  # [] int32, 0 before the first


class State(NamedTuple):
    """All that changes while one seed trains."""

    step: jnp.ndarray  # [] int32, optimizer steps done
    params: Any
    batch_stats: Any  # BatchNorm's running averages; an empty dict without BatchNorm
    opt_state: Any
    best: Best | None  # None when the last epoch is what counts
    stopped: jnp.ndarray  # [] bool, early stopping has ended this seed


def seed_key(seed, purpose):
    """The random key of a seed ([] int32) for INIT, ORDER or STEP."""
    return jax.random.fold_in(jax.random.key(seed), purpose)


def steps_per_epoch(config, num_train):
    """Optimizer steps in an epoch; a smaller last batch is a step too, as in the reports."""
    return -(-num_train // config.batch_size)


def model_of(config):
    """The network that a resolved config names."""
    fields = config.model.to_dict()
    return make_model(fields.pop('name'), **fields)


def _optimizer(config, num_train):
    """The optimizer with its schedule over the epochs in which the whole network is trained."""
    schedule = make_schedule(
        config.schedule,
        config.optimizer.learning_rate,
        steps_per_epoch(config, num_train),
        config.epochs - config.head_epochs,
    )
    return make_optimizer(config.optimizer, schedule)


def preprocess(images, config, key=None, share=ALONE):
    """uint8 [N, 28, 28] -> inputs [N / share.parts, size, size, channels] of `config.compute`.

    Pixels to [0, 1]; augmentation if a key is given (training images only); up-scaling; then
    (x - mean) / std. Done batch by batch on the device: the data set stays uint8.
    """
    x = images[..., None].astype(jnp.float32) / 255
    if key is not None:
        x = augment(key, x, config.augment)
    x = share.take(x)
    if config.dataset.image_size != x.shape[1]:
        x = resize(x, config.dataset.image_size)
    x = ((x - config.dataset.mean) / config.dataset.std).astype(config.compute)
    return jnp.broadcast_to(x, (*x.shape[:3], config.dataset.channels))


def init(config, seed, num_train, pretrained=None):
    """The State before the first step.

    Args:
      config: a resolved config (see configs/base.py); its numbers may be traced.
      seed: [] int32.
      num_train: training images, for the learning-rate schedule.
      pretrained: {'params', 'batch_stats'}: what does not start at random, any part of each.
    """
    key = seed_key(seed, INIT)
    inputs = preprocess(jnp.zeros((1, 28, 28), jnp.uint8), config)
    variables = model_of(config).init(key, inputs, train=False)
    if pretrained:
        flat = flatten_dict(variables) | flatten_dict(pretrained)
        variables = unflatten_dict(flat)
    params, batch_stats = variables['params'], variables.get('batch_stats', {})
    best = None
    if config.selection != 'last':
        best = Best(params, batch_stats, jnp.array(-jnp.inf), jnp.array(0, jnp.int32))
    opt_state = _optimizer(config, num_train).init(params)
    return State(jnp.array(0, jnp.int32), params, batch_stats, opt_state, best, jnp.array(False))


def _loss(params, batch_stats, inputs, labels, batch, key, config):
    """Sum of the losses of a batch, with (metrics, new batch_stats) beside it."""
    variables = {'params': params, 'batch_stats': batch_stats}
    logits, updated = model_of(config).apply(
        variables, inputs, True, batch, rngs={'dropout': key}, mutable=['batch_stats']
    )
    logits = logits.astype(jnp.float32)
    losses = LOSSES[config.loss](logits, labels, config.label_smoothing)
    measured = metrics.measure(losses, logits, labels, batch.mask)
    return measured.loss, (measured, updated.get('batch_stats', {}))


def gradient(state, inputs, labels, mask, key, config, share=ALONE):
    """Gradient of the batch's mean loss, its metrics, and the new batch_stats.

    Without BatchNorm a batch's gradient is the sum of its parts' gradients, so the batch can
    go through in parts (`micro_batch_size`). mask: [N] bool, images that count, or None.
    """
    grad = jax.grad(_loss, has_aux=True)
    size = micro_batch_size(config, state.params, state.batch_stats)
    if size == config.batch_size:
        grads, (measured, batch_stats) = grad(
            *(state.params, state.batch_stats, inputs, labels, Batch(mask, share), key, config)
        )
    else:
        parts = inputs.shape[0] // size
        split = jax.tree.map(lambda a: a.reshape(parts, size, *a.shape[1:]), (inputs, labels, mask))

        def add_part(total, part):
            i, (inputs, labels, mask) = part
            part_key = jax.random.fold_in(key, share.index() * parts + i)
            grads, (measured, _) = grad(
                *(state.params, state.batch_stats, inputs, labels, Batch(mask), part_key, config)
            )
            return jax.tree.map(jnp.add, total, (grads, measured)), None

        nothing = (jax.tree.map(jnp.zeros_like, state.params), metrics.zeros())
        (grads, measured), _ = jax.lax.scan(add_part, nothing, (jnp.arange(parts), split))
        batch_stats = state.batch_stats
    grads, measured = share.sum((grads, measured))
    return jax.tree.map(lambda g: g / measured.count, grads), measured, batch_stats


def step_keys(seed, step):
    """The random keys of a step: (augmentation's, dropout's)."""
    return jax.random.split(jax.random.fold_in(seed_key(seed, STEP), step))


def train_step(state, seed, images, labels, mask, config, num_train, share=ALONE):
    """One optimizer step on uint8 images [B, 28, 28] and labels [B]: (State, Metrics)."""
    augment_key, dropout_key = step_keys(seed, state.step)
    inputs = preprocess(images, config, augment_key, share)
    labels, mask = share.take((labels, mask))
    grads, measured, batch_stats = gradient(state, inputs, labels, mask, dropout_key, config, share)
    updates, opt_state = _optimizer(config, num_train).update(grads, state.opt_state, state.params)
    fixed = frozen(model_of(config), state.params)  # their gradient is zero, weight decay is not
    updates = jax.tree.map(lambda u, keep: jnp.zeros_like(u) if keep else u, updates, fixed)
    params = optax.apply_updates(state.params, updates)
    state = state._replace(
        step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state
    )
    return state, measured


def head_only(config):
    """Settings of the first `head_epochs` epochs: every block is frozen, the dense layer learns."""
    head = copy.deepcopy(config)
    head.epochs, head.head_epochs = config.head_epochs, 0
    head.model.frozen_blocks = model_of(config).blocks
    return head


def restart_optimizer(config, state, num_train, now):
    """With a fresh optimizer, its schedule at the start, if `now` ([] bool) says so."""
    fresh = _optimizer(config, num_train).init(state.params)
    opt_state = jax.tree.map(lambda new, old: jnp.where(now, new, old), fresh, state.opt_state)
    return state._replace(opt_state=opt_state)
