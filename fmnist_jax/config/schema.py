"""Every field of a config, once: its name, default, values and meaning.

The default config, `--help`, the flags `--config.FIELD=VALUE`, the checks and the table of fields
in experiments/FIELDS.md all come from `FIELDS`. A new field is one new line here.
"""

import ast
import difflib
import importlib
import math
import sys
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from fmnist_jax.errors import ConfigError, show
from fmnist_jax.markdown import markdown

# Training computes in float32. Other numbers would become infinite or zero there.
_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
_MOST_LAYERS = 100
_SWITCH = {'true': True, 't': True, 'yes': True, '1': True}
_SWITCH |= {'false': False, 'f': False, 'no': False, '0': False}
_WIDEST = 65_536
_INTERVALS = {  # what a message calls the interval -> the test for it
    'a number': lambda value: True,
    '0 or more': lambda value: value >= 0,
    '0 to 1': lambda value: 0 <= value <= 1,
    'more than 0': lambda value: value > 0,
    '0 to below 1': lambda value: value >= 0 and np.float32(value) < 1,
    '0.1 to 4': lambda value: 0.1 <= value <= 4,
    '0 to 3.2': lambda value: 0 <= value <= 3.2,  # radians; more are likely degrees
}


class Field(NamedTuple):
    """One field of a config."""

    path: str  # 'section.field'
    kind: str  # whole | number | switch | choice | widths | names
    default: Any  # None: the network's own value
    help: str
    values: Any = None  # (least, most), the name of an interval, or the choices

    @property
    def type(self):
        """The Python type of the values."""
        if self.kind == 'choice':
            return int if isinstance(self.default, int) else str
        return {'whole': int, 'number': float, 'switch': bool}.get(self.kind, tuple)

    def choices(self):
        """The allowed values of a choice: a tuple, or the keys of a registry 'module:NAME'."""
        if isinstance(self.values, tuple):
            return self.values
        module, name = self.values.split(':')
        return tuple(getattr(importlib.import_module(f'fmnist_jax.{module}'), name))

    def expected(self):
        """The allowed values in words."""
        if self.kind == 'whole':
            return f'a whole number, {self.values[0]} to {self.values[1]}'
        if self.kind == 'choice':
            return f'one of {", ".join(map(repr, self.choices()))}'
        if self.kind == 'switch':
            return 'True or False'
        return self.values

    def problem(self, value):
        """What was expected instead of a value that the field does not allow; None if it does."""
        if self.kind == 'choice':  # True == 1, but True is no number of channels
            right = any(type(value) is type(c) and value == c for c in self.choices())
        elif self.kind == 'switch':
            right = isinstance(value, bool)
        elif self.kind == 'whole':
            right = is_whole(value)
            if right and not self.values[0] <= value <= self.values[1]:
                return f'{self.values[0]} to {self.values[1]}'
        elif self.kind == 'widths':
            right = isinstance(value, (tuple, list)) and 1 <= len(value) <= _MOST_LAYERS
            right = right and all(is_whole(width) and 1 <= width <= _WIDEST for width in value)
        elif self.kind == 'names':
            right = isinstance(value, (tuple, list))
            right = right and all(isinstance(name, str) and name for name in value)
            right = right and len(set(value)) == len(value)
        else:
            right = (is_whole(value) or isinstance(value, float)) and value == value
            if right and value != 0 and not _SMALLEST <= abs(value) <= _LARGEST:
                return f'{self.values}, within float32 ({_SMALLEST:.2g} to {_LARGEST:.2g})'
            right = right and _INTERVALS[self.values](value)
        return None if right else self.expected()

    def parse(self, text):
        """The value that a command line gives as text; ValueError if there is none."""
        if self.default is None and text.lower() in ('', 'none'):
            return None
        try:
            if self.kind == 'switch':
                return _SWITCH[text.lower()]
            if self.kind == 'names':
                return tuple(name for name in text.strip('()').split(',') if name)
            if self.kind == 'widths':
                value = ast.literal_eval(text)
                return tuple(value) if isinstance(value, (tuple, list)) else (value,)
            return self.type(text)
        except (KeyError, ValueError, SyntaxError, MemoryError, RecursionError):
            kinds = {'switch': 'true or false', 'widths': 'whole numbers, as in 400,400'}
            kind = kinds.get(self.kind, 'a whole number' if self.type is int else 'a number')
            raise ValueError(f'expected {kind}') from None


def _whole(path, default, help, least, most):
    return Field(path, 'whole', default, help, (least, most))


def _number(path, default, help, interval):
    return Field(path, 'number', default, help, interval)


def _switch(path, default, help):
    return Field(path, 'switch', default, help)


def _choice(path, default, help, choices):
    return Field(path, 'choice', default, help, choices)


_WIDTHS = f'1 to {_MOST_LAYERS} whole numbers, each 1 to {_WIDEST}, as in 400,400'
_NAMES = 'different names, as in cat,dog'
_EPOCHS, _IMAGES = 100_000, 60_000

# A float of 0.0 turns its feature off and leaves it out of the compiled program.
FIELDS = (
    _whole('seed', 0, 'the first seed; the others follow it', 0, 2**31 - 1),
    _whole('num_seeds', 5, 'seeds, trained together', 1, 10_000),
    _whole('epochs', 10, 'passes over the training images', 1, _EPOCHS),
    _whole('batch_size', 128, 'images; the last batch of an epoch may be smaller', 1, _IMAGES),
    _choice('loss', 'softmax', 'cross-entropy of these outputs, or mse', 'train.losses:LOSSES'),
    _choice(
        'accuracy',
        'argmax',
        'an image is right if: argmax (its largest output) | exact (each output is on its side)',
        ('argmax', 'exact'),
    ),
    _number('label_smoothing', 0.0, 'share of the label given to all classes', '0 to below 1'),
    _choice(
        'selection',
        'last',
        'the epoch that is tested: last | val_loss | val_accuracy (the best one)',
        ('last', 'val_loss', 'val_accuracy'),
    ),
    _whole('patience', 0, 'epochs without a better score until a seed stops; 0: never', 0, _EPOCHS),
    _whole('micro_batch', 0, 'images in the network at a time; 0: auto', 0, _IMAGES),
    _whole('eval_batch_size', 500, 'images of a batch in validation and test', 1, _IMAGES),
    _choice('test_views', 'one', 'of an image, averaged in the evaluation', 'train.step:VIEWS'),
    _number('average', 0.0, 'decay of averaged parameters, which are tested', '0 to below 1'),
    _choice('pretrained', '', "imagenet: MobileNet starts from Keras' weights", ('', 'imagenet')),
    _whole('head_epochs', 0, 'first epochs, for the dense layer alone (MobileNet)', 0, _EPOCHS),
    _choice(
        'compute',
        'float32',
        'type of the activations; parameters and statistics stay float32',
        ('float32', 'bfloat16'),
    ),
    _choice(
        'replicas',
        'auto',
        'seeds of a device: vmap (at once) | map (one after the other) | auto',
        ('auto', 'vmap', 'map'),
    ),
    _whole('replicas_chunk', 0, 'seeds at once with map; 0 means 1', 0, 10_000),
    _whole('devices_per_seed', 0, "devices that share a seed's batches; 0: auto", 0, 65_536),
    _whole('checkpoint_epochs', 0, 'epochs between checkpoints; 0: one or two minutes', 0, _EPOCHS),
    _whole('checkpoints_kept', 2, 'latest checkpoints, beside the best; 0: none', 0, 100),
    _switch('debug_nans', False, 'stop at the first number that is not finite and say where'),
    _choice('dataset.name', 'fashion_mnist', 'the images; folder: your own', 'data.catalog:NAMES'),
    _choice('dataset.fallback', '', 'images to use if these cannot be had', ('', 'synthetic')),
    _whole('dataset.num_validation', 6000, 'training images held out; 0: none', 0, _IMAGES - 1),
    _choice('dataset.split', 'random', 'the images held out: random | last', ('random', 'last')),
    _switch('dataset.validate_on_test', False, 'validate on the test images (report 004)'),
    _switch('dataset.bootstrap', False, 'each seed trains on a bootstrap sample (bagging)'),
    _number('dataset.mean', 0.0, 'inputs are (pixels / 255 - mean) / std', 'a number'),
    _number('dataset.std', 1.0, 'inputs are (pixels / 255 - mean) / std', 'more than 0'),
    _whole('dataset.image_size', 28, 'pixels; smaller images are scaled up to it', 28, 512),
    _choice('dataset.channels', 1, '3: grey images are repeated; own ones are converted', (1, 3)),
    _whole('dataset.test_seed', 0, 'draws the test images of own images without any', 0, 2**31 - 1),
    Field('dataset.classes', 'names', (), 'of own images; the command fills them in', _NAMES),
    _whole('dataset.fingerprint', 0, 'of own files; the command fills it in', 0, 2**48 - 1),
    _switch('augment.alternate_flip', False, 'mirror one half in odd epochs, the other in even'),
    _whole('augment.copies', 0, 'fixed augmented copies; 0: new random ones in every step', 0, 10),
    _switch('augment.flip', False, 'mirror a training image with probability 1/2'),
    _number('augment.rotation', 0.0, 'standard deviation of a normal angle, radians', '0 to 3.2'),
    _choice('augment.fill', 'black', 'pixels outside a moved image', 'train.augment:FILLS'),
    _number('augment.shear', 0.0, 'largest angle, uniform on both sides, radians', '0 to 1'),
    _number('augment.zoom', 0.0, 'largest relative change of height and width', '0 to below 1'),
    _number('augment.shift', 0.0, 'largest shift, as a fraction of the side', '0 to 1'),
    _number('augment.erase', 0.0, 'probability that a random rectangle becomes noise', '0 to 1'),
    _whole('augment.cutout', 0, 'pixels of a random black square; 0: none', 0, 512),
    _whole('augment.crop_padding', 0, 'black pixels on each side, before a random crop', 0, 28),
    _choice('model.name', 'lenet5', 'the network', 'models:MODELS'),
    _choice('model.activation', None, 'between layers', 'models.layers:ACTIVATIONS'),
    _choice('model.pooling', None, 'max | average', ('max', 'average')),
    _number('model.dropout', None, 'probability of dropping a value', '0 to below 1'),
    _choice('model.dropout_after', None, 'each | last hidden layer', ('each', 'last')),
    _switch('model.batch_norm', None, 'batch norm after every hidden layer'),
    _choice('model.initialization', None, 'of kernels', 'models.layers:KERNEL_INITIALIZERS'),
    Field('model.widths', 'widths', None, 'features of the layers', _WIDTHS),
    _whole('model.dense', None, 'features of the hidden dense layer', 1, _WIDEST),
    _whole('model.kernel_size', None, 'pixels', 1, 28),
    _whole('model.blocks', None, 'depthwise-separable blocks of MobileNet', 1, 13),
    _number('model.logit_scale', None, 'factor of the logits', 'more than 0'),
    _number('model.width_multiplier', None, "of MobileNet's features", '0.1 to 4'),
    _whole('model.frozen_blocks', None, 'the stem and so many blocks keep their weights', 0, 13),
    _switch('model.frozen_batch_norm', None, 'batch norm layers keep their weights'),
    _choice('optimizer.name', 'sgd', 'the update rule', 'train.optimizers:OPTIMIZERS'),
    _choice(
        'optimizer.framework',
        'pytorch',
        'whose constants and rule: pytorch | keras (3) | keras2 (of TensorFlow 2.0 to 2.10)',
        ('pytorch', 'keras', 'keras2'),
    ),
    _number('optimizer.learning_rate', 0.1, 'before its schedule', '0 or more'),
    _number('optimizer.momentum', 0.0, 'of SGD and RMSProp', '0 to below 1'),
    _switch('optimizer.nesterov', False, "Nesterov's momentum (SGD)"),
    _number('optimizer.l2', 0.0, 'times the parameters, added to the gradient', '0 or more'),
    _choice('optimizer.l2_on', 'all', 'all | kernels | dense (kernels)', 'train.optimizers:L2_ON'),
    _number('optimizer.weight_decay', 0.0, 'decoupled from the gradient (AdamW)', '0 or more'),
    _number('optimizer.rest_factor', 0.0, 'learning rate beside Muon, relative; 0: 1', '0 or more'),
    _switch('optimizer.unit_kernels', False, 'Muon: convolution kernels keep their norm'),
    _number('optimizer.clip_norm', 0.0, 'largest global norm of the gradient', '0 or more'),
    _choice('schedule.name', 'constant', 'of the learning rate', 'train.schedules:SCHEDULES'),
    _number('schedule.decay_rate', 1.0, 'factor of a step, or epoch (exponential)', '0 or more'),
    _whole('schedule.every_epochs', 1, 'epochs of a step', 1, _EPOCHS),
    _number('schedule.warmup_epochs', 0.0, 'of warmup_cosine, triangular', '0 or more'),
)
BY_PATH = {field.path: field for field in FIELDS}


def default_config():
    """The default of every field, with a table of one row: a ConfigDict.

    A model field that is None keeps the network's own value (fmnist_jax/models).
    """
    config = ConfigDict()
    config.title = 'one run'
    config.report = ''  # Holm's correction is over the claims of all tables with this name
    config.decimals = 2  # of the reported accuracies in per cent, as printed
    for field in FIELDS:
        section = config
        *sections, name = field.path.split('.')
        for part in sections:
            if part not in section:
                section[part] = ConfigDict()
            section = section[part]
        section[name] = placeholder(field.type) if field.default is None else field.default
    row = {'name': 'run', 'change': {}, 'reported': None, 'also_reported': {}}
    config.rows = (row | {'repeats': False, 'calibrated_on': ''},)  # see config.table.row
    config.claims = ()  # the report's conclusions about the rows
    config.grid = False  # the rows are a grid: print their mean and standard deviation, too
    config.search = ()  # what fmnist_jax.search may choose: uniform(...) and choice(...)
    return config


_ABBREVIATED = {'lr': 'optimizer.learning_rate', 'wd': 'optimizer.weight_decay'}


def unknown_field(path):
    """The message about a field that no config has, with the close names."""
    known = list(BY_PATH)
    last = {path.rpartition('.')[2]: path for path in known}
    name = path.rpartition('.')[2]
    close = [_ABBREVIATED[name]] if name in _ABBREVIATED else difflib.get_close_matches(path, known)
    if not close:
        close = [last[other] for other in difflib.get_close_matches(name, last, 3, 0.7)]
    close = ', '.join(dict.fromkeys(close))
    hint = f'did you mean {close}?' if close else '--help lists all fields'
    return f'the config has no such field; {hint}'


def check_fields(flat):
    """Refuses unknown and missing fields, values of another type and values out of range.

    Args:
      flat: {'section.field': value} of a row's settings.

    Raises:
      ConfigError: one line with the field, its value and what was expected.
    """
    for path in flat:
        if path not in BY_PATH:
            raise ConfigError(f'config.{path}: {unknown_field(path)}')
    for field in FIELDS:
        if field.path not in flat:
            raise ConfigError(f'config.{field.path}: missing; start from default_config()')
        value = flat[field.path]
        if value is None and field.default is None:
            continue
        if expected := field.problem(value):
            raise ConfigError(f'config.{field.path}={show(value)}: expected {expected}')


def is_whole(value):
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value, low=-math.inf, high=math.inf):
    """Whether a value is a finite number, `low` to `high`."""
    is_finite = (is_whole(value) or isinstance(value, float)) and abs(value) < math.inf
    return is_finite and low <= value <= high


def fields_help():
    """All fields as flags with their defaults, for --help."""
    lines = ['fields of the config:']
    for field in FIELDS:
        default = "(the network's own)" if field.default is None else field.default
        default = "''" if default == '' else default
        lines.append(f'  --config.{field.path}={default}  {field.help}')
    return '\n'.join(lines)


def fields_table():
    """All fields as a Markdown table: experiments/FIELDS.md."""
    rows = [
        (
            f'`{field.path}`',
            "the network's own" if field.default is None else f'`{field.default!r}`',
            field.expected(),
            field.help,
        )
        for field in FIELDS
    ]
    heading = ('field', 'default', 'values', 'meaning')
    return (
        '# Fields of a config\n\n'
        'Every field is a flag, `--config.FIELD=VALUE`. A number of 0.0 turns its feature off. '
        '`python -m fmnist_jax.config.schema` prints this page.\n\n' + markdown(heading, rows)
    )


if __name__ == '__main__':
    sys.stdout.write(fields_table())
