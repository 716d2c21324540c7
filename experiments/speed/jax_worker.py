"""Our side: runs the programs of fmnist_jax.fit.compile for a given number of steps."""

import contextlib
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from configs import base
from experiments.speed.machine import process_memory
from fmnist_jax.config import machine
from fmnist_jax.config.checks import check
from fmnist_jax.config.settings import resolve, split_static, with_hparams
from fmnist_jax.data import datasets
from fmnist_jax.fit import compile, mesh
from fmnist_jax.models.backend import portable
from fmnist_jax.models.operations import multiply_adds
from fmnist_jax.train import step as train

_IN_FLIGHT = 16  # programs with collectives deadlock if more than 32 are in flight


def _settings(change):
    """The settings of a row; raises ConfigError if they cannot train."""
    change = {path: tuple(v) if isinstance(v, list) else v for path, v in change.items()}
    settings = resolve(base.get_config(), base.row('speed', change))
    check(settings)
    return settings


class Contestant:
    """The compiled programs of all seeds of a row, with the current training state."""

    def __init__(self, change, images=None, cache=None, plain=False):
        """Loads the data, places it on the devices and compiles.

        Args:
          change: {'section.field': value}, see networks.our_change.
          images: train on this many images, from the first on; None for all.
          cache: folder of the persistent compilation cache; None for no cache.
          plain: trace the layers for any backend (models/backend.py), with `lax.conv`.
        """
        machine.set_up(cache_folder=cache)
        self.settings = settings = _settings(change)
        dataset = datasets.load(settings.dataset.name)
        dataset = dataset._replace(
            train_images=dataset.train_images[:images], train_labels=dataset.train_labels[:images]
        )
        self.layout = mesh.make_layout(settings)
        _, hparams = split_static(settings)
        self.hparams = {path: np.float32(value) for path, value in hparams.items()}
        self.arrays = compile.place(settings, dataset, self.layout)
        before = self.memory()
        with portable() if plain else contextlib.nullcontext():
            self.programs = compile.compile_programs(
                settings, self.hparams, self.layout, self.arrays
            )
        seeds = np.arange(settings.seed, settings.seed + settings.num_seeds, dtype=np.int32)
        self.seeds = mesh.shard(self.layout, seeds)
        args = compile.init_args(self.seeds, self.arrays)
        self.state = self.programs.init(self.hparams, *args)
        self.num_train = self.arrays.train_indices.shape[-1]
        self.epoch, self.step = 1, 0  # of the next step
        self._single = None
        self.facts = self._facts(before)

    def _facts(self, before):
        device = self.layout.devices[0]
        return {
            'versions': {'jax': jax.__version__},
            'device': {'platform': device.platform, 'kind': device.device_kind},
            'devices': len(self.layout.devices),
            'mode': self.layout.mode,
            'devices_per_seed': self.layout.share.parts,
            'parameters': sum(leaf[0, 0].size for leaf in jax.tree.leaves(self.state.params)),
            'compile_seconds': self.programs.seconds,
            'before_compiling': before,
        }

    def train(self, steps, per_call=None):
        """Trains every seed for `steps` steps: {'seconds', 'images' (of all seeds)}.

        Args:
          steps: optimizer steps; they continue after the last turn, across epochs.
          per_call: most steps per call of the compiled loop; None for no limit.
        """
        per_epoch = train.steps_per_epoch(self.settings, self.num_train)
        images, began = 0, time.perf_counter()
        while steps:
            count = min(steps, per_call or steps, per_epoch - self.step)
            metrics = self._call(self.step, self.step + count)
            images += int(metrics.count.sum())
            steps -= count
            self.step += count
            if self.step == per_epoch:
                self.epoch, self.step = self.epoch + 1, 0
        return {'seconds': time.perf_counter() - began, 'images': images}

    def _call(self, start, stop):
        self.state, metrics = self.programs.train_steps(
            self.hparams,
            self.state,
            compile.epoch_metrics(self.layout),
            self.seeds,
            self.arrays.train_indices,
            self.arrays.examples,
            np.int32(self.epoch),
            np.int32(start),
            np.int32(stop),
        )
        return mesh.gather(self.layout, metrics)  # blocks until the steps are done

    def empty_calls(self, calls):
        """Times calls of the loop without a step; each still draws the epoch's permutation."""
        began = time.perf_counter()
        for _ in range(calls):
            self._call(0, 0)
        return {'seconds': time.perf_counter() - began}

    def single_steps(self, steps):
        """Times the training step as its own program, outside of any loop: {'seconds'}.

        Every step uses the same batch, which is on the device.
        """
        if self._single is None:
            self._single = self._compile_single()
        program, batch = self._single
        began = time.perf_counter()
        for i in range(steps):
            self.state, _ = program(self.hparams, self.state, self.seeds, *batch)
            if i % _IN_FLIGHT == 0:
                jax.block_until_ready(self.state)
        jax.block_until_ready(self.state)
        return {'seconds': time.perf_counter() - began}

    def _compile_single(self):
        bound = partial(with_hparams, self.settings)

        def step(hparams, state, seed, images, labels, mask):
            settings = bound(hparams)
            return train.train_step(
                state, seed, images, labels, mask, settings, self.num_train, share=self.layout.share
            )

        size = self.settings.batch_size
        images, labels = (np.asarray(array[0, :size]) for array in self.arrays.examples)
        # The loop's steps have a mask if the last batch is smaller; so this step has one too.
        mask = np.ones(size, bool) if self.num_train % size else None
        batch = mesh.replicate(self.layout, (images, labels, mask))
        program, _ = mesh.compile_for(
            self.layout,
            step,
            ('same', 0, 0, None, None, None),
            self.hparams,
            self.state,
            self.seeds,
            *batch,
            donate=(1,),
        )
        return program, batch

    def operations(self):
        """Multiply-adds of the forward pass for one image: {'multiply_adds'}."""
        side, channels = self.settings.dataset.image_size, self.settings.dataset.channels
        model = train.model_of(self.settings)
        return {'multiply_adds': multiply_adds(model, (side, side, channels))}

    def memory(self):
        """Peak and current bytes of the accelerator, or of this process on a CPU."""
        stats = self.layout.devices[0].memory_stats()
        if self.layout.devices[0].platform == 'cpu' or not stats:
            return process_memory()
        return {
            'peak_bytes': stats['peak_bytes_in_use'],
            'resident_bytes': stats['bytes_in_use'],
        }

    def matrix_product(self, repetitions=8):
        """Best rate of a product of square float32 matrices on all cores: {'gflops', 'side'}.

        An accelerator runs several products in a row, to hide the time of the launch.
        """
        cpu = self.layout.devices[0].platform == 'cpu'
        side, in_a_row = (2048, 1) if cpu else (8192, 8)
        matrix = jnp.ones((side, side))
        product = jax.jit(jnp.matmul)
        jax.block_until_ready(product(matrix, matrix))
        seconds = []
        for _ in range(repetitions):
            began = time.perf_counter()
            jax.block_until_ready([product(matrix, matrix) for _ in range(in_a_row)])
            seconds.append((time.perf_counter() - began) / in_a_row)
        return {'gflops': 2 * side**3 / min(seconds) / 1e9, 'side': side}
