"""IDX files, the format of MNIST.

Source: LeCun, Cortes and Burges, MNIST: two zero bytes, the type of the values, the number of
dimensions, each dimension as a big-endian 32-bit integer, the values.
"""

import gzip
import hashlib
import math
import pathlib
import struct
import zlib

import numpy as np

from fmnist_jax.errors import DataError

UNSIGNED_BYTES = b'\0\0\x08'  # first bytes of an IDX file of unsigned bytes


def read_idx(path, md5=None):
    """Reads one IDX file of unsigned bytes, gzipped or not.

    Args:
      path: the file.
      md5: expected MD5 of the file on disk in hexadecimal, or None.

    Returns:
      uint8 array, read-only, with the dimensions that the file states.

    Raises:
      DataError: unreadable, another checksum, not gzip, not IDX, truncated or too long.
    """
    try:
        packed = pathlib.Path(path).read_bytes()
        digest = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        if md5 and digest != md5:
            raise DataError(
                f'{path} is damaged or another file: MD5 {digest} ({len(packed)} bytes), '
                f'expected {md5}; delete it and fetch it again'
            )
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
