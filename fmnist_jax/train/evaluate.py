"""What happens between epochs and at the end: validation, early stopping, the test."""

import jax
import jax.numpy as jnp

from fmnist_jax.models.batch import ALONE
from fmnist_jax.train import losses
from fmnist_jax.train.step import Best, model_of, preprocess


def predict(config, params, batch_stats, images, indices, share=ALONE):
    """Logits [n, 10] of the uint8 images at `indices` [n]: all of them, in padded batches."""
    count = indices.shape[0]
    batch = min(config.eval_batch_size, -(-count // share.parts))
    padded = jnp.pad(indices, (0, -count % (batch * share.parts))).reshape(-1, batch)

    def one_batch(chosen):
        variables = {'params': params, 'batch_stats': batch_stats}
        inputs = preprocess(images[chosen], config)
        return model_of(config).apply(variables, inputs, train=False).astype(jnp.float32)

    logits = share.collect(jax.lax.map(one_batch, share.take(padded)))
    return logits.reshape(-1, 10)[:count]


def validate(config, state, indices, images, labels, epoch, share=ALONE):
    """Validation after an epoch: (State with the best so far and early stopping, Metrics).

    Args:
      config: resolved config; `selection` and `patience` say what is kept and when to stop.
      state: State after the epoch.
      indices: [n] int32, the validation images among `images`.
      images, labels: uint8 [N, 28, 28] and int32 [N].
      epoch: [] int32, counted from 1.
      share: the devices that evaluate a part each.
    """
    logits = predict(config, state.params, state.batch_stats, images, indices, share)
    measured = losses.evaluate(logits, labels[indices], config.loss)
    if state.best is None:
        return state, measured
    score = -measured.loss if config.selection == 'val_loss' else 1.0 * measured.correct
    score = score / measured.count
    better = (score > state.best.score) & ~state.stopped
    best = jax.tree.map(
        lambda new, old: jnp.where(better, new, old),
        Best(state.params, state.batch_stats, score, epoch),
        state.best,
    )
    stopped = state.stopped
    if config.patience > 0:
        stopped = stopped | (epoch - best.epoch >= config.patience)
    return state._replace(best=best, stopped=stopped), measured


def selected(state):
    """What is tested: has the `params` and `batch_stats` of the best epoch, or of the last."""
    return state if state.best is None else state.best


def validation_logits(config, state, indices, images, share=ALONE):
    """The chosen parameters on the validation images: logits [n, 10]."""
    best = selected(state)
    return predict(config, best.params, best.batch_stats, images, indices, share)


def test(config, state, images, labels, share=ALONE):
    """The chosen parameters on the whole test set: (logits [n, 10], Metrics)."""
    best = selected(state)
    everything = jnp.arange(images.shape[0])
    logits = predict(config, best.params, best.batch_stats, images, everything, share)
    return logits, losses.evaluate(logits, labels, config.loss)
