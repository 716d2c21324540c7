"""LeNet-5 on Fashion-MNIST, several seeds at once, in one file to read from top to bottom.

    python experiments/one_file.py

`train(seed)` is a pure function: the same seed always gives the same network. So we can let
`jax.vmap` run it for many seeds at once. That line is the whole experiment:

    results = jax.vmap(train)(seeds)

The package trains all networks of five reports this way, with checkpoints, on several devices. This
file gives the numbers of the row `relu_max` in configs/lenet.py (report 003), seed by seed, up to
rounding; tests/benchmarks/test_one_file.py compares them.
"""

import argparse
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fmnist_jax.data import datasets
from fmnist_jax.models import make_model

BATCH_SIZE = 64
TEST_BATCH_SIZE = 500
NUM_VALIDATION = 6000  # of the 60,000 training images
INIT, ORDER = 0, 1  # what a seed's random numbers are for

MODEL = make_model('lenet5', activation='relu', pooling='max')
OPTIMIZER = optax.sgd(learning_rate=0.01, momentum=0.9)


class State(NamedTuple):
    """Everything that changes during training. Nothing is hidden in objects."""

    params: dict
    opt_state: tuple


class Result(NamedTuple):
    """What `train` returns. Under `vmap` every array gets a leading axis, the seed."""

    train_loss: jax.Array  # [epochs] mean over the epoch, while the network changes
    validation_accuracy: jax.Array  # [epochs]
    test_loss: jax.Array  # []
    test_accuracy: jax.Array  # []
    params: dict


def random_key(seed, purpose):
    """JAX has no global random state: each use of random numbers gets a key of its own."""
    return jax.random.fold_in(jax.random.key(seed), purpose)


def preprocess(images):
    """uint8 [N, 28, 28] -> float32 [N, 28, 28, 1] between -1 and 1.

    This runs on the device for each batch, so the data set stays uint8 (47 MB instead of 188).
    """
    return (images[..., None].astype(jnp.float32) / 255 - 0.5) / 0.5


def loss_and_hits(params, images, labels, is_real):
    """Sums over the images that count: (loss, correct predictions)."""
    logits = MODEL.apply({'params': params}, preprocess(images), train=True)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    hits = logits.argmax(-1) == labels
    return jnp.where(is_real, losses, 0).sum(), (is_real & hits).sum()


def in_batches(indices, size):
    """[n] indices -> [batches, size] indices, and bools [batches, size] that mark the padding.

    Compiled programs have fixed shapes. If `size` does not divide n, we fill the last batch with
    image 0 and mark it as not real, so that every image counts once.
    """
    count = len(indices)
    padded = jnp.pad(indices, (0, -count % size))
    is_real = jnp.arange(len(padded)) < count
    return padded.reshape(-1, size), is_real.reshape(-1, size)


@jax.jit
def init(seed):
    """The State before the first step."""
    no_image = jnp.zeros((1, 28, 28), jnp.uint8)  # tells the layers their shapes
    params = MODEL.init(random_key(seed, INIT), preprocess(no_image), train=False)['params']
    return State(params, OPTIMIZER.init(params))


@jax.jit
def train_epoch(state, seed, epoch, indices, images, labels):
    """One pass over the training images `indices`: (State, mean loss)."""
    # A new random order for each (seed, epoch): sort the images by random numbers.
    bits = jax.random.bits(jax.random.fold_in(random_key(seed, ORDER), epoch), indices.shape)
    shuffled = indices[jnp.argsort(bits)]

    def step(state, batch):
        chosen, is_real = batch
        gradient = jax.value_and_grad(loss_and_hits, has_aux=True)
        (loss, _), grads = gradient(state.params, images[chosen], labels[chosen], is_real)
        grads = jax.tree.map(lambda g: g / is_real.sum(), grads)  # of the mean, not the sum
        updates, opt_state = OPTIMIZER.update(grads, state.opt_state, state.params)
        return State(optax.apply_updates(state.params, updates), opt_state), loss

    # `scan` is a loop on the device: Python starts it once and waits for all steps.
    state, losses = jax.lax.scan(step, state, in_batches(shuffled, BATCH_SIZE))
    return state, losses.sum() / len(indices)


@jax.jit
def evaluate(params, indices, images, labels):
    """(mean loss, accuracy) on the images `indices`."""

    def one_batch(batch):
        chosen, is_real = batch
        return loss_and_hits(params, images[chosen], labels[chosen], is_real)

    losses, hits = jax.lax.map(one_batch, in_batches(indices, TEST_BATCH_SIZE))
    return losses.sum() / len(indices), hits.sum() / len(indices)


def make_train(dataset, num_seeds, num_validation, epochs):
    """Returns the function train(seed) -> Result, for seeds 0 to num_seeds - 1."""
    # To the device once. All seeds read the same copy: each has only indices of its own.
    train_set = jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)
    test_set = jnp.asarray(dataset.test_images), jnp.asarray(dataset.test_labels)
    everything = jnp.arange(len(dataset.test_labels))
    # Each seed holds out other validation images. NumPy draws them before `vmap` starts.
    total = len(dataset.train_labels)
    splits = [datasets.split(total, num_validation, seed) for seed in range(num_seeds)]
    train_indices, validation_indices = (
        jnp.asarray(np.stack(part)) for part in zip(*splits, strict=True)
    )

    def train(seed):
        state = init(seed)
        losses, accuracies = [], []
        for epoch in range(1, epochs + 1):
            state, loss = train_epoch(state, seed, epoch, train_indices[seed], *train_set)
            _, accuracy = evaluate(state.params, validation_indices[seed], *train_set)
            losses.append(loss)
            accuracies.append(accuracy)
            # Python's print would show a tracer, the stand-in for all seeds' numbers.
            line = 'seed {}  epoch {}  train loss {:.4f}  validation accuracy {:.4f}'
            jax.debug.print(line, seed, epoch, loss, accuracy)
        test_loss, test_accuracy = evaluate(state.params, everything, *test_set)
        histories = jnp.stack(losses), jnp.stack(accuracies)
        return Result(*histories, test_loss, test_accuracy, state.params)

    return train


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--epochs', type=int, default=7)
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument(
        '--dataset', default='fashion_mnist', choices=('fashion_mnist', 'mnist', 'synthetic')
    )
    flags = parser.parse_args()
    if min(flags.epochs, flags.seeds) < 1:
        parser.error('--epochs and --seeds: expected 1 or more')

    dataset = datasets.load(flags.dataset)
    train = make_train(dataset, flags.seeds, NUM_VALIDATION, flags.epochs)
    seeds = jnp.arange(flags.seeds)

    results = jax.vmap(train)(seeds)  # the experiment

    accuracies = 100 * np.asarray(results.test_accuracy)
    print('test accuracy of each seed:', ' '.join(f'{a:.2f} %' for a in accuracies))
    spread = accuracies.std(ddof=1) if flags.seeds > 1 else float('nan')
    print(f'{accuracies.mean():.2f} % ± {spread:.2f} (standard deviation over seeds)')


if __name__ == '__main__':
    main()
