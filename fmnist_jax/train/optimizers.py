"""Optimizers with PyTorch's or Keras' exact update rule.

The reports name an optimizer and a learning rate and leave the rest to their framework, so the
framework is a setting here: 001, 002 and 003 used PyTorch, 000 and 004 Keras.

Numbers may be traced; the Python number 0.0 is off (off.py).
"""

import jax
import jax.numpy as jnp
import optax

from fmnist_jax.models.layers import is_off

# Sources: torch.optim.RMSprop, Adam, AdamW (2.13); keras/src/optimizers/rmsprop.py, adam.py (3).
CONSTANTS = {
    'pytorch': {
        'rmsprop': {'decay': 0.99, 'eps': 1e-8, 'eps_in_sqrt': False},
        'adam': {'b1': 0.9, 'b2': 0.999, 'eps': 1e-8},
    },
    'keras': {
        'rmsprop': {'decay': 0.9, 'eps': 1e-7, 'eps_in_sqrt': True},
        'adam': {'b1': 0.9, 'b2': 0.999, 'eps': 1e-7},
    },
}


def _check_choice(field, value, choices):
    if value not in choices:
        raise ValueError(f'{field}={value!r}: expected one of {", ".join(choices)}')


def _sgd(framework):
    del framework  # both take the gradient as it is
    return optax.identity()


def _rmsprop(framework):
    return optax.scale_by_rms(**CONSTANTS[framework]['rmsprop'])


def _adam(framework):
    constants = CONSTANTS[framework]['adam']
    if framework == 'keras':
        return _scale_by_keras_adam(**constants)
    return optax.scale_by_adam(**constants)


def _scale_by_keras_adam(b1, b2, eps):
    """Adam with Keras' epsilon, the "epsilon hat" of Kingma & Ba (2015), section 2.

    Keras adds eps to the root of the moment before its bias correction, PyTorch and optax
    after. The same rule follows from theirs with eps / sqrt(1 - b2^t): 32 eps at step 1.
    """

    def update(gradient, state, params=None):
        corrected_eps = eps / jnp.sqrt(1 - b2 ** (state.count + 1))
        return optax.scale_by_adam(b1, b2, corrected_eps).update(gradient, state, params)

    return optax.GradientTransformation(optax.scale_by_adam(b1, b2, eps).init, update)


OPTIMIZERS = {'sgd': _sgd, 'rmsprop': _rmsprop, 'adam': _adam, 'adamw': _adam}


def _kernels(params):
    """Which leaves are kernels, of layers of any kind."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def _dense_kernels(params):
    return jax.tree.map(lambda leaf: leaf.ndim == 2, params)


L2_ON = {'all': None, 'kernels': _kernels, 'dense': _dense_kernels}  # -> optax mask


def l2_penalty(config, params):
    """What minimizing a loss would have to add for `l2` to be its gradient: l2 / 2 · Σ w²."""
    chosen = L2_ON[config.l2_on]
    acts_on = chosen(params) if chosen else jax.tree.map(lambda _: True, params)
    squares = jax.tree.map(lambda w, here: jnp.sum(w * w) if here else 0.0, params, acts_on)
    return config.l2 / 2 * sum(jax.tree.leaves(squares))


def _check_optimizer(config):
    """A setting that the optimizer would silently ignore is an error."""
    _check_choice('optimizer.name', config.name, OPTIMIZERS)
    _check_choice('optimizer.framework', config.framework, CONSTANTS)
    _check_choice('optimizer.l2_on', config.l2_on, L2_ON)
    if not is_off(config.momentum) and config.name not in ('sgd', 'rmsprop'):
        raise ValueError(
            f'optimizer.momentum is set with name={config.name!r}: only sgd and rmsprop have it'
        )
    if config.nesterov and (config.name != 'sgd' or is_off(config.momentum)):
        raise ValueError(
            f'optimizer.nesterov=True with name={config.name!r}: it needs sgd and momentum'
        )
    if not is_off(config.weight_decay) and config.name != 'adamw':
        raise ValueError(
            f'optimizer.weight_decay is set with name={config.name!r}: only adamw has it; '
            'l2 is the decay that is added to the gradient'
        )


def make_optimizer(config, schedule):
    """The optimizer that a config names, as a transformation of gradients to updates.

    In order: clip the gradient's global norm (torch.nn.utils.clip_grad_norm_, called before the
    step; its 1e-6 beside the norm is left out); add `l2` times the parameters (PyTorch's
    `weight_decay` of every optimizer but AdamW; a Keras regularizer L2(x) is l2 = 2x); the
    optimizer's rule; decoupled weight decay; momentum and learning rate. Both decays act on
    every parameter, biases and BatchNorm included, as in PyTorch; `l2` on less with `l2_on`:
    'kernels', of all layers (a Keras kernel_regularizer on each), or 'dense', those of the dense
    layers alone.

    Args:
      config: attributes `name` (see OPTIMIZERS), `framework` ('pytorch' or 'keras'),
        `momentum`, `nesterov` (bool), `l2`, `l2_on` (see L2_ON), `weight_decay`, `clip_norm`.
      schedule: step -> learning rate, from `schedules.make_schedule`.

    Returns:
      optax.GradientTransformation; `update` needs the parameters.

    Raises:
      ValueError: unknown name or framework, or a setting that this optimizer does not have.
    """
    _check_optimizer(config)
    parts = []
    if not is_off(config.clip_norm):
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    if not is_off(config.l2):
        parts.append(optax.add_decayed_weights(config.l2, L2_ON[config.l2_on]))
    parts.append(OPTIMIZERS[config.name](config.framework))
    if not is_off(config.weight_decay):
        parts.append(optax.add_decayed_weights(config.weight_decay))
    rate = [optax.scale_by_learning_rate(schedule)]
    momentum = []
    if not is_off(config.momentum):
        momentum = [optax.trace(config.momentum, config.nesterov)]
    # Keras accumulates steps that hold the learning rate of their time, PyTorch gradients:
    # the same as long as the learning rate is constant.
    parts += rate + momentum if config.framework == 'keras' else momentum + rate
    return optax.chain(*parts)
