"""Optimizers with PyTorch's or Keras' exact update rule.

The reports leave the rule to their framework, so the framework is a setting: 001, 002 and 003 used
PyTorch, 000 and 004 Keras. 'keras' is Keras 3, 'keras2' the Keras of TensorFlow 2.0 to 2.10. They
differ in RMSprop without momentum alone: Keras 2 adds epsilon to the root, Keras 3 under the root.
Hyper-parameters may be traced; the Python number 0.0 means off.
"""

import jax
import jax.numpy as jnp
import optax

from fmnist_jax.models.layers import is_off

# Sources: torch.optim.RMSprop, Adam, AdamW (2.13); keras/src/optimizers/rmsprop.py, adam.py (3);
# tensorflow/python/keras/optimizer_v2/rmsprop.py, adam.py (2.4).
RMSPROP = {
    'pytorch': {'decay': 0.99, 'eps': 1e-8, 'eps_in_sqrt': False},
    'keras': {'decay': 0.9, 'eps': 1e-7, 'eps_in_sqrt': True},
    'keras2': {'decay': 0.9, 'eps': 1e-7, 'eps_in_sqrt': False},
}
_KERAS_ADAM = (0.9, 0.999, 1e-7)  # b1, b2, eps
ADAM = {'pytorch': (0.9, 0.999, 1e-8), 'keras': _KERAS_ADAM, 'keras2': _KERAS_ADAM}


def _adam(framework):
    """Adam; Keras uses the "epsilon hat" of Kingma & Ba (2015), section 2.

    Keras adds eps to the root of the moment before its bias correction, PyTorch and optax after:
    optax gives the same with eps / sqrt(1 - b2^t).
    """
    b1, b2, eps = ADAM[framework]
    adam = optax.scale_by_adam(b1, b2, eps)
    if framework == 'pytorch':
        return adam

    def update(gradient, state, params=None):
        corrected_eps = eps / jnp.sqrt(1 - b2 ** (state.count + 1))
        return optax.scale_by_adam(b1, b2, corrected_eps).update(gradient, state, params)

    return optax.GradientTransformation(adam.init, update)


OPTIMIZERS = {
    'sgd': lambda framework: optax.identity(),
    'rmsprop': lambda framework: optax.scale_by_rms(**RMSPROP[framework]),
    'adam': _adam,
    'adamw': _adam,
    'muon': lambda framework: optax.identity(),  # see _muon
}


def _is_convolution(params):
    return jax.tree.map(lambda leaf: 'convolution' if leaf.ndim == 4 else 'rest', params)


def has_convolution(params):
    """Whether a network has kernels that Muon acts on; params: arrays, or their shapes."""
    return 'convolution' in jax.tree.leaves(_is_convolution(params))


def _muon(config, rate):
    """Muon (Jordan et al. 2024) for convolution kernels, SGD for all other parameters.

    Three Newton-Schulz steps make the momentum of a kernel [inputs, outputs] nearly orthogonal.
    """
    dimensions = optax.contrib.MuonDimensionNumbers((0, 1, 2), 3)
    kernels = [
        optax.contrib.scale_by_muon(
            ns_steps=3,
            beta=config.momentum,
            nesterov=config.nesterov,
            weight_dimension_numbers=lambda tree: jax.tree.map(lambda _: dimensions, tree),
        ),
        rate,
    ]
    rest = [] if is_off(config.momentum) else [optax.trace(config.momentum, config.nesterov)]
    rest += [rate] if is_off(config.rest_factor) else [optax.scale(config.rest_factor), rate]
    if config.unit_kernels:
        kernels.append(_unit_kernels())
    parts = {'convolution': optax.chain(*kernels), 'rest': optax.chain(*rest)}
    return optax.partition(parts, _is_convolution)


def _unit_kernels():
    """Scales each kernel after its step to the norm sqrt(outputs), as in airbench.

    Batch norm removes the scale of a kernel, so only the size of the steps changes.
    """

    def update(updates, state, params):
        def scaled(step, kernel):
            kernel_after = kernel + step
            norm = jnp.linalg.norm(kernel_after.reshape(-1))
            return kernel_after * jnp.sqrt(kernel.shape[-1]) / jnp.maximum(norm, 1e-12) - kernel

        return jax.tree.map(scaled, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


# The parameters that `l2` acts on, as a mask for optax.
L2_ON = {
    'all': lambda params: jax.tree.map(lambda leaf: True, params),
    'kernels': lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
    'dense': lambda params: jax.tree.map(lambda leaf: leaf.ndim == 2, params),
}


def l2_penalty(config, params):
    """The term of the loss whose gradient is that of `l2`: l2 / 2 · Σ w²."""
    mask = L2_ON[config.l2_on](params)
    squares = jax.tree.map(lambda w, on: jnp.sum(w * w) if on else 0.0, params, mask)
    return config.l2 / 2 * sum(jax.tree.leaves(squares))


def _check_optimizer(config):
    """Refuses settings that the optimizer would silently ignore."""
    for field, choices in (('name', OPTIMIZERS), ('framework', ADAM), ('l2_on', L2_ON)):
        value = getattr(config, field)
        if value not in choices:
            raise ValueError(f'optimizer.{field}={value!r}: expected one of {", ".join(choices)}')
    name = f'name={config.name!r}'
    if not is_off(config.momentum) and config.name not in ('sgd', 'rmsprop', 'muon'):
        raise ValueError(
            f'optimizer.momentum is set with {name}: only sgd, rmsprop and muon have it'
        )
    if config.nesterov and (config.name not in ('sgd', 'muon') or is_off(config.momentum)):
        raise ValueError(f'optimizer.nesterov=True with {name}: it needs sgd or muon, and momentum')
    for field in ('unit_kernels', 'rest_factor'):
        if config.name != 'muon' and not is_off(getattr(config, field)):
            raise ValueError(f'optimizer.{field} is set with {name}: only muon has it')
    if not is_off(config.weight_decay) and config.name != 'adamw':
        raise ValueError(
            f'optimizer.weight_decay is set with {name}: only adamw has it; '
            'l2 is the decay that is added to the gradient'
        )


def make_optimizer(config, schedule):
    """The optimizer of a config: optax.GradientTransformation, whose update needs the parameters.

    In this order: clip the gradient's global norm (torch.nn.utils.clip_grad_norm_ without its
    1e-6); add `l2` times the parameters (PyTorch's `weight_decay` of every optimizer but AdamW; a
    Keras regularizer L2(x) is l2 = 2x); the optimizer's rule; decoupled weight decay; momentum and
    learning rate. Weight decay acts on every parameter, as in PyTorch; `l2` on those of `l2_on`:
    'all', 'kernels' (of every layer) or 'dense' (kernels of dense layers).

    Raises:
      ValueError: unknown name or framework, or a setting that this optimizer does not have.
    """
    _check_optimizer(config)
    parts = []
    if not is_off(config.clip_norm):
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    if not is_off(config.l2):
        mask = None if config.l2_on == 'all' else L2_ON[config.l2_on]
        parts.append(optax.add_decayed_weights(config.l2, mask))
    framework, has_momentum = config.framework, not is_off(config.momentum)
    if framework == 'keras2' and has_momentum:
        framework = 'keras'  # with momentum, Keras 2 calls an operation that works as Keras 3 does
    parts.append(OPTIMIZERS[config.name](framework))
    if not is_off(config.weight_decay):
        parts.append(optax.add_decayed_weights(config.weight_decay))
    if config.name == 'muon':
        return optax.chain(*parts, _muon(config, optax.scale_by_learning_rate(schedule)))
    rate, momentum = [optax.scale_by_learning_rate(schedule)], []
    if has_momentum:
        momentum = [optax.trace(config.momentum, config.nesterov)]
    # Keras accumulates steps that include the learning rate, PyTorch accumulates gradients.
    parts += momentum + rate if framework == 'pytorch' else rate + momentum
    return optax.chain(*parts)
