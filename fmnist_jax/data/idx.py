"""IDX files: two zero bytes, the type of the values, the number of dimensions, each dimension as a
big-endian 32-bit integer, the values. Source: LeCun, Cortes and Burges, MNIST."""

import gzip
import hashlib
import math
import pathlib
import struct
import zlib

import numpy as np

from fmnist_jax.errors import DataError

UNSIGNED_BYTES = b'\0\0\x08'  # first bytes of an IDX file of unsigned bytes
_SUMS = {32: 'MD5', 64: 'SHA-256'}  # hexadecimal digits -> checksum


def read_idx(path, checksum=None):
    """A read-only uint8 array from an IDX file of unsigned bytes, gzipped or not.

    checksum: MD5 or SHA-256, hexadecimal; None skips the comparison.

    Raises:
      DataError: unreadable, another checksum, not gzip, not IDX, truncated or too long.
    """
    try:
        packed = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise DataError(f'{path} cannot be read ({error}); fetch it again') from error
    if checksum:
        name = _SUMS[len(checksum)]
        digest = hashlib.new(name.replace('-', ''), packed, usedforsecurity=False).hexdigest()
        if digest != checksum:
            raise damaged(path, name, digest, len(packed), checksum)
    return parse_idx(path, packed)


def damaged(path, name, digest, size, checksum):
    """The DataError about a file with another checksum."""
    return DataError(
        f'{path} is damaged or another file: {name} {digest} ({size} bytes), '
        f'expected {checksum}; delete it and fetch it again'
    )


def parse_idx(path, packed):
    """The array in the bytes of an IDX file, gzipped or not. DataError, which names `path`."""
    try:
        raw = packed if packed.startswith(UNSIGNED_BYTES) else gzip.decompress(packed)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f'{path} cannot be read ({error}); fetch it again') from error
    is_idx = raw[:3] == UNSIGNED_BYTES and raw[3:4] in (b'\1', b'\2', b'\3')
    if not is_idx or len(raw) < 4 + 4 * raw[3]:
        raise DataError(
            f'{path} starts with bytes {raw[:4].hex() or "(none)"}, expected an IDX header of '
            'unsigned bytes (00000803 for images, 00000801 for labels); fetch it again'
        )
    shape = tuple(np.frombuffer(raw, '>u4', count=raw[3], offset=4).tolist())
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if values.size != math.prod(shape):
        raise DataError(
            f'{path} holds {values.size} values, but its header announces {shape}; fetch it again'
        )
    return values.reshape(shape)
