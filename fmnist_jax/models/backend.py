"""What a network is traced for: the loops and the order of operations differ by backend."""

import contextlib
import contextvars

import jax
import jax.numpy as jnp

_portable = contextvars.ContextVar('portable', default=False)


@contextlib.contextmanager
def portable():
    """Within this context, layers are traced for every backend and any number of images."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def name():
    """The backend to trace for: 'cpu', 'gpu' or another, 'any' within `portable`."""
    return 'any' if _portable.get() else jax.default_backend()


def in_blocks():
    """Whether to trace layers as loops over blocks of images that fit a CPU's cache."""
    return name() == 'cpu'


def once(function, *args):
    """function(*args), computed once by XLA's CPU compiler.

    XLA would fuse a cheap function into each of the loops that use its result, and so compute it
    once in each. It does not fuse the branch of a conditional.
    """
    if not in_blocks():
        return function(*args)
    shapes = jax.eval_shape(function, *args)

    def never(*args):
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    return jax.lax.cond(jax.lax.optimization_barrier(True), function, never, *args)
