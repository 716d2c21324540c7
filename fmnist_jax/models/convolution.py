"""Convolutions that stay fast inside `scan`, under `vmap` and on every backend.

XLA turns a convolution with one kernel per seed into a slow grouped convolution, and its CPU
compiler makes the gradient of `lax.conv` slow inside a loop (jax issue 12868). On CPUs and GPUs a
convolution is therefore patches times a matrix ("im2col"): on a CPU a few images at a time, so that
the patches stay in the processor's cache, on a GPU all images at once, so that all seeds share one
product. On other backends it is `lax.conv`.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_jax.models import backend

IMAGES_PER_BLOCK = 8  # images whose patches are built at a time on the CPU
_PATCH_BYTES = 2**21  # at most, of a block whose patches `_convolve_with_gradient` builds
_COLUMNS = 32  # a matrix product with fewer leaves vector registers empty


def convolve(images, kernel, padding=0, stride=1):
    """Convolves [N, H, W, C] with a kernel [kh, kw, C, features] to [N, H', W', features].

    `padding` is the number of zeros on each side, or (before, after).
    """
    name = backend.name()
    if name not in ('cpu', 'gpu'):
        return library(images, kernel, padding, stride)
    if name == 'gpu' and stride == 1 and kernel.shape[0] > 1:
        return _gather_and_multiply(images, kernel, sides(padding))
    if name == 'cpu' and stride == 1 and _gradient_patches_pay(images, kernel, sides(padding)):
        return _convolve_with_gradient(images, kernel, sides(padding))
    images = padded(images, padding)
    if name == 'gpu' or images.shape[0] <= 2 * IMAGES_PER_BLOCK:
        return _convolve_block(images, kernel, stride)
    # The backward pass builds the patches again: faster than reading them back from memory.
    convolve_block = jax.checkpoint(lambda block: _convolve_block(block, kernel, stride))
    return _map_blocks(convolve_block, images, IMAGES_PER_BLOCK)


def _gradient_patches_pay(images, kernel, around):
    """Whether `_convolve_with_gradient` is faster than JAX's own gradients, measured on a CPU."""
    (_, *shape, channels), (height, width, _, features) = images.shape, kernel.shape
    if not 1 < height == width or max(around) >= height or channels < 16:
        return False
    outputs = math.prod(side + sum(around) - height + 1 for side in shape)
    return 16 <= features <= 2 * channels and math.prod(shape) <= 1.25 * outputs


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve_with_gradient(images, kernel, around):
    """Convolution with stride 1 and a square kernel, block by block.

    The backward pass builds patches of the outputs' gradient. Both gradients are a product with
    them. JAX's own would build the images' patches again and add their gradients pixel by pixel.
    """
    size, _, channels, features = kernel.shape
    matrix = kernel.reshape(-1, features)

    def convolve_block(block):
        return _patches(padded(block, around), size, size) @ matrix

    return _map_blocks(convolve_block, images, _block_size(images, channels * size**2))


def _convolve_forward(images, kernel, around):
    return _convolve_with_gradient(images, kernel, around), (images, kernel)


def _convolve_backward(around, saved, d_outputs):
    images, kernel = saved
    size, _, channels, features = kernel.shape
    # The gradient of an image is a convolution of d_outputs with the turned kernel. The patches of
    # d_outputs serve the kernel's gradient, too: entry t of the patch at pixel p is the gradient of
    # the output that multiplied p by entry -t of the kernel.
    around = tuple(size - 1 - zeros for zeros in around)
    turned = kernel[::-1, ::-1].swapaxes(2, 3).reshape(-1, channels)

    def pull_block(d_kernel, block):
        images, d_outputs = block
        patches = _patches(padded(d_outputs, around), size, size)
        d_images = patches @ turned
        product = images.reshape(-1, channels).T @ patches.reshape(-1, features * size**2)
        return d_kernel + product, d_images

    zeros = jnp.zeros((channels, features * size**2), jnp.float32)
    block = _block_size(images, features * size**2)
    d_kernel, d_images = _scan_blocks(pull_block, zeros, (images, d_outputs), block)
    d_kernel = d_kernel.reshape(channels, size, size, features)[:, ::-1, ::-1]
    return d_images, d_kernel.transpose(1, 2, 0, 3).astype(kernel.dtype)


_convolve_with_gradient.defvjp(_convolve_forward, _convolve_backward)


def _block_size(images, values):
    """How many images' patches fit `_PATCH_BYTES`; a pixel's patch has so many `values`."""
    per_image = math.prod(images.shape[1:3]) * values * images.dtype.itemsize
    return min(max(_PATCH_BYTES // per_image, 1), IMAGES_PER_BLOCK, images.shape[0])


def _map_blocks(function, images, block):
    """function(images) of any number of images, computed for `block` images at a time."""
    return _scan_blocks(lambda _, images: (None, function(images)), None, images, block)[1]


def _scan_blocks(function, carry, arrays, block):
    """`lax.scan` over blocks of so many images, and once more over those that are left."""
    count = jax.tree.leaves(arrays)[0].shape[0]
    whole = count - count % block

    def blocks(array):
        return array[:whole].reshape(-1, block, *array.shape[1:])

    carry, outputs = jax.lax.scan(function, carry, jax.tree.map(blocks, arrays))
    outputs = outputs.reshape(whole, *outputs.shape[2:])
    if whole < count:
        carry, rest = function(carry, jax.tree.map(lambda array: array[whole:], arrays))
        outputs = jnp.concatenate([outputs, rest])
    return carry, outputs


def _patches(images, kh, kw, stride=1):
    """[N, H, W, C] -> [N, H', W', kh * kw * C]: what a kernel sees at each position."""
    return jnp.concatenate(windows(images, kh, kw, stride), axis=-1)


def sides(padding):
    """(before, after) of a padding."""
    return padding if isinstance(padding, tuple) else (padding, padding)


def padded(images, padding):
    """[N, H, W, C] with zeros around each image."""
    return jnp.pad(images, ((0, 0), sides(padding), sides(padding), (0, 0)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _gather_and_multiply(images, kernel, around):
    """Convolution with stride 1 for a GPU. The patches are gathered again for each gradient."""
    height, width, _, features = kernel.shape
    return _gathered_patches(images, height, width, around) @ kernel.reshape(-1, features)


def _gather_forward(images, kernel, around):
    return _gather_and_multiply(images, kernel, around), (images, kernel)


def _gather_backward(around, saved, d_outputs):
    """The images' gradient is a convolution with the kernel turned; JAX's would scatter."""
    images, kernel = saved
    height, width, channels, features = kernel.shape
    before, after = around
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    # Only square kernels pass here, so one number serves rows and columns.
    d_images = _gather_and_multiply(d_outputs, turned, (height - 1 - before, height - 1 - after))
    patches = _gathered_patches(images, height, width, around)
    patches = patches.reshape(-1, height * width * channels)
    d_kernel = patches.T @ d_outputs.reshape(-1, features)
    return d_images, d_kernel.reshape(kernel.shape)


_gather_and_multiply.defvjp(_gather_forward, _gather_backward)


def _gathered_patches(images, height, width, around):
    """[N, H, W, C] -> [N, H', W', height * width * C]: what a kernel sees at each position.

    A gather writes them several times as fast on a GPU as a concatenation of shifted images. An
    index outside of the images reads the zeros of the padding.
    """
    count, rows, columns, channels = images.shape
    before, after = around
    top = np.arange(-before, rows + after - height + 1)[:, None, None, None]
    left = np.arange(-before, columns + after - width + 1)[:, None, None]
    row, column = top + np.arange(height)[:, None], left + np.arange(width)
    row, column = np.broadcast_arrays(row, column)  # [H', W', height, width]
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    pixels = np.where(inside, row * columns + column, rows * columns)
    flat = images.reshape(count, rows * columns, channels)
    patches = jnp.take(flat, pixels.reshape(-1), axis=1, mode='fill', fill_value=0)
    return patches.reshape(count, *pixels.shape[:2], height * width * channels)


def library(images, kernel, padding, stride, groups=1):
    """XLA's own convolution."""
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        (sides(padding), sides(padding)),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=groups,
    )


def windows(images, kh, kw, stride=1):
    """The kh * kw shifted images that a kernel's taps multiply: [N, H', W', C] each."""
    height, width = images.shape[1:3]
    down = stride * ((height - kh) // stride) + 1  # rows that a tap passes over
    right = stride * ((width - kw) // stride) + 1
    return [
        images[:, i : i + down : stride, j : j + right : stride]
        for i in range(kh)
        for j in range(kw)
    ]


def _convolve_block(images, kernel, stride):
    """Unpadded convolution of a few images as patches times a matrix."""
    kh, kw, _, features = kernel.shape
    if (kh, kw, stride) == (1, 1, 1):
        return images @ kernel[0, 0]
    group = next(g for g in (4, 2, 1) if g * features <= _COLUMNS or g == 1)
    if stride > 1 or group == 1:
        return _patches(images, kh, kw, stride) @ _matrix(kernel)
    return _convolve_pixel_groups(images, kernel, group)


def _convolve_pixel_groups(images, kernel, group):
    """Treats `group` neighbouring pixels of a row as one, so that the matrix has enough columns."""
    (kh, kw, channels, features), (n, height, width, _) = kernel.shape, images.shape
    rows, columns = height - kh + 1, width - kw + 1
    groups = math.ceil(columns / group)
    reach = math.ceil((kw + group - 1) / group)  # groups of columns that a patch covers
    total = (groups + reach - 1) * group
    images = jnp.pad(images, ((0, 0), (0, 0), (0, max(total - width, 0)), (0, 0)))[:, :, :total]
    images = images.reshape(n, height, -1, group * channels)
    patches = [images[:, i : i + rows, j : j + groups] for i in range(kh) for j in range(reach)]
    # One shifted copy of the kernel for each pixel of a group.
    shifted = [
        jnp.pad(kernel, ((0, 0), (shift, reach * group - kw - shift), (0, 0), (0, 0)))
        for shift in range(group)
    ]
    matrix = _matrix(jnp.stack(shifted, axis=3))
    outputs = jnp.concatenate(patches, axis=-1) @ matrix
    return outputs.reshape(n, rows, groups * group, features)[:, :, :columns]


def _matrix(kernel):
    """[kh, kw, C, ...] -> [kh * kw * C, features], transposed in memory: a faster gradient."""
    matrix = kernel.reshape(math.prod(kernel.shape[:3]), -1)
    return jax.lax.optimization_barrier(matrix.T).T
