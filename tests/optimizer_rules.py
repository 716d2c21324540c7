"""The frameworks' update rules, written out in NumPy (float64)."""

import types

import jax
import numpy as np

STEPS = 7


def optimizer_config(**changes):
    fields = {
        'name': 'sgd',
        'framework': 'pytorch',
        'momentum': 0.0,
        'nesterov': False,
        'l2': 0.0,
        'l2_on': 'all',
        'weight_decay': 0.0,
        'rest_factor': 0.0,
        'unit_kernels': False,
        'clip_norm': 0.0,
    }
    return types.SimpleNamespace(**fields | changes)


def schedule_config(**changes):
    fields = {'name': 'constant', 'decay_rate': 1.0, 'every_epochs': 1, 'warmup_epochs': 0.0}
    return types.SimpleNamespace(**fields | changes)


def draw_problem():
    """Parameters and STEPS gradients: usual ones, some near epsilon, some exactly 0."""
    rng = np.random.default_rng(0)
    shapes = {'dense': {'kernel': (3, 2), 'bias': (2,)}, 'tiny': (4,)}
    is_shape = {'is_leaf': lambda x: isinstance(x, tuple)}
    params = jax.tree.map(lambda s: rng.normal(size=s).astype(np.float32), shapes, **is_shape)
    gradients = []
    for _ in range(STEPS):
        g = jax.tree.map(lambda s: rng.normal(size=s).astype(np.float32), shapes, **is_shape)
        g['tiny'] *= np.float32(1e-7)
        g['dense']['bias'][0] = 0.0
        gradients.append(g)
    return params, gradients


def rate_of_step(step):
    """A learning rate that changes, so that the place of the rate in the rule shows."""
    return 0.02 / (1 + step)


# The rules as each framework's source has them: (config, slots, g, rate, t) -> p's decrease.


def pytorch_sgd(config, slots, g, rate, t):
    if not config.momentum:
        return rate * g
    slots['buf'] = config.momentum * slots['buf'] + g if t > 1 else g
    return rate * (g + config.momentum * slots['buf'] if config.nesterov else slots['buf'])


def keras_sgd(config, slots, g, rate, t):
    m = slots['m'] = config.momentum * slots.get('m', 0.0) - rate * g
    return rate * g - config.momentum * m if config.nesterov else -m


def pytorch_rmsprop(config, slots, g, rate, t):
    slots['v'] = 0.99 * slots.get('v', 0.0) + 0.01 * g * g
    buf = slots['buf'] = config.momentum * slots.get('buf', 0.0) + g / (np.sqrt(slots['v']) + 1e-8)
    return rate * buf


def keras_rmsprop(config, slots, g, rate, t):
    slots['v'] = 0.9 * slots.get('v', 0.0) + 0.1 * g * g
    increment = rate * g / np.sqrt(slots['v'] + 1e-7)
    slots['m'] = config.momentum * slots.get('m', 0.0) + increment
    return slots['m']


def keras2_rmsprop(config, slots, g, rate, t):
    """With momentum, Keras 2 calls ResourceApplyRMSProp, which computes as Keras 3 does."""
    if config.momentum:
        return keras_rmsprop(config, slots, g, rate, t)
    slots['v'] = 0.9 * slots.get('v', 0.0) + 0.1 * g * g
    return rate * g / (np.sqrt(slots['v']) + 1e-7)


def adam_moments(slots, g):
    slots['m'] = 0.9 * slots.get('m', 0.0) + 0.1 * g
    slots['v'] = 0.999 * slots.get('v', 0.0) + 0.001 * g * g
    return slots['m'], slots['v']


def pytorch_adam(config, slots, g, rate, t):
    m, v = adam_moments(slots, g)
    return rate * m / (1 - 0.9**t) / (np.sqrt(v) / np.sqrt(1 - 0.999**t) + 1e-8)


def keras_adam(config, slots, g, rate, t):
    m, v = adam_moments(slots, g)
    alpha = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return m * alpha / (np.sqrt(v) + 1e-7)


RULES = {
    'pytorch': {'sgd': pytorch_sgd, 'rmsprop': pytorch_rmsprop, 'adam': pytorch_adam},
    'keras': {'sgd': keras_sgd, 'rmsprop': keras_rmsprop, 'adam': keras_adam},
    'keras2': {'sgd': keras_sgd, 'rmsprop': keras2_rmsprop, 'adam': keras_adam},
}


def run_numpy(config, params, gradients, rate=rate_of_step):
    """All steps in float64, leaf by leaf."""
    rule = RULES[config.framework][config.name.replace('adamw', 'adam')]
    p, structure = jax.tree.flatten(params)
    p = [leaf.astype(np.float64) for leaf in p]
    slots = [{} for _ in p]
    for step, gradient in enumerate(gradients):
        g = [leaf.astype(np.float64) for leaf in jax.tree.leaves(gradient)]
        norm = np.sqrt(sum((leaf**2).sum() for leaf in g))
        scale = min(1.0, config.clip_norm / norm) if config.clip_norm else 1.0
        for i, leaf in enumerate(g):
            decrease = rule(config, slots[i], leaf * scale + config.l2 * p[i], rate(step), step + 1)
            p[i] = p[i] * (1 - rate(step) * config.weight_decay) - decrease
    return jax.tree.unflatten(structure, p)
