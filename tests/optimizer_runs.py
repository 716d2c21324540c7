"""All steps of a small problem by optax and by PyTorch."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from optimizer_rules import rate_of_step

from fmnist_jax.train.optimizers import make_optimizer


def run_optax(config, params, gradients, rate=rate_of_step):
    """All steps by the code under test, in one scan."""
    optimizer = make_optimizer(config, rate)

    def step(carry, gradient):
        params, state = carry
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *gradients)
    return jax.lax.scan(step, (params, optimizer.init(params)), stacked)[0][0]


def run_torch(torch, config, params, gradients, rate=rate_of_step):
    """All steps by torch.optim."""
    leaves, structure = jax.tree.flatten(params)
    p = [torch.nn.Parameter(torch.tensor(leaf)) for leaf in leaves]
    kind = {'sgd': 'SGD', 'rmsprop': 'RMSprop', 'adam': 'Adam', 'adamw': 'AdamW'}[config.name]
    options = {'weight_decay': config.weight_decay if config.name == 'adamw' else config.l2}
    if config.name in ('sgd', 'rmsprop'):
        options['momentum'] = config.momentum
    if config.name == 'sgd':
        options['nesterov'] = config.nesterov
    optimizer = getattr(torch.optim, kind)(p, lr=rate(0), **options)
    for step, gradient in enumerate(gradients):
        for leaf, g in zip(p, jax.tree.leaves(gradient), strict=True):
            leaf.grad = torch.tensor(g)
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(p, config.clip_norm)
        optimizer.param_groups[0]['lr'] = rate(step)
        optimizer.step()
    return jax.tree.unflatten(structure, [leaf.detach().numpy() for leaf in p])


def assert_same_training(got, expected, start):
    """Compares the way the parameters went: 5 digits of it, past their own float32 rounding."""
    chex.assert_trees_all_equal_structs(got, expected)
    for a, b, p in zip(*map(jax.tree.leaves, (got, expected, start)), strict=True):
        np.testing.assert_allclose(a - np.float64(p), b - p, rtol=3e-5, atol=1e-6)
