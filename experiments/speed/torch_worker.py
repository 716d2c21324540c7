"""The PyTorch side: the same network, with the training loop of an experienced user.

The loop is eager, because torch.compile was slower for convolutional networks on the CPU. The
images are in memory as floats and are shuffled each epoch. Gradients are set to None, the
optimizer is fused, and no value is read back between steps. MobileNet's images are scaled up per
batch, as ours are, because the scaled data set is large.
"""

import contextlib
import time

import torch
import torch.nn.functional as F

from experiments.speed.machine import cores, process_memory
from experiments.speed.networks import NETWORKS, OPTIMIZERS
from experiments.speed.torch_models import MODELS
from fmnist_jax.data import datasets

FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def make_optimizer(model, fields):
    """PyTorch's optimizer with the fields of config.optimizer, for the trained parameters."""
    arguments = {'lr' if k == 'learning_rate' else k: v for k, v in fields.items() if k != 'name'}
    rule = {'adam': torch.optim.Adam, 'sgd': torch.optim.SGD}[fields['name']]
    trained = [p for p in model.parameters() if p.requires_grad]
    # fused: one pass over all parameters; on the CPU too since PyTorch 2.4
    return rule(trained, fused=True, **arguments)


class Contestant:
    """A model, its optimizer and the data set, on the GPU if the machine has one."""

    def __init__(
        self, network, memory_format, dataset='fashion_mnist', images=None, compute='float32'
    ):
        """Loads the data set and makes the model.

        Args:
          network: a key of networks.NETWORKS.
          memory_format: a key of FORMATS.
          dataset: a name that fmnist_jax.data.datasets.load knows.
          images: train on this many images, from the first on; None for all.
          compute: 'float32' or 'bfloat16' (autocast).
        """
        torch.set_num_threads(cores())
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision('high')  # TF32 on a GPU, as XLA does there
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self.format = FORMATS[memory_format]
        self.bfloat16 = compute == 'bfloat16'
        setting = NETWORKS[network]
        self.size = setting.change.get('dataset.image_size', 28)
        self.batch_size = setting.batch_size
        loaded = datasets.load(dataset)
        pixels = torch.from_numpy(loaded.train_images[:images].copy())[:, None]
        self.images = (pixels.to(self.device, torch.float32) / 255).contiguous(
            memory_format=self.format
        )
        self.labels = torch.from_numpy(loaded.train_labels[:images]).to(self.device, torch.int64)
        self.model = MODELS[network]().to(self.device, memory_format=self.format).train()
        self.optimizer = make_optimizer(self.model, OPTIMIZERS[setting.optimizer].fields)
        self.permutation, self.position = None, len(self.labels)
        self.facts = {
            'versions': {'torch': torch.__version__},
            'parameters': sum(p.numel() for p in self.model.parameters()),
            'threads': torch.get_num_threads(),
        }

    def train(self, steps):
        """Trains for `steps` steps, across epochs: {'seconds', 'images'}."""
        images, began = 0, time.perf_counter()
        for _ in range(steps):
            if self.position >= len(self.labels):
                self.permutation = torch.randperm(len(self.labels), device=self.device)
                self.position = 0
            batch = self.permutation[self.position : self.position + self.batch_size]
            self.position += self.batch_size
            self._step(self.images[batch], self.labels[batch])
            images += len(batch)
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return {'seconds': time.perf_counter() - began, 'images': images}

    def _step(self, images, labels):
        if self.size != images.shape[-1]:
            images = F.interpolate(images, size=(self.size, self.size), mode='bilinear')
            images = images.expand(-1, 3, -1, -1).contiguous(memory_format=self.format)
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            loss = F.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()

    def _precision(self):
        if not self.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def memory(self):
        """Peak and current bytes of the GPU, or of this process on a CPU."""
        if self.device.type == 'cpu':
            return process_memory()
        return {
            'peak_bytes': torch.cuda.max_memory_allocated(),
            'resident_bytes': torch.cuda.memory_allocated(),
        }
