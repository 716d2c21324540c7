"""Your own images: a folder with a folder for each class, or an .npz file.

    python -m fmnist_jax.main --config=configs/own_images.py --data_dir=photos/

Pictures of any size and kind (PNG, JPEG, WebP) are scaled to 32x32 pixels in colour;
--config.dataset.image_size=64 and --config.dataset.channels=1 change that. A fifth of each class
are test images, unless the folder has `train` and `test` in it, and a fifth of the others are
validation images: their accuracy chooses the epoch that is tested. experiments/USING.md says more.
"""

from configs.base import get_config as base_config
from configs.base import row


def get_config():
    """A small CNN and a small residual network, five seeds each, with mirrored training images."""
    config = base_config()
    config.title = 'Own images'
    config.dataset.name = 'folder'
    config.dataset.image_size, config.dataset.channels = 32, 3
    config.dataset.mean, config.dataset.std = 0.5, 0.25
    config.epochs, config.batch_size, config.selection = 30, 32, 'val_accuracy'
    config.augment.flip, config.augment.crop_padding = True, 2
    config.optimizer.name, config.optimizer.learning_rate = 'adam', 0.001
    config.rows = (
        row('simple_cnn', {'model.name': 'simple_cnn'}),
        row('small_resnet', {'model.name': 'small_resnet'}),
    )
    return config
