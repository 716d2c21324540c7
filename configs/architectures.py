"""Report 001's conclusion: residual, inception and dense blocks instead of more stacked layers.

    python -m fmnist_jax.main --config=configs/architectures.py

Report 001 says: "Further improvements in accuracy could be found in novel architectures (residual,
inception, dense blocks)". It tries none. Four networks of ours of about the same size test that:
the report's CNN_4 (65,994 parameters, stacked convolutions) against a residual network (77,754), an
inception network (68,826) and a densely connected one (64,600). A fifth row, CNN_2 with 60 times as
many parameters, is the report's best network.

Images, split and augmentation are those of configs/cnn_variants.py with augmentation. The learning
rate suits all five: Adam 0.001 with a cosine schedule, batches of 128, 15 epochs, no L2. The test
uses the epoch with the highest validation accuracy, as the report does.
"""

from configs import cnn_variants
from configs.base import claim, row

NETWORKS = ('cnn_4', 'small_resnet', 'inception_net', 'dense_net', 'cnn_2')
NOVEL = ('small_resnet', 'inception_net', 'dense_net')

CLAIMS = (  # section "Conclusion"
    claim(
        'Further improvements in accuracy could be found in novel architectures (here: better than '
        'stacked layers of the same size)',
        *[(name, 'cnn_4') for name in NOVEL],
    ),
    claim(
        'Ours: with a sixtieth of its parameters they are better than CNN_2, too',
        *[(name, 'cnn_2') for name in NOVEL],
    ),
)


def get_config():
    """Five rows of 15 epochs; an hour and more for 3 seeds on two CPU cores without CNN_2."""
    config = cnn_variants.get_config()
    config.title = 'Report 001, conclusion: residual, inception and dense blocks'
    config.epochs = 15
    config.num_seeds = 3
    config.optimizer.learning_rate = 0.001
    config.optimizer.l2 = 0.0
    config.schedule.name = 'cosine'
    config.augment.flip = True
    config.augment.crop_padding = cnn_variants.AUGMENTED['augment.crop_padding']
    config.rows = tuple(row(name, {'model.name': name}) for name in NETWORKS)
    config.claims = CLAIMS
    return config
