"""Real Keras' MobileNet, which ours is held against."""

import keras
import numpy as np
import pytest

# Keras and numpy 2 disagree about `copy`.
KERAS_WARNINGS = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')


@pytest.fixture(scope='session')
def theirs():
    """Keras' MobileNet for images of any size, every weight and moving average at random."""
    network = keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(None, None, 3)
    )
    rng = np.random.default_rng(0)
    for layer in network.layers:
        arrays = [w.numpy() if hasattr(w, 'numpy') else np.asarray(w) for w in layer.get_weights()]
        if isinstance(layer, keras.layers.BatchNormalization):
            # gamma and variance around 1, beta and mean around 0
            arrays = [
                rng.uniform(low, high, a.shape)
                for a, (low, high) in zip(
                    arrays, [(0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5)], strict=True
                )
            ]
        layer.set_weights(arrays)
    return network
