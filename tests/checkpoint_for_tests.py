"""Runs that end too early, with their checkpoints."""

import signal

import chex
import jax
from settings_for_tests import small_dataset

from fmnist_jax.fit import checkpoint, mesh
from fmnist_jax.fit.fit import fit

DATASET = small_dataset()
SETTINGS = {'epochs': 4, 'selection': 'val_loss', 'patience': 2, 'model__dropout': 0.3}


class Stop(Exception):
    """Ends a run in these tests."""


class StopAfter:
    """Stands in for the progress bar; ends the run after so many epochs, or presses Ctrl-C."""

    def __init__(self, epochs, ctrl_c=None):
        """ctrl_c: after so many steps of this run; None for never."""
        self.left, self.resumed, self.ctrl_c = epochs, 0, ctrl_c

    def steps(self, done, metrics):
        if self.ctrl_c is not None:
            self.ctrl_c -= done
            if self.ctrl_c <= 0:
                self.ctrl_c = None
                signal.raise_signal(signal.SIGINT)

    def epoch(self, number, history):
        self.left -= 1
        if self.left < 0:
            raise Stop

    def resume(self, epochs, steps):
        self.resumed, self.resumed_steps = epochs, steps


def checkpoints(folder, every=1, keep=2, identity='a', said=None):
    say = print if said is None else said.append
    identity = {'run': identity} if isinstance(identity, str) else identity
    return checkpoint.Checkpoints(folder, identity, 'abc', every, keep, say)


def run(settings, kept=None, stop_after=10**9, devices=1, devices_per_seed=1, ctrl_c=None):
    devices = jax.local_devices()[:devices]
    layout = mesh.arrange(settings.num_seeds, devices=devices, devices_per_seed=devices_per_seed)
    progress = StopAfter(stop_after, ctrl_c)
    try:
        return fit(settings, DATASET, layout, progress=progress, checkpoints=kept), progress
    finally:
        if kept:
            kept.close()


def assert_same(outcome, expected, exact=True):
    chex.assert_trees_all_equal(outcome.tested_epoch, expected.tested_epoch)
    if exact:
        chex.assert_trees_all_equal(outcome.logits, expected.logits)
        assert outcome.history == expected.history
    else:
        chex.assert_trees_all_close(outcome.logits, expected.logits, rtol=1e-4, atol=1e-5)
