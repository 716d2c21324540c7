"""One training step of one seed as pure functions: arrays in, arrays out.

The random numbers of a step depend on (seed, step) alone, so a seed gives the same run alone or
among others. `epoch.py` loops over the steps, `fit/mesh.py` runs the loop for many seeds.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from fmnist_jax.data import catalog
from fmnist_jax.models import backend, frozen, make_model
from fmnist_jax.models import start as start_model
from fmnist_jax.models.batch import ALONE, Batch
from fmnist_jax.models.layers import is_off
from fmnist_jax.train import losses
from fmnist_jax.train.augment import augment, resize
from fmnist_jax.train.optimizers import make_optimizer
from fmnist_jax.train.schedules import make_schedule

# Each purpose of a seed's random numbers has its own stream.
INIT, PERMUTATION, STEP, FLIP = range(4)


class Best(NamedTuple):
    """The best parameters on the validation set so far."""

    params: Any
    batch_stats: Any
    score: jnp.ndarray  # [] float32: validation accuracy, or minus the validation loss
    epoch: jnp.ndarray  # [] int32, 0 before the first


class State(NamedTuple):
    """Everything that changes while one seed trains."""

    step: jnp.ndarray  # [] int32, optimizer steps done
    params: Any
    batch_stats: Any  # BatchNorm's running averages; an empty dict without BatchNorm
    opt_state: Any
    best: Best | None  # None if config.selection is 'last'
    stopped: jnp.ndarray  # [] bool, early stopping has ended this seed
    average: Any = None  # moving averages of (params, batch_stats) if config.average is on


def seed_key(seed, purpose):
    """The random key of a seed ([] int32) for INIT, PERMUTATION, STEP or FLIP."""
    return jax.random.fold_in(jax.random.key(seed), purpose)


def step_keys(seed, step):
    """The random keys of a step: (augmentation's, dropout's)."""
    return jax.random.split(jax.random.fold_in(seed_key(seed, STEP), step))


def steps_per_epoch(config, num_train):
    """Optimizer steps in an epoch; a smaller last batch is a step too, as in the reports."""
    return -(-num_train // config.batch_size)


def model_of(config):
    """The network that the settings name, with an output for each class of their data set."""
    fields, classes = config.model.to_dict(), len(catalog.class_names(config.dataset))
    return make_model(fields.pop('name'), classes, **fields)


def optimizer_of(config, num_train):
    """The optimizer, with its schedule over the epochs that train the whole network."""
    steps, epochs = steps_per_epoch(config, num_train), config.epochs - config.head_epochs
    schedule = make_schedule(config.schedule, config.optimizer.learning_rate, steps, epochs)
    return make_optimizer(config.optimizer, schedule)


def preprocess(images, config, key=None, share=ALONE):
    """uint8 [N, H, W] or [N, H, W, 3] -> [N / share.parts, *input_shape], augmented with a key.

    See data.catalog.input_shape.
    """
    x = (images if images.ndim == 4 else images[..., None]).astype(jnp.float32) / 255
    if key is not None and not config.augment.copies:  # copies are augmented before the training
        x = augment(key, x, config.augment)
    x = share.take(x)
    if config.dataset.image_size > x.shape[1]:
        x = resize(x, config.dataset.image_size)
    x = ((x - config.dataset.mean) / config.dataset.std).astype(config.compute)
    return jnp.broadcast_to(x, (*x.shape[:3], max(config.dataset.channels, x.shape[3])))


# Views of an image whose logits are averaged: (weight, mirrored, pixels down and to the right).
_VIEWS = {
    'one': ((1.0, False, 0),),
    'mirror': ((0.5, False, 0), (0.5, True, 0)),
    'mirror_shift': tuple(
        (weight, mirrored, shift)
        for weight, shift in ((0.25, 0), (0.125, 1), (0.125, -1))
        for mirrored in (False, True)
    ),
}
VIEWS = tuple(_VIEWS)


def logits(model, variables, images, config):
    """Logits float32 [N, K] of uint8 images [N, H, W, ...], averaged over config.test_views."""

    def of_view(view):
        outputs = model.apply(variables, preprocess(view, config), train=False)
        return outputs.astype(jnp.float32)

    weights, *how = zip(*_VIEWS[config.test_views], strict=True)
    views = [_view(images, mirrored, shift) for mirrored, shift in zip(*how, strict=True)]
    if len(views) == 1 or backend.name() == 'any':  # exported programs have no loop
        outputs = map(of_view, views)
    else:  # a loop, so that XLA compiles the network once
        outputs = jax.lax.map(of_view, jnp.stack(views))
    return sum(weight * output for weight, output in zip(weights, outputs, strict=True))


def _view(images, mirrored, shift):
    """Images [N, H, W, ...], mirrored or not, moved down and to the right by -1, 0 or 1 pixels."""
    view = images[:, :, ::-1] if mirrored else images
    if not shift:
        return view
    pad = ((0, 0), (1, 1), (1, 1), *[(0, 0)] * (images.ndim - 3))
    view = jnp.pad(view, pad)[:, 1 - shift :, 1 - shift :]
    return view[:, : images.shape[1], : images.shape[2]]


def init(config, seed, num_train, pretrained=None, images=None):
    """The State before the first step.

    Args:
      pretrained: any part of {'params', 'batch_stats'}.
      images: uint8 [N, H, W, ...], training images for networks that start from their statistics.
    """
    no_image = jnp.zeros((1, *catalog.image_shape(config.dataset)), jnp.uint8)
    inputs = preprocess(no_image, config)
    with backend.portable():  # this version of the layers is traced fastest; outputs are dropped
        variables = model_of(config).init(seed_key(seed, INIT), inputs, train=False)
    if pretrained:
        variables = unflatten_dict(flatten_dict(variables) | flatten_dict(pretrained))
    params, batch_stats = variables['params'], variables.get('batch_stats', {})
    if images is not None:
        params = start_model(model_of(config), params, preprocess(images, config))
    best = None
    if config.selection != 'last':
        best = Best(params, batch_stats, jnp.array(-jnp.inf), jnp.array(0, jnp.int32))
    opt_state = optimizer_of(config, num_train).init(params)
    average = None if is_off(config.average) else (params, batch_stats)
    step, stopped = jnp.array(0, jnp.int32), jnp.array(False)
    return State(step, params, batch_stats, opt_state, best, stopped, average)


def _loss(params, inputs, labels, batch, key, batch_stats, config):
    """(sum of a batch's losses, (Metrics, new batch_stats))."""
    variables = {'params': params, 'batch_stats': batch_stats}
    logits, updated = model_of(config).apply(
        variables, inputs, True, batch, rngs={'dropout': key}, mutable=['batch_stats']
    )
    logits = logits.astype(jnp.float32)
    per_image = losses.LOSSES[config.loss](logits, labels, config.label_smoothing)
    metrics = losses.measure(per_image, logits, labels, batch.mask, config.accuracy)
    return metrics.loss, (metrics, updated.get('batch_stats', {}))


def micro_batch_size(config, params, batch_stats):
    """Images that go through the network at a time; the whole batch with BatchNorm."""
    if jax.tree.leaves(batch_stats):
        return config.batch_size
    convolutions, dense = (
        sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim == ndim) for ndim in (4, 2)
    )
    wanted = config.micro_batch or config.batch_size
    if not config.micro_batch and convolutions and jax.default_backend() == 'cpu':
        # The activations of 8 images stay in the cache. Every part reads the dense kernels once, so
        # a network whose weights are mostly dense takes larger parts.
        wanted = 16 if dense > 100 * convolutions else 8
    divisor = max(k for k in range(1, wanted + 1) if config.batch_size % k == 0)
    return divisor if 2 * divisor > wanted else config.batch_size


def gradient(state, inputs, labels, mask, key, config, share=ALONE):
    """(gradient of the mean loss over the images of `mask`, Metrics, new batch_stats)."""
    params, batch_stats = state.params, state.batch_stats
    grad = jax.grad(partial(_loss, config=config, batch_stats=batch_stats), has_aux=True)
    size = micro_batch_size(config, params, batch_stats)
    if size == config.batch_size:
        grads, (metrics, batch_stats) = grad(params, inputs, labels, Batch(mask, share), key)
    else:
        parts = inputs.shape[0] // size
        split = jax.tree.map(lambda a: a.reshape(parts, size, *a.shape[1:]), (inputs, labels, mask))

        def add_part(total, part):
            i, (inputs, labels, mask) = part
            part_key = jax.random.fold_in(key, share.index() * parts + i)
            grads, (metrics, _) = grad(params, inputs, labels, Batch(mask), part_key)
            return jax.tree.map(jnp.add, total, (grads, metrics)), None

        zeros = (jax.tree.map(jnp.zeros_like, params), losses.zeros())
        (grads, metrics), _ = jax.lax.scan(add_part, zeros, (jnp.arange(parts), split))
    grads, metrics = share.sum((grads, metrics))
    return jax.tree.map(lambda g: g / metrics.count, grads), metrics, batch_stats


def train_step(state, seed, images, labels, mask, config, num_train, share=ALONE):
    """One optimizer step on uint8 images [B, H, W(, 3)] and labels [B]: (State, Metrics)."""
    augment_key, dropout_key = step_keys(seed, state.step)
    inputs = preprocess(images, config, augment_key, share)
    labels, mask = share.take((labels, mask))
    grads, metrics, batch_stats = gradient(state, inputs, labels, mask, dropout_key, config, share)
    optimizer = optimizer_of(config, num_train)
    grads = _without_frozen(config, grads)  # clip_norm must not count them
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    updates = _without_frozen(config, updates)  # weight decay would move frozen parameters
    params = optax.apply_updates(state.params, updates)
    step = state.step + 1
    average = _averaged(state, (params, batch_stats), config)
    state = State(step, params, batch_stats, opt_state, state.best, state.stopped, average)
    return state, metrics


def _without_frozen(config, tree):
    """A tree like the parameters, with zeros for those that the network freezes."""
    fixed = frozen(model_of(config), tree)
    return jax.tree.map(lambda leaf, keep: jnp.zeros_like(leaf) if keep else leaf, tree, fixed)


def _averaged(state, new, config):
    """The moving averages after a step. Their decay grows with the steps, as in TensorFlow's."""
    if state.average is None:
        return None
    decay = jnp.minimum(config.average, (1 + state.step) / (10 + state.step))
    return optax.incremental_update(new, state.average, 1 - decay)


def evaluated(state):
    """The `params` and `batch_stats` that are validated: the averages where there are some."""
    return (state.params, state.batch_stats) if state.average is None else state.average
