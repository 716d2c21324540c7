"""Every field of a config, once, with its type. A table's file changes what it needs.

Numbers: a float that is 0.0 means "off". A model field left empty keeps the model's own value
(fmnist_jax/models). Seeds are `seed`, `seed + 1`, ...: each has a validation split, an
initialization, an order, dropout and augmentation of its own.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def row(name, change, reported=None, also_reported=None, repeats=False):
    """One cell of a table.

    Args:
      name: shown in the table; `--rows` selects by it.
      change: {'section.field': value}, what this row sets.
      reported: the report's test accuracy as a fraction, None where it prints none.
      also_reported: other numbers the report prints for this row, by name; accuracies as
        fractions, losses in nats, times in seconds.
      repeats: `reported` is the number of another row, of this table or another: it is compared
        here, too, but counts once among the reports' numbers.
    """
    return {
        'name': name,
        'change': change,
        'reported': reported,
        'also_reported': also_reported or {},
        'repeats': repeats,
    }


def claim(text, *comparisons):
    """A conclusion of a report that the rows of its tables can test.

    It holds if in every comparison the first side is higher than the second. A side is a row's
    name or a glob over names, meaning the mean of the rows that match, or a list of two of them
    [a, b], meaning what a gains over b. 'tuning_2_layers:*' means rows of that config's results.

    Args:
      text: the conclusion, close to the report's words.
      comparisons: pairs (higher, lower), and what `not_worse` and `same` give.
    """
    return {'text': text, 'comparisons': [list(comparison) for comparison in comparisons]}


def not_worse(side, other, margin=0.005):
    """A comparison of a claim: `side` is at most `margin` below `other`, so `other` hardly helps.

    Args:
      side, other: as in `claim`.
      margin: a fraction; half a percentage point is a few standard deviations over seeds here.
    """
    return (side, other, margin)


def same(a, b, margin=0.005):
    """Two comparisons of a claim: neither side is more than `margin` below the other."""
    return (not_worse(a, b, margin), not_worse(b, a, margin))


def uniform(field, low, high, log=False):
    """A number that a search may choose from an interval: whole if both ends are.

    Args:
      field: 'section.field'.
      low, high: both included.
      log: try orders of magnitude evenly.
    """
    return {'field': field, 'low': low, 'high': high, 'log': log}


def choice(field, *values):
    """A field that a search may set to one of the values."""
    return {'field': field, 'values': list(values)}


def get_config():
    """The defaults: one row, LeNet-5 as report 003 describes it."""
    config = ConfigDict()
    config.title = 'one run'  # heading of the table
    config.seed = 0  # the first seed
    config.num_seeds = 5  # trained together
    config.epochs = 10  # times through the training images
    config.batch_size = 128  # images; the last batch of an epoch may be smaller
    config.loss = 'softmax'  # softmax | sigmoid (binary cross-entropy on one-hot labels)
    config.label_smoothing = 0.0  # in [0, 1)
    config.selection = 'last'  # which epoch is tested: last | val_loss | val_accuracy (its best)
    config.patience = 0  # epochs without a better validation score before a seed stops; 0 never
    config.micro_batch = 0  # images through the net at a time (no batch norm); 0 chooses
    config.eval_batch_size = 500  # images
    config.pretrained = ''  # imagenet: MobileNet starts from Keras' weights
    config.head_epochs = 0  # first so many train the dense layer alone (MobileNet, pretrained)
    config.compute = 'float32'  # float32 | bfloat16 (parameters and statistics stay float32)
    config.replicas = 'auto'  # seeds of a device: vmap (at once) | map (in turn) | auto
    config.replicas_chunk = 0  # with map: seeds at once; 0 means one
    config.devices_per_seed = 0  # that share a seed's batches, if there are so many; 0 chooses
    config.checkpoint_epochs = 0  # a checkpoint every so many epochs; 0: every minute or two
    config.checkpoints_kept = 2  # latest ones, beside the best; 0: no checkpoints
    config.debug_nans = False  # stops at the first number that is not finite and says where
    config.dataset = _dataset()
    config.augment = _augment()
    config.model = _model()
    config.optimizer = _optimizer()
    config.schedule = _schedule()
    config.rows = (row('run', {}),)
    config.claims = ()  # the report's conclusions about the rows
    config.grid = False  # the rows are a grid: mean and deviation over them are printed, too
    config.search = ()  # between(...) and among(...): what fmnist_jax.search may choose
    return config


def _dataset():
    dataset = ConfigDict()
    dataset.name = 'fashion_mnist'  # fashion_mnist | mnist | synthetic
    dataset.fallback = ''  # synthetic: used, loudly, if the real one cannot be had
    dataset.num_validation = 6000  # of the training images; 0 for none
    dataset.validate_on_test = False  # the test images as validation set (report 004)
    dataset.mean = 0.0  # inputs are (pixels / 255 - mean) / std
    dataset.std = 1.0  # see mean
    dataset.image_size = 28  # pixels; larger is bilinear up-scaling on the device
    dataset.channels = 1  # 3 repeats the grey image
    return dataset


def _augment():
    augment = ConfigDict()  # training images only
    augment.flip = False  # left-right, each image with probability 1/2
    augment.rotation = 0.0  # standard deviation of a normal angle, radians
    augment.erase = 0.0  # probability that a random rectangle becomes noise
    augment.crop_padding = 0  # pixels of black around, then a random 28x28 crop
    return augment


def _model():
    model = ConfigDict()
    model.name = 'lenet5'  # see fmnist_jax/models
    model.activation = placeholder(str)  # linear step sigmoid tanh relu relu6 leaky_relu
    model.pooling = placeholder(str)  # max | average
    model.dropout = placeholder(float)  # probability of dropping
    model.dropout_after = placeholder(str)  # each | last hidden layer
    model.batch_norm = placeholder(bool)  # behind every hidden layer
    # pytorch | keras | glorot_uniform | he_normal | random_normal
    model.initialization = placeholder(str)
    model.widths = placeholder(tuple)  # features per layer (mlp, simple and tuned CNN)
    model.dense = placeholder(int)  # features of the hidden dense layer
    model.kernel_size = placeholder(int)  # pixels
    model.blocks = placeholder(int)  # depthwise-separable blocks of MobileNet, 1 to 13
    model.width_multiplier = placeholder(float)  # of MobileNet's features
    model.frozen_blocks = placeholder(int)  # the stem and so many blocks stay as loaded
    model.frozen_batch_norm = placeholder(bool)  # every batch norm stays as loaded
    return model


def _optimizer():
    optimizer = ConfigDict()
    optimizer.name = 'sgd'  # sgd | rmsprop | adam | adamw
    optimizer.framework = 'pytorch'  # whose constants and update rule: pytorch | keras
    optimizer.learning_rate = 0.1  # before its schedule
    optimizer.momentum = 0.0  # of SGD and RMSProp
    optimizer.nesterov = False  # looks ahead with the momentum (SGD)
    optimizer.l2 = 0.0  # times the parameters, added to the gradient (coupled)
    optimizer.l2_on = 'all'  # which parameters: all | kernels | dense (the dense layers' kernels)
    optimizer.weight_decay = 0.0  # decoupled (adamw)
    optimizer.clip_norm = 0.0  # largest global norm of the gradient
    return optimizer


def _schedule():
    schedule = ConfigDict()
    schedule.name = 'constant'  # or exponential, step, cosine, warmup_cosine, triangular
    schedule.decay_rate = 1.0  # exponential: per epoch; step: per `every_epochs`
    schedule.every_epochs = 1  # of step
    schedule.warmup_epochs = 0.0  # warmup_cosine; triangular: epoch of the peak
    return schedule
