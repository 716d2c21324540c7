"""The reports' networks: parameter counts, shapes, fields."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from absl.testing import parameterized
from parameter_counts import PARAMETERS

from fmnist_jax.models import MODELS, make_model, model_fields, variable_shapes


def image_shape(name):
    """The shape of the images that the reports use for a model."""
    return (56, 56, 3) if 'mobilenet' in name else (28, 28, 1)


def initialize(model):
    return model.init(jax.random.key(0), jnp.zeros((2, 28, 28, 1)), train=False)


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_variable_shapes_are_those_of_init(dtype):
    model = make_model('cnn_4')
    variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1), dtype), train=False)
    chex.assert_trees_all_equal_shapes_and_dtypes(
        variable_shapes(model, (28, 28, 1), dtype), variables
    )


def test_every_model_has_a_parameter_count():
    assert PARAMETERS.keys() == MODELS.keys()


@pytest.mark.parametrize('name', PARAMETERS)
def test_parameter_count(name):
    variables = variable_shapes(make_model(name), image_shape(name))
    assert sum(p.size for p in jax.tree.leaves(variables['params'])) == PARAMETERS[name]


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('shape', [(32, 32, 3), (64, 64, 1)])
def test_any_images_and_any_number_of_classes(name, shape):
    """A network takes the shape of the images and of the last layer from the data set."""
    model = make_model(name, classes=7)
    variables = variable_shapes(model, shape)
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    logits = jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    assert logits.shape == (2, 7)
    assert 'classes' not in model_fields(name)


@pytest.mark.parametrize(
    ('name', 'count'), [('mobilenet', 3_239_114), ('simplified_mobilenet', 139_722)]
)
def test_parameter_count_with_moving_averages(name, count):
    """Report 000's Table 2 counts them: 3239K and 140K."""
    variables = variable_shapes(make_model(name), image_shape(name))
    assert sum(p.size for p in jax.tree.leaves(variables)) == count


def test_mobilenet_refuses_images_that_shrink_to_nothing():
    with pytest.raises(ValueError, match='dataset.image_size=28: .* 32 or more'):
        make_model('mobilenet').init(jax.random.key(0), jnp.zeros((1, 28, 28, 3)), train=False)


@pytest.mark.slow
class ForwardTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True, with_device=True)
    @parameterized.parameters('fcn', 'lenet5', 'simple_cnn', 'cnn_4', 'base_cnn')
    def test_logits(self, name):
        model = make_model(name)
        variables = initialize(model)
        logits = self.variant(lambda v, x: model.apply(v, x, train=False))(
            variables, jnp.ones((3, 28, 28, 1))
        )
        chex.assert_shape(logits, (3, 10))
        chex.assert_type(logits, jnp.float32)
        chex.assert_tree_all_finite(logits)


@pytest.mark.parametrize('name', MODELS)
def test_output_shape_of_every_model(name):
    model = make_model(name)
    variables = variable_shapes(model, image_shape(name))
    images = jnp.zeros((5, *image_shape(name)))
    logits = jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    assert logits.shape == (5, 10) and logits.dtype == jnp.float32


@pytest.mark.parametrize(
    ('name', 'fields', 'count'),
    [
        # report 004's grids: 1, 2 and 3 convolutions
        ('tuned_cnn', {'widths': (32,), 'dense': 32}, 320 + 26 * 26 * 32 * 32 + 32 + 330),
        ('tuned_cnn', {'widths': (16, 16), 'dense': 16}, 160 + 2320 + 11 * 11 * 16 * 16 + 16 + 170),
        ('tuned_cnn', {'widths': (16, 64, 64), 'dense': 64}, 160 + 9280 + 2 * 36_928 + 650),
        # report 002's batch normalization: a scale and a shift a hidden neuron
        ('fcn', {'batch_norm': True}, 478_410 + 4 * 400),
        ('fcn', {'widths': (400,)}, 785 * 400 + 4010),
        # 3x3x1x16, then 3x3x16 and 16x32, a scale and a shift each, then the dense layer
        (
            'mobilenet',
            {'blocks': 1, 'width_multiplier': 0.5},
            144 + 32 + 144 + 32 + 512 + 64 + 330,
        ),
    ],
)
def test_fields_change_the_network(name, fields, count):
    side = 56 if 'mobilenet' in name else 28
    variables = variable_shapes(make_model(name, **fields), (side, side, 1))
    assert sum(p.size for p in jax.tree.leaves(variables['params'])) == count


@pytest.mark.parametrize('field', ['activation', 'pooling'])
def test_fields_change_the_logits(field):
    images = jax.random.uniform(jax.random.key(1), (2, 28, 28, 1))
    base = make_model('lenet5')
    change = {field: {'activation': 'relu', 'pooling': 'max'}[field]}
    other = make_model('lenet5', **change)
    variables = initialize(base)
    difference = base.apply(variables, images, train=False) - other.apply(
        variables, images, train=False
    )
    assert jnp.abs(difference).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize('name', ['ann', 'simple_cnn', 'cnn_3', 'base_cnn'])
def test_dropout_draws_by_key_and_only_in_training(name):
    model = make_model(name)
    images = jax.random.uniform(jax.random.key(1), (2, 28, 28, 1))
    variables = initialize(model)

    @functools.partial(jax.jit, static_argnums=0)
    def logits(train, seed):
        rngs = {'dropout': jax.random.key(seed)}
        out = model.apply(variables, images, train=train, rngs=rngs, mutable=['batch_stats'])
        return out[0]

    assert jnp.abs(logits(True, 1) - logits(True, 2)).max() > 1e-4
    chex.assert_trees_all_equal(logits(True, 1), logits(True, 1))
    chex.assert_trees_all_equal(logits(False, 1), logits(False, 2))


def test_dropout_after_each_convolution_or_the_last():
    images = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    fields = {'widths': (4, 4), 'dense': 8, 'dropout': 0.5}
    last, each = (make_model('tuned_cnn', dropout_after=a, **fields) for a in ('last', 'each'))
    variables = initialize(last)
    assert last == make_model('tuned_cnn', **fields)

    def zeros_before_the_last_convolution(model):
        rngs, kept = {'dropout': jax.random.key(0)}, []

        def keep(next_call, args, kwargs, context):
            if context.module.name == 'Conv_1':
                kept.append(args[0])
            return next_call(*args, **kwargs)

        with nn.intercept_methods(keep):
            model.apply(variables, images, train=True, rngs=rngs)
        return float((kept[0] == 0).mean())

    without, half = map(zeros_before_the_last_convolution, (last, each))
    assert half > 0.4 + without / 2


def test_unknown_name_and_field_are_named():
    with pytest.raises(ValueError, match="model.name='lenet': expected one of fcn, ann, lenet5"):
        make_model('lenet')
    with pytest.raises(ValueError, match='model.widths: lenet5 has no such field; it has activ'):
        make_model('lenet5', widths=(3,))


def test_a_field_of_none_keeps_the_models_default():
    assert make_model('lenet5', activation=None) == make_model('lenet5')
    assert model_fields('ann')['dropout'] == 0.5
