"""The other side: the same network in PyTorch, as an experienced user writes its training loop.

Eager, because torch.compile was slower for every convolutional net on the CPU we measured.
The images lie in memory as the floats that the network reads, shuffled anew each epoch;
gradients are set to None, Adam is the fused one, and nothing is read back between steps.
MobileNet's images are scaled up batch by batch, as ours are: stored at 56x56x3 the data set
would take 2.3 GB.
"""

import contextlib
import time

import torch
import torch.nn.functional as F

from experiments.speed.machine import cores, process_memory
from experiments.speed.networks import BATCH_SIZE, LEARNING_RATE, NETWORKS
from experiments.speed.torch_models import MODELS
from fmnist_jax.data import datasets

FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


class Contestant:
    """One model, its optimizer and the data set, on the GPU if there is one."""

    def __init__(self, network, memory_format, dataset='fashion_mnist', images=None, **options):
        """Loads the data set and makes the model.

        Args:
          network: of networks.NETWORKS.
          memory_format: of FORMATS.
          dataset: name for fmnist_jax.data.load.
          images: train on the first so many; all if None.
          **options: compute, 'float32' (default) or 'bfloat16' (autocast).
        """
        torch.set_num_threads(cores())
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision('high')  # TF32 on a GPU, as XLA does there
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self.format = FORMATS[memory_format]
        self.bfloat16 = options.get('compute', 'float32') == 'bfloat16'
        self.size = NETWORKS[network].change.get('dataset.image_size', 28)
        loaded = datasets.load(dataset)
        pixels = torch.from_numpy(loaded.train_images[:images].copy())[:, None]
        self.images = (pixels.to(self.device, torch.float32) / 255).contiguous(
            memory_format=self.format
        )
        self.labels = torch.from_numpy(loaded.train_labels[:images]).to(self.device, torch.int64)
        self.model = MODELS[network]().to(self.device, memory_format=self.format).train()
        # fused: one pass over all parameters; on the CPU too since PyTorch 2.4
        self.optimizer = torch.optim.Adam(self.model.parameters(), LEARNING_RATE, fused=True)
        self.order, self.position = None, len(self.labels)
        self.facts = {
            'versions': {'torch': torch.__version__},
            'parameters': sum(p.numel() for p in self.model.parameters()),
            'threads': torch.get_num_threads(),
        }

    def train(self, steps):
        """Trains for `steps` steps, on over the epochs' ends: {'seconds', 'images'}."""
        images, began = 0, time.perf_counter()
        for _ in range(steps):
            if self.position >= len(self.labels):
                self.order = torch.randperm(len(self.labels), device=self.device)
                self.position = 0
            chosen = self.order[self.position : self.position + BATCH_SIZE]
            self.position += BATCH_SIZE
            self._step(self.images[chosen], self.labels[chosen])
            images += len(chosen)
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
        """Bytes at the peak and now: of the GPU, or of this process on a CPU."""
        if self.device.type == 'cpu':
            return process_memory()
        return {
            'peak_bytes': torch.cuda.max_memory_allocated(),
            'resident_bytes': torch.cuda.memory_allocated(),
        }
