"""config.debug_nans: in which step and layer a seed's numbers first stop being finite.

`jax_debug_nans` cannot look into a compiled loop over many seeds. So the states before each call
are copied, and the steps of a failing call are repeated for the seed alone, one by one.
"""

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.config.settings import with_hparams
from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import mesh
from fmnist_jax.models.batch import Batch
from fmnist_jax.models.fused_norm import values
from fmnist_jax.train import epoch as epochs
from fmnist_jax.train import losses, step


def copy(layout, state):
    """A copy of all seeds' states: numpy [S, ...]."""
    return jax.tree.map(np.array, mesh.gather(layout, state))


def _names(tree):
    """Names of the leaves with a number that is not finite, such as 'Dense_0/kernel'."""
    return [
        '/'.join(str(getattr(part, 'key', getattr(part, 'name', part))) for part in path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if not np.isfinite(np.asarray(leaf, np.float32)).all()
    ]


def _trained(state):
    """The parts of a state that a step changes."""
    return {
        'parameters': state.params,
        'running averages': state.batch_stats,
        'optimizer state': state.opt_state,
    }


def _seed(tree, number):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[number]), tree)


def check(run, before, state, metrics, epoch, start, stop):
    """Raises ConfigError if a call of the loop led from `before` to a number that is not finite."""
    settings, after = run.settings, copy(run.layout, state)
    seeds = mesh.gather(run.layout, run.seeds)
    for number in range(run.layout.count):
        if np.isfinite(metrics.loss[number]) and not _names(_seed(_trained(after), number)):
            continue
        if epoch <= settings.head_epochs:
            settings = epochs.head_only(settings)
        config = with_hparams(settings, _hparams(run, number))
        indices = _seed(mesh.gather(run.layout, run.data.train_indices), number)
        data = _seed(run.data.examples, 0)
        seed = int(seeds[number])
        cause = _search(config, _seed(before, number), seed, indices, data, epoch, start, stop)
        raise ConfigError(f'config.debug_nans: seed {seed}, epoch {epoch}, {cause}')


def _hparams(run, number):
    """The hyper-parameters of one seed; the trials of a search have arrays over the seeds."""
    shared = {path: value for path, value in run.hparams.items() if not np.ndim(value)}
    own = {path: value for path, value in run.hparams.items() if np.ndim(value)}
    return shared | _seed(mesh.gather(run.layout, own), number)


def _search(config, state, seed, indices, data, epoch, start, stop):
    """Repeats the steps one by one: the cause, in words."""

    @jax.jit
    def run(state, i):
        metrics = losses.zeros()
        return epochs.train_steps(config, state, metrics, seed, indices, data, epoch, i, i + 1)

    loss = None
    for i in range(start, stop):
        after, metrics = run(state, i)
        if _names((metrics.loss, _trained(after))):
            first = _first(config, state, after, seed, indices, data, epoch, i)
            text = f'step {i + 1}: not finite first in {first}'
            return text + ('' if loss is None else f'; the loss of the step before was {loss:.3g}')
        loss, state = float(metrics.loss / metrics.count), after
    return (
        f'steps {start + 1} to {stop}: not finite in the training of all seeds together; the same '
        'steps of this seed alone, which round otherwise, are finite'
    )


def _first(config, state, after, seed, indices, data, epoch, i):
    """The first piece of a step with a number that is not finite, in words."""
    images, labels = data
    shuffled = epochs.permutation(config, seed, indices, epoch)
    batch, mask = epochs.batch_of(config, shuffled, len(indices), i)
    images = epochs.images_of(config, seed, images, batch, epoch)
    augment_key, dropout_key = step.step_keys(seed, state.step)
    inputs = jax.jit(lambda x, key: step.preprocess(x, config, key))(images, augment_key)
    gradient = jax.jit(lambda *args: step.gradient(*args, config))
    grads, metrics, batch_stats = gradient(state, inputs, labels[batch], mask, dropout_key)
    pieces = {
        'the parameters before it': _names(_trained(state)),
        'the inputs': ['pixels'] if _names(inputs) else [],
        'the activations of': _layers(config, state, inputs, mask, dropout_key),
        'the loss': ['mean over the batch'] if _names(metrics.loss) else [],
        'the gradient of': _names(grads),
        'the running averages of': _names(batch_stats),
        'what the optimizer made of finite gradients:': _names(_trained(after)),
    }
    piece, names = next((piece, names) for piece, names in pieces.items() if names)
    more = f' and {len(names) - 6} more' if len(names) > 6 else ''
    return f'{piece} {", ".join(names[:6])}{more}'


def _layers(config, state, inputs, mask, key):
    """[the first layer whose values are not finite, with the layer before it] or []."""
    size = step.micro_batch_size(config, state.params, state.batch_stats)
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    names = ['the inputs']

    @jax.jit
    def are_finite(inputs, mask, key):
        """One bool per layer, in the order of computation; fills `names` when traced."""
        options = {'rngs': {'dropout': key}, 'mutable': ['batch_stats', 'intermediates']}
        _, updated = step.model_of(config).apply(
            variables, inputs, True, Batch(mask), capture_intermediates=True, **options
        )
        finite = []
        for name, calls in updated['intermediates'].items():
            names.append(name.replace('__call__', 'the network'))
            outputs = calls if name == '__call__' else calls.get('__call__', ())
            finite.append(jnp.array([jnp.isfinite(values(x)).all() for x in outputs]).all())
        return finite

    for number in range(inputs.shape[0] // size):
        part = slice(number * size, (number + 1) * size)
        part_key = key if size == config.batch_size else jax.random.fold_in(key, number)
        part_mask = None if mask is None else mask[part]
        for layer, finite in enumerate(are_finite(inputs[part], part_mask, part_key), 1):
            if not finite:
                return [f'{names[layer]}, behind {names[layer - 1]}']
    return []


def check_validation(run, metrics, epoch):
    """Raises ConfigError if a seed's validation loss (Metrics, numpy [S]) is not finite."""
    for number in np.flatnonzero(~np.isfinite(metrics.loss)):
        seed = mesh.gather(run.layout, run.seeds)[number]
        raise ConfigError(
            f'config.debug_nans: seed {seed}, epoch {epoch}: the validation loss is not finite; '
            'all numbers of the training are'
        )
