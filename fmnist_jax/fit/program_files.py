"""Compiled programs in files, so that a later start neither traces nor compiles them.

JAX's compilation cache finds a program by its traced text, and tracing a deep network takes longer
than reading its program. Here a row's programs are found by what decides their text: the source
files, the libraries, JAX's settings, the devices, the row's settings and the shapes of its data. If
any of these differs, the row is traced, and the programs whose text is known are read.

The files are in the folder `programs` of JAX's compilation cache. There are none without such a
cache, with several hosts, in a notebook, and for a network or loss that is in no imported file.
"""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import pickle
import platform
import sys
import sysconfig
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from fmnist_jax import files
from fmnist_jax.config.settings import split_static
from fmnist_jax.fit import mesh
from fmnist_jax.models import MODELS
from fmnist_jax.models.layers import ACTIVATIONS, KERNEL_INITIALIZERS
from fmnist_jax.results import provenance
from fmnist_jax.train.losses import LOSSES
from fmnist_jax.train.optimizers import OPTIMIZERS
from fmnist_jax.train.schedules import SCHEDULES

_IMPORTED = time.time()
_REGISTRIES = (MODELS, LOSSES, OPTIMIZERS, SCHEDULES, ACTIVATIONS, KERNEL_INITIALIZERS)
_CPUINFO = pathlib.Path('/proc/cpuinfo')


class ProgramFiles:
    """The files of one row's programs; all methods do nothing if its programs are not kept."""

    def __init__(self, settings, layout, arguments):
        """arguments: a tree of all arrays and numbers that decide shapes and types."""
        self._layout, self._folder, self._keys = layout, folder(layout), {}
        if self._folder:
            shapes = jax.tree.map(lambda a: (np.shape(a), str(a.dtype)), arguments)
            self._environment = _environment()
            described = (_code(), self._environment, split_static(settings)[0], layout, shapes)
            self._file = self._folder / f'{_digest(*described)}.row'

    def read(self):
        """{name: program} of the row, or None."""
        if not self._folder:
            return None
        with contextlib.suppress(OSError, ValueError), ThreadPoolExecutor() as pool:
            keys = json.loads(self._file.read_text())
            programs = dict(zip(keys, pool.map(self._read, keys.values()), strict=True))
            return programs if all(programs.values()) else None
        return None

    def compile(self, name, lowered, options):
        """The program of a jax.stages.Lowered: read from its file, or compiled and kept."""
        if not self._folder:
            return lowered.compile(compiler_options=options)
        # The text lacks arguments that the program does not use.
        signature = lowered.args_info, lowered.out_info
        text = lowered.as_text()
        key = _digest(self._environment, self._layout.devices, options, *signature, text)
        self._keys[name] = key
        program = self._read(key)
        if program is None:
            program = lowered.compile(compiler_options=options)
            # What cannot be kept, or a full disk, costs the next start some time.
            with contextlib.suppress(OSError, ValueError, RuntimeError, pickle.PickleError):
                content = pickle.dumps(serialize_executable.serialize(program))
                self._folder.mkdir(parents=True, exist_ok=True)
                files.write(self._folder / f'{key}.program', zlib.compress(content, 1))
        return program

    def write(self, names):
        """Keeps which programs, of those compiled, are the row's; names: in their order."""
        if self._folder:
            with contextlib.suppress(OSError):
                files.write(self._file, json.dumps({name: self._keys[name] for name in names}))

    def _read(self, key):
        """The program of a file; None if there is none, or a damaged one."""
        try:
            content = zlib.decompress((self._folder / f'{key}.program').read_bytes())
            if b'lapack' in content:
                _load_lapack()
            kept = pickle.loads(content)
            devices = self._layout.devices
            return serialize_executable.deserialize_and_load(*kept, execution_devices=devices)
        except Exception:  # zlib, pickle and XLA raise anything on a damaged file
            return None

    @contextlib.contextmanager
    def only(self):
        """Within this context, JAX's compilation cache is off.

        A program that JAX has read from its cache lacks compiled functions, so it cannot be written
        to a file again.
        """
        if not self._folder:
            yield
            return
        jax.config.update('jax_enable_compilation_cache', False)
        compilation_cache.reset_cache()  # JAX looks at its settings once
        try:
            yield
        finally:
            jax.config.update('jax_enable_compilation_cache', True)
            compilation_cache.reset_cache()


@functools.cache
def _load_lapack():
    """JAX loads LAPACK when it lowers an operation of it; a program crashes before (#28908)."""
    jax.jit(jnp.linalg.eigh).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def folder(layout):
    """Where programs are kept, or None."""
    folder = jax.config.jax_compilation_cache_dir
    if not folder or '://' in folder or not jax.config.jax_enable_compilation_cache:
        return None
    if mesh.several_hosts(layout) or not hasattr(sys.modules['__main__'], '__file__'):
        return None
    return pathlib.Path(folder) / 'programs' if _code() and _has_sources() else None


def _digest(*values):
    return hashlib.sha256('\n'.join(map(str, values)).encode()).hexdigest()


def _code():
    """SHA-256 of this package and of every other imported file that is no installed library.

    None if a file has changed since it was imported.
    """
    return _code_with(len(sys.modules))


@functools.cache
def _code_with(modules):
    """`_code` with so many imported modules: a later one may define a network."""
    paths = sysconfig.get_paths()
    installed = tuple(paths[name] for name in ('stdlib', 'platstdlib', 'purelib', 'platlib'))
    sources = set(pathlib.Path(__file__).parent.parent.rglob('*.py'))
    for module in list(sys.modules.values()):
        file = getattr(module, '__file__', None) or ''
        if file.endswith('.py') and not file.startswith(installed):
            sources.add(pathlib.Path(file))
    digest = hashlib.sha256()
    for file in sorted(sources):
        try:
            if file.stat().st_mtime > _IMPORTED:
                return None
            digest.update(f'{file}'.encode() + file.read_bytes())
        except OSError:  # a module that was made in memory
            return None
    return digest.hexdigest()


def _has_sources():
    """Whether all networks, losses and so on are in imported files, so that `_code` knows them."""
    makers = [maker for registry in _REGISTRIES for maker in registry.values()]
    makers = [maker.func if isinstance(maker, functools.partial) else maker for maker in makers]
    return all(getattr(maker, '__module__', None) in sys.modules for maker in makers)


def _environment():
    """What decides the compiled program beside the code: libraries, JAX's settings, processors."""
    device = jax.local_devices()[0]
    processor = [platform.processor(), platform.machine()]
    with contextlib.suppress(OSError):
        lines = _CPUINFO.read_text().splitlines()
        processor += sorted({line for line in lines if line.startswith(('flags', 'model name'))})
    flags = [os.environ.get(name) for name in ('XLA_FLAGS', 'LIBTPU_INIT_ARGS')]
    versions, settings = provenance.versions(), jax.config.values
    kind = device.device_kind, device.client.platform_version
    return _digest(versions, sys.version, settings, kind, processor, flags)
