"""Does bfloat16 change results? LeNet-5 and the simple CNN, in float32 and in bfloat16.

    python -m fmnist_jax.main --config=configs/bfloat16.py

This table reproduces no report. `compute` is the type of activations and of the kernels that they
are multiplied with. Parameters, optimizer state, batch norm's statistics, logits and losses stay
float32. bfloat16 is for GPUs: a CPU without matrix units for it is slower in bfloat16. Both rows of
a pair use the same seeds, hence the same splits, initializations and permutations.
"""

from configs import base
from configs.base import row

LENET5 = {'model.activation': 'relu', 'model.pooling': 'max', 'epochs': 5}
SIMPLE_CNN = {'model.name': 'simple_cnn', 'epochs': 3}
BFLOAT16 = {'compute': 'bfloat16'}


def get_config():
    """Four rows with Adam 0.001; about 13 minutes for 5 seeds on two CPU cores."""
    config = base.get_config()
    config.title = 'bfloat16 against float32'
    config.optimizer.name = 'adam'
    config.optimizer.learning_rate = 0.001
    config.rows = (
        row('lenet5', LENET5),
        row('lenet5_bfloat16', LENET5 | BFLOAT16),
        row('simple_cnn', SIMPLE_CNN),
        row('simple_cnn_bfloat16', SIMPLE_CNN | BFLOAT16),
    )
    return config
