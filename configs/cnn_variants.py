"""Report 001, Table 1: CNN_1 to CNN_5, with softmax or sigmoid, with and without augmentation.

    python -m fmnist_jax.main --config=configs/cnn_variants.py
    python -m fmnist_jax.main --config=configs/cnn_variants.py --rows='cnn_4*'

The report trains on 50,000 images with pixels in [0, 1] for 10 epochs, and validates on 10,000.
Batches have 128 images. Adam has a learning rate of 0.004 and L2 0.001 (PyTorch's `weight_decay`,
added to the gradient). CNN_3 has dropout 0.5. The parameters with the highest validation accuracy
are tested. We read "sigmoid" as the binary cross-entropy of each output. The report's best network
is CNN_2, which has batch normalization, with 90.25 %.

The report does not give the padding of its random crop (we use 2 pixels) and the initialization (we
use PyTorch's). The seconds per epoch of CNN_1 and CNN_5 are the report's, on a GeForce 1050Ti.
"""

from configs import base
from configs.base import claim, not_worse, row

# model: accuracy of softmax, softmax with augmentation, sigmoid, sigmoid with augmentation
TABLE_1 = {
    'cnn_1': (0.8916, 0.8913, 0.8411, 0.8338),
    'cnn_2': (0.9025, 0.8943, 0.8585, 0.8661),
    'cnn_3': (0.8850, 0.8837, 0.8156, 0.8472),
    'cnn_4': (0.8695, 0.8559, 0.8120, 0.7939),
    'cnn_5': (0.8823, 0.8801, 0.8593, 0.8498),
}
ALSO_REPORTED = {  # section "Models"; parameters of CNN_1 to CNN_3 summed over its layers
    'cnn_1': {'parameters': 4_048_010, 'seconds_per_epoch': 20},
    'cnn_2': {'parameters': 4_048_714},
    'cnn_3': {'parameters': 4_048_714},
    'cnn_4': {'parameters': 65_000},  # "about"
    'cnn_5': {'parameters': 1_800_000, 'seconds_per_epoch': 32},
}
AUGMENTED = {'augment.flip': True, 'augment.crop_padding': 2}
COLUMNS = {  # in the order of the numbers in TABLE_1
    'softmax_plain': {'loss': 'softmax'},
    'softmax_augment': {'loss': 'softmax'} | AUGMENTED,
    'sigmoid_plain': {'loss': 'sigmoid'},
    'sigmoid_augment': {'loss': 'sigmoid'} | AUGMENTED,
}

CLAIMS = (  # below Table 1, and sections "Models" and "Conclusion"
    claim(
        'Batch normalization needs fewer epochs (here: validation accuracy after the first epoch)',
        *[(f'cnn_2_{column}', f'cnn_1_{column}') for column in COLUMNS],
        measure='early_validation_accuracy',
    ),
    claim(
        'CNN_2, which uses batch normalization, performs the best (here: the mean of its columns)',
        *[('cnn_2_*', f'{model}_*') for model in TABLE_1 if model != 'cnn_2'],
    ),
    claim(
        'Softmax outperforms sigmoid in all cases',
        *[
            (f'{model}_softmax_{augmented}', f'{model}_sigmoid_{augmented}')
            for model in TABLE_1
            for augmented in ('plain', 'augment')
        ],
    ),
    claim(
        'With augmentation more epochs are needed: after these 10, softmax is better without',
        ('*_softmax_plain', '*_softmax_augment'),
    ),
    claim(
        'CNN_3 with dropout performs worse than CNN_2: batch norm reduces the need for dropout',
        *[(f'cnn_2_{column}', f'cnn_3_{column}') for column in COLUMNS],
    ),
    claim(
        'CNN_4 lacks capacity',
        *[(f'{model}_*', 'cnn_4_*') for model in TABLE_1 if model != 'cnn_4'],
    ),
    claim(
        'More convolutions do not improve accuracy from some point on: CNN_5 is not better than '
        'CNN_2',
        not_worse('cnn_2_*', 'cnn_5_*'),
    ),
)


def get_config():
    """Twenty rows of 10 epochs; slow without a GPU."""
    config = base.get_config()
    config.title = 'Report 001, Table 1: CNN_1 to CNN_5'
    config.report = '001'
    config.num_seeds = 3
    config.epochs = 10
    config.batch_size = 128
    config.selection = 'val_accuracy'
    config.dataset.num_validation = 10_000
    config.optimizer.name = 'adam'
    config.optimizer.framework = 'pytorch'
    config.optimizer.learning_rate = 0.004
    config.optimizer.l2 = 0.001
    config.rows = tuple(
        row(
            f'{model}_{column}',
            {'model.name': model} | change,
            reported=accuracy,
            also_reported=ALSO_REPORTED[model],
        )
        for model, accuracies in TABLE_1.items()
        for (column, change), accuracy in zip(COLUMNS.items(), accuracies, strict=True)
    )
    config.claims = CLAIMS
    return config
