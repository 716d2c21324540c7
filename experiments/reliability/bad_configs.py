"""Tries bad settings. Each must be refused with one error line, or be trainable.

Settings come from a row of a config file, from the command line, or from the file itself. Nothing
is trained: accepted settings are traced through a training step, an evaluation and the choice of
the best epoch.
"""

import contextlib
import io
import sys
import warnings
from math import inf, nan
from unittest import mock

import jax
import numpy as np

from configs import base
from fmnist_jax import main
from fmnist_jax.config import machine
from fmnist_jax.config.checks import check
from fmnist_jax.config.settings import TABLE_ONLY, flatten, resolve, split_static, with_hparams
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError
from fmnist_jax.train import epoch as epoch_steps
from fmnist_jax.train import losses, step

FIELDS = tuple(path for path in flatten(base.get_config().to_dict()) if path not in TABLE_ONLY)
VALUES = (
    None, True, False, 0, 1, -1, 2, 3, 13, 28, 100, 32_769, 60_000, 65_536, 10**5, 10**6,
    2**31 - 1, 2**31, 10**18, -(10**18), 10**400, 10**5000,
    0.0, -0.0, 0.5, 1.0, -1.5, 2.5, 1 - 1e-12, 1e-30, 1e-46, 1e-300, 1e30, 1e39, 1e300,
    nan, inf, -inf, 1j, '', 'nan', 'abc', 'sgd', 'a\nb', 'é', b'x', object(),
    (), (1,), (400, 400), (0,), (-1,), (1.5,), (True,), ('a',), (nan,), (65_536,) * 2,
    (2,) * 100, (2,) * 101, (65_536,) * 100, [1], {}, {'a': 1}, base.get_config(),
)  # fmt: skip
TEXTS = (
    '', 'nan', 'inf', '-inf', '-1', '0', '1', '3', '1.5', '1e5', '1e39', '1e400', '-0.0',
    '99999999999999999999', '9' * 5000, '0x10', '1_0', 'abc', 'True', 'None', "'a'", '[]',
    '(1', '(1,2)', '[1,2]', '{}', '--x', 'a=b', '\n', 'é', '; ls', '%s', '/dev/null',
)  # fmt: skip
_SMALL = {'dataset.name': 'synthetic', 'model.name': 'fcn'}
_SEPARABLE = {'model.name': 'simplified_mobilenet', 'dataset.image_size': 32}
_PRETRAINED = {**_SEPARABLE, 'pretrained': 'imagenet', 'dataset.channels': 3}
# The other settings that a field needs to have an effect.
_NEEDED = {
    'model.pooling': {'model.name': 'lenet5'},
    'model.dense': {'model.name': 'tuned_cnn'},
    'model.kernel_size': {'model.name': 'tuned_cnn'},
    'model.name': {'dataset.image_size': 32},
    'optimizer.nesterov': {'optimizer.momentum': 0.9},
    'optimizer.weight_decay': {'optimizer.name': 'adamw'},
    'schedule.warmup_epochs': {'schedule.name': 'warmup_cosine'},
    'schedule.every_epochs': {'schedule.name': 'step'},
    'schedule.decay_rate': {'schedule.name': 'exponential'},
    'patience': {'selection': 'val_loss'},
    'epochs': {'schedule.name': 'cosine', 'batch_size': 1},
    'pretrained': _PRETRAINED,
    'head_epochs': _PRETRAINED,
    'model.blocks': _SEPARABLE,
    'model.width_multiplier': _SEPARABLE,
    'model.frozen_blocks': _PRETRAINED,
    'model.frozen_batch_norm': _PRETRAINED,
}


def trace(settings, traced):
    """Traces all programs of a training on 60,000 images; every number must fit float32.

    Args:
      settings: settings that `check` accepts.
      traced: set of the programs traced so far; they are not traced again.
    """
    key, hparams = split_static(settings)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        hparams = {path: np.float32(value) for path, value in hparams.items()}
    if key in traced:
        return
    traced.add(key)
    integer = jax.ShapeDtypeStruct((), np.int32)
    count = 60_000 - settings.dataset.num_validation
    indices = jax.ShapeDtypeStruct((count,), np.int32)
    images = jax.ShapeDtypeStruct((60_000, 28, 28), np.uint8)
    labels = jax.ShapeDtypeStruct((60_000,), np.int32)

    def run(hparams, seed, indices, data, epoch):
        bound = with_hparams(settings, hparams)
        state = step.init(bound, seed, count)
        state, _ = epoch_steps.train_steps(
            bound, state, losses.zeros(), seed, indices, data, epoch, 0, epoch
        )
        logits, metrics = epoch_steps.evaluate(bound, *step.evaluated(state), indices, epoch, data)
        if state.best is not None:
            state = epoch_steps.keep_best(bound, state, metrics, epoch)
        return logits, state

    jax.eval_shape(run, hparams, integer, indices, (images, labels), integer)


def judge(error, *names):
    """'refused' if the error is one line that contains all names; else the error's text."""
    text = str(error)
    good = '\n' not in text and len(text) < 2000 and all(name in text for name in names)
    return 'refused' if good else f'unclear: {text}'


def try_row(change, traced, *names):
    """Returns 'accepted', 'refused' or the failure; `traced` as in `trace`, None not to trace."""
    try:
        settings = resolve(base.get_config(), base.row('a', change))
        check(settings)
    except ConfigError as error:
        return judge(error, *names)
    except Exception as error:
        return f'{type(error).__name__}: {error}'
    try:
        if traced is not None:
            trace(settings, traced)
    except Exception as error:
        return f'accepted, but {type(error).__name__}: {error}'
    return 'accepted'


def rows(fields=FIELDS, traced=None):
    """Tries every field with every value, and names that are not fields: {case: outcome}."""
    outcomes = {}
    for path in fields:
        for i, value in enumerate(VALUES):
            change = _SMALL | _NEEDED.get(path, {}) | {path: value}
            outcomes[f'{path} with value {i}'] = try_row(change, traced, path)
        for wrong in (f'{path}s', f'{path}.x', path.upper(), f'x.{path}', f'{path}.'):
            outcomes[wrong] = try_row(_SMALL | {wrong: 1}, traced, wrong)
    for group in ('', '.', 'model', 'title', 'rows', 'claims', 'model.keys', 'é'):
        for value in (1, 'a', {}, ()):
            outcomes[f'{group!r} as {value!r}'] = try_row({group: value}, traced, group)
    return outcomes


def command(*arguments):
    """Runs `python -m fmnist_jax.main` with arguments, up to the point where it loads data.

    Returns:
      (exit code, or 'accepted' if the command would load data; its standard error).
    """

    class Accepted(Exception):
        """The command accepted its arguments."""

    errors = io.StringIO()
    patches = [
        mock.patch.object(sys, 'path', list(sys.path)),
        mock.patch.object(machine, 'set_up'),  # works only once per process
        mock.patch.object(datasets, 'load', side_effect=Accepted),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        try:
            code = main.main(list(arguments))
        except Accepted:
            code = 'accepted'
        except BaseException as error:
            code = f'{type(error).__name__}: {error}'
    return code, errors.getvalue()


def try_command(*arguments, names=()):
    """Returns 'accepted', 'refused' (exit code 2, one line) or the failure."""
    code, errors = command(*arguments)
    if code == 'accepted':
        return code
    if code != 2 or not errors.startswith('error: ') or not errors.endswith('\n'):
        return f'{code}: {errors}'
    return judge(errors[:-1], *names)


_OTHER_ARGUMENTS = """
--config.epoch=3 --config.model=fcn --config.rows=() -config.title=x --x x --config. --config.=3
--config..=3 --noconfig.epochs --config.epochs --config.model.name --config --rows= --rows=[
--rows=zzz --cpu_devices=0 --cpu_devices=-1 --cpu_devices=x --list=maybe --= - --- --debug=7
"""


def command_lines(config):
    """Tries every field with every text on the command line, and other flags: {case: outcome}."""
    outcomes = {}
    flag = f'--config={config}'
    for path in FIELDS:
        for i, text in enumerate(TEXTS):
            outcome = try_command(flag, f'--config.{path}={text}', names=[path])
            outcomes[f'{path} with text {i}'] = outcome
    return outcomes | {word: try_command(flag, word) for word in _OTHER_ARGUMENTS.split()}
