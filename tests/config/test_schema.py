"""The table of fields."""

import pytest
from conftest import ROOT

from fmnist_jax.config import schema
from fmnist_jax.config.settings import flatten


def test_the_page_of_fields_is_the_schemas():
    page = (ROOT / 'experiments' / 'FIELDS.md').read_text()
    assert page == schema.fields_table(), (
        'python -m fmnist_jax.config.schema > experiments/FIELDS.md'
    )


@pytest.mark.parametrize('field', schema.FIELDS, ids=lambda field: field.path)
def test_a_default_is_allowed_and_a_flag_can_give_it(field):
    flat = flatten(schema.default_config().to_dict())
    assert flat[field.path] == field.default
    assert field.parse('none' if field.default is None else str(field.default)) == field.default


@pytest.mark.parametrize(
    ('path', 'text', 'value'),
    [
        ('model.widths', '400,300', (400, 300)),
        ('model.widths', '(400, 300)', (400, 300)),
        ('model.widths', '8', (8,)),
        ('model.pooling', '', None),
        ('augment.flip', 'yes', True),
        ('model.batch_norm', 'f', False),
        ('optimizer.learning_rate', '1', 1.0),
        ('dataset.channels', '3', 3),
        ('dataset.classes', 'cat,dog', ('cat', 'dog')),
    ],
)
def test_a_flags_text_becomes_a_value(path, text, value):
    found = schema.BY_PATH[path].parse(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ('path', 'close'),
    [
        ('optimizer.lr', 'did you mean optimizer.learning_rate?'),
        ('learning_rate', 'did you mean optimizer.learning_rate?'),
        ('epoch', 'did you mean epochs'),
        ('zzz', '--help lists all fields'),
    ],
)
def test_an_unknown_field_names_the_close_ones(path, close):
    assert close in schema.unknown_field(path)
