"""config.debug_nans: where a seed's numbers stop being finite, and in which layer first.

`jax_debug_nans` cannot look into a compiled loop over many seeds. So the states before each call
are kept; a call that leaves a number that is not finite is done again for that seed alone, step by
step, and its step once more, piece by piece: what a step does depends on (seed, step) alone.
"""

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.config.settings import with_hparams
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import mesh
from fmnist_jax.models.batch import Batch, micro_batch_size
from fmnist_jax.models.fused_norm import values
from fmnist_jax.train import epoch as epoch_steps
from fmnist_jax.train import losses, step


def keep(layout, state):
    """A copy of all seeds' states that outlives them: numpy [S, ...]."""
    return jax.tree.map(np.array, mesh.gather(layout, state))


def _names(tree):
    """The leaves of a tree that hold a number that is not finite, as 'Dense_0/kernel'."""
    return [
        '/'.join(str(getattr(part, 'key', getattr(part, 'name', part))) for part in path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if not np.isfinite(np.asarray(leaf, np.float32)).all()
    ]


def _trained(state):
    """What a step changes; the best so far starts at minus infinity."""
    return {
        'parameters': state.params,
        'running averages': state.batch_stats,
        'optimizer state': state.opt_state,
    }


def _seed(tree, number):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[number]), tree)


def check(settings, hparams, before, after, measured, arrays, epoch, start, stop):
    """Raises if a call of the compiled loop left a number that is not finite.

    Args:
      settings, numbers: a row's settings, and its numbers as float32.
      before, after: states of all seeds, [S, ...] (`keep`).
      measured: Metrics of the epoch so far, numpy [S].
      arrays: (indices [S, n], images, labels) of the training images, as numpy or on a device.
      epoch, start, stop: the call's steps.

    Raises:
      ConfigError: with seed, epoch, step and the first layer or parameter.
    """
    for number in range(len(measured.loss)):
        if np.isfinite(measured.loss[number]) and not _names(_seed(_trained(after), number)):
            continue
        if epoch <= settings.head_epochs:
            settings = step.head_only(settings)
        config = with_hparams(settings, hparams)
        indices, images, labels = arrays
        data = (jnp.asarray(indices[number]), jnp.asarray(images), jnp.asarray(labels))
        seed = settings.seed + number
        found = _search(config, _seed(before, number), seed, data, epoch, start, stop)
        raise ConfigError(f'config.debug_nans: seed {seed}, epoch {epoch}, {found}')


def _search(config, state, seed, data, epoch, start, stop):
    """Steps one by one: what was found, in words."""
    nothing = losses.zeros()
    run = jax.jit(
        lambda state, i: epoch_steps.train_steps(
            config, state, nothing, seed, *data, epoch, i, i + 1
        )
    )
    loss = None
    for i in range(start, stop):
        after, measured = run(state, i)
        if _names((measured.loss, _trained(after))):
            first = _first(config, state, after, seed, data, epoch, i)
            text = f'step {i + 1}: not finite first in {first}'
            return text + ('' if loss is None else f'; the loss of the step before was {loss:.3g}')
        loss = float(measured.loss / measured.count)
        state = after
    return (
        f'steps {start + 1} to {stop}: not finite when seeds are trained together, but not when '
        'this one is done again alone; rounding decides'
    )


def _first(config, state, after, seed, data, epoch, i):
    """The first piece of a step that holds a number that is not finite, in words."""
    indices, images, labels = data
    chosen, mask = epoch_steps.batch_of(config, seed, indices, epoch, i)
    augment_key, dropout_key = step.step_keys(seed, state.step)
    inputs = jax.jit(lambda x, key: step.preprocess(x, config, key))(images[chosen], augment_key)
    gradient = jax.jit(lambda *args: step.gradient(*args, config))
    grads, measured, batch_stats = gradient(state, inputs, labels[chosen], mask, dropout_key)
    pieces = (
        ('the parameters before it', lambda: _names(_trained(state))),
        ('the inputs', lambda: ['pixels'] if _names(inputs) else []),
        ('the activations of', lambda: _layers(config, state, inputs, mask, dropout_key)),
        ('the loss', lambda: ['mean over the batch'] if _names(measured.loss) else []),
        ('the gradient of', lambda: _names(grads)),
        ('the running averages of', lambda: _names(batch_stats)),
    )
    for what, find in pieces:
        names = find()
        if names:
            return f'{what} {_listed(names)}'
    return f'what the optimizer made of finite gradients: {_listed(_names(_trained(after)))}'


def _layers(config, state, inputs, mask, key):
    """The first layer whose values are not finite: [text] or [].

    With the layer before it, because an activation function may stand between the two.
    """
    size = micro_batch_size(config, state.params, state.batch_stats)
    parts = inputs.shape[0] // size
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    names = ['the inputs']

    @jax.jit
    def are_finite(inputs, mask, key):
        """For each layer, in the order of computation, whether its values are; fills `names`."""
        _, updated = step.model_of(config).apply(
            *(variables, inputs, True, Batch(mask)),
            rngs={'dropout': key},
            mutable=['batch_stats', 'intermediates'],
            capture_intermediates=True,
        )
        found = []
        for name, calls in updated['intermediates'].items():
            names.append(name.replace('__call__', 'the network'))
            outputs = calls if name == '__call__' else calls.get('__call__', ())
            found.append(jnp.array([jnp.isfinite(values(x)).all() for x in outputs]).all())
        return found

    for part in range(parts):
        here = slice(part * size, (part + 1) * size)
        part_key = key if size == config.batch_size else jax.random.fold_in(key, part)
        found = are_finite(inputs[here], None if mask is None else mask[here], part_key)
        for number, finite in enumerate(found, 1):
            if not finite:
                return [f'{names[number]}, behind {names[number - 1]}']
    return []


def _listed(names):
    return ', '.join(names[:6]) + (f' and {len(names) - 6} more' if len(names) > 6 else '')


def check_validation(settings, measured, epoch):
    """Raises if a validation loss (Metrics, numpy [S]) is not finite.

    Raises:
      ConfigError: with seed and epoch.
    """
    for number in np.flatnonzero(~np.isfinite(measured.loss)):
        raise ConfigError(
            f'config.debug_nans: seed {settings.seed + number}, epoch {epoch}: the validation loss '
            'is not finite; all numbers of the training are'
        )
