"""Images and settings of the tests of augmentation."""

import types

import jax
import numpy as np

KEY = jax.random.key(0)


def augment_config(**changes):
    fields = {'flip': False, 'rotation': 0.0, 'erase': 0.0, 'crop_padding': 0, 'cutout': 0}
    fields |= {'copies': 0, 'shear': 0.0, 'zoom': 0.0, 'shift': 0.0, 'fill': 'black'}
    return types.SimpleNamespace(**fields | changes)


def draw_images(n=8, height=6, width=7, channels=2):
    """Noise without symmetry, bright up to the border, so that every pixel moved shows."""
    shape = (n, height, width, channels)
    return np.random.default_rng(0).uniform(0.1, 1, shape).astype(np.float32)
