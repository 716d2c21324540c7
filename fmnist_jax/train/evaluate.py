"""Validation and early stopping after each epoch, the test at the end; for one seed."""

import jax
import jax.numpy as jnp

from fmnist_jax.models.batch import ALONE
from fmnist_jax.train import losses
from fmnist_jax.train.epoch import choose
from fmnist_jax.train.step import Best, model_of, preprocess


def predict(config, params, batch_stats, images, indices, share=ALONE):
    """Logits [n, 10] of the uint8 images at `indices` [n], computed in padded batches."""
    count = indices.shape[0]
    batch = min(config.eval_batch_size, -(-count // share.parts))
    padded = jnp.pad(indices, (0, -count % (batch * share.parts))).reshape(-1, batch)

    def one_batch(indices):
        variables = {'params': params, 'batch_stats': batch_stats}
        inputs = preprocess(images[indices], config)
        return model_of(config).apply(variables, inputs, train=False).astype(jnp.float32)

    logits = share.collect(jax.lax.map(one_batch, share.take(padded)))
    return logits.reshape(-1, 10)[:count]


def validate(config, state, indices, data, epoch, share=ALONE):
    """Validates after an epoch, counted from 1: (State with its best and early stopping, Metrics).

    indices: [n] int32, the validation images among those of data, (images, labels).
    """
    images, labels = data
    logits = predict(config, state.params, state.batch_stats, images, indices, share)
    metrics = losses.evaluate(logits, labels[indices], config.loss)
    if state.best is None:
        return state, metrics
    score = -metrics.loss if config.selection == 'val_loss' else 1.0 * metrics.correct
    score = score / metrics.count
    better = (score > state.best.score) & ~state.stopped
    best = choose(better, Best(state.params, state.batch_stats, score, epoch), state.best)
    if config.patience > 0:
        state = state._replace(stopped=state.stopped | (epoch - best.epoch >= config.patience))
    return state._replace(best=best), metrics


def selected(state):
    """The tested `params` and `batch_stats`: a Best, or the State itself with selection 'last'."""
    return state if state.best is None else state.best


def validation_logits(config, state, indices, images, share=ALONE):
    """Logits [n, 10] of the selected parameters on the validation images."""
    best = selected(state)
    return predict(config, best.params, best.batch_stats, images, indices, share)


def test(config, state, data, share=ALONE):
    """The selected parameters on the whole test set: (logits [n, 10], Metrics)."""
    images, labels = data
    logits = validation_logits(config, state, jnp.arange(images.shape[0]), images, share)
    return logits, losses.evaluate(logits, labels, config.loss)
