"""Bad settings: one line that names the field, exit code 2, nothing written; never a traceback.

experiments/reliability/bad_input.py tries all fields with all values; here, a part of them and what
hypothesis thinks of.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_main import CONFIG, ROOT

from configs import base
from experiments.reliability import bad_config_files, bad_configs
from fmnist_jax.config import schema
from fmnist_jax.config import settings as settings_
from fmnist_jax.config.table import check_table
from fmnist_jax.errors import ConfigError

NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(0, 70_000), st.floats(0, 2))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(max_size=5),
    st.lists(NUMBERS, max_size=3),
    st.tuples(NUMBERS, NUMBERS),
    st.binary(max_size=3),
    st.sampled_from(bad_configs.VALUES),
)


def fails(outcomes):
    return {case: what for case, what in outcomes.items() if what not in ('accepted', 'refused')}


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(bad_configs.FIELDS), ANYTHING, min_size=1, max_size=2))
def test_any_value_is_refused_by_name_or_can_be_used(change):
    small = {'model.name': 'fcn', 'dataset.name': 'synthetic'}
    outcome = bad_configs.try_row(small | change, None)
    assert outcome in ('accepted', 'refused')


@pytest.mark.parametrize('path', ['epochs', 'optimizer.learning_rate', 'model.widths', 'seed'])
def test_what_is_accepted_can_be_traced(path):
    outcomes = bad_configs.rows((path,), set())
    assert not fails(outcomes)
    assert {'accepted', 'refused'} == set(outcomes.values())


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'epochs': True}, 'config.epochs=True: expected a whole number, 1 to 100000'),
        ({'epochs': None}, 'config.epochs=None: expected a whole number'),
        (
            {'optimizer.learning_rate': True},
            'field optimizer.learning_rate=True: True is no number',
        ),
        ({'optimizer.learning_rate': 1e39}, 'expected 0 or more, within float32 (1.2e-38 to 3.4e'),
        ({'dataset.std': 1e-46}, 'config.dataset.std=1e-46: expected more than 0, within float32'),
        ({'dataset.mean': float('nan')}, 'config.dataset.mean=nan: expected a number'),
        ({'model.dropout': 1 - 1e-12}, 'expected 0 to below 1'),  # 1 in float32
        ({'model.batch_norm': 1}, 'config.model.batch_norm=1: expected True or False'),
        ({'model.widths': (65_536,) * 9}, 'the network would have 34,412,363,786 parameters'),
        ({'micro_batch': 10**18}, 'config.micro_batch=1000000000000000000: expected 0 to 60000'),
        ({'seed': 2**31 - 1}, 'config.seed=2147483647: the last of config.num_seeds=5 would be'),
        ({'epochs': 10**5, 'batch_size': 1}, 'config.epochs=100000: up to 6,000,000,000 steps'),
        ({'model': {}}, 'field model={}: a group of fields: set one of them'),
        (
            {'model.widht': 3},
            'field model.widht: the config has no such field; did you mean model.widths',
        ),
        (
            {'model.name': 'tuned_cnn', 'model.kernel_size': 28},
            'config.model.kernel_size=28, config.dataset.image_size=28: no network',
        ),
    ],
)
def test_the_line_says_what_is_wrong(change, message):
    with pytest.raises(ConfigError) as error:
        resolved = settings_.resolve(
            base.get_config(), base.row('a', {'model.name': 'fcn'} | change)
        )
        bad_configs.check(resolved)
    assert message in str(error.value)


def test_the_default_config_has_every_field():
    config = base.get_config()
    fields = settings_.flatten(settings_.resolve(config, config.rows[0]).to_dict())
    assert set(fields) == set(schema.BY_PATH)


def test_a_users_own_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcomes = bad_config_files.config_files(tmp_path / 'user')
    assert not fails(outcomes)
    refused = [case for case, outcome in outcomes.items() if outcome == 'refused']
    assert len(refused) > 90 and 'config.epocs = 3' in refused
    assert [path.name for path in tmp_path.iterdir()] == ['user']  # nothing was written


@pytest.mark.parametrize(
    'entry',
    [
        base.uniform('epochs', 5, 1),
        base.uniform('optimizer.l2', 0.0, 1.0, log=True),
        base.uniform('optimizer.l2', 0.0, 'a'),
        base.choice('batch_size'),
        'x',
    ],
)
def test_an_entry_of_a_search_that_is_none(entry):
    config = base.get_config()
    config.rows = (base.row('a', {}),)
    config.search = (base.uniform('epochs', 1, 5), entry)
    with pytest.raises(ConfigError, match='config.search, entry 2: .*; expected choice'):
        check_table(config)


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ((base.row('a', {}), base.row('a', {})), "row 'a' is there twice"),
        ((base.row('a b', {}), base.row('a/b', {})), "rows 'a b' and 'a/b': their files would"),
        (({'name': 'a'},), "config.rows, row 1: {'name': 'a'}; expected row(name"),
        ((base.row('a', {}, reported=91.0),), "row 'a': reported=91.0; expected a fraction"),
        ((base.row('a' * 151, {}),), 'expected printable letters, 1 to 150 bytes'),
        ((base.row('鞋' * 51, {}),), 'expected printable letters, 1 to 150 bytes'),
        ((), 'config.rows is empty'),
    ],
)
def test_rows_that_are_none_or_cannot_be_told_apart(rows, message):
    config = base.get_config()
    config.rows = rows
    with pytest.raises(ConfigError) as error:
        check_table(config)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ('argument', 'name'),
    [
        ('--config.optimizer.learning_rate=nan', 'learning_rate=nan: expected 0 or more'),
        ('--config.augment.rotation=nan', 'config.augment.rotation=nan: expected 0 to 3.2'),
        ('--config.augment.rotation=1e400', 'config.augment.rotation=inf: expected 0 to 3.2'),
        ('--config.epochs=\n', '--config.epochs=: expected a whole number'),
        ('--config.batch_size=99999999999999999999', 'expected 1 to 60000'),
        ('--config.model.widths=(1', '--config.model.widths=(1: expected whole numbers'),
        ("--config.model.widths=('a',)", 'expected 1 to 100 whole numbers'),
        (
            '--config.model.batch_norm=maybe',
            '--config.model.batch_norm=maybe: expected true or false',
        ),
    ],
)
def test_a_bad_flag(tmp_path, monkeypatch, argument, name):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / 'tiny.py'
    file.write_text(CONFIG)
    path = argument.partition('=')[0].removeprefix('--')
    assert bad_configs.try_command(f'--config={file}', argument, names=[name or path]) == 'refused'
    assert list(tmp_path.iterdir()) == [file]
    code, errors = bad_configs.command(f'--config={file}', argument, '--debug')
    assert code == 2 and errors.startswith('Traceback')


@pytest.mark.parametrize(
    ('table', 'row', 'flag', 'message'),
    [
        ('lenet', 'base', '--fresh=conv1', '--fresh: none of the rows base starts from'),
        ('mobilenet', '*_scratch', '--pretrained=x.h5', '--pretrained: none of the rows simplif'),
        ('mobilenet', 'simpl*', '--pretrained=x.h5', None),  # some rows do
    ],
)
def test_weights_that_no_row_uses(table, row, flag, message):
    arguments = (f'--config={ROOT}/configs/{table}.py', f'--rows={row}', flag)
    outcome = bad_configs.try_command(*arguments, names=[message or ''])
    assert outcome == ('refused' if message else 'accepted')


def test_a_good_flag_is_accepted(tmp_path):
    """The trials above would not notice a command that refuses everything."""
    file = tmp_path / 'tiny.py'
    file.write_text(CONFIG)
    assert bad_configs.try_command(f'--config={file}', '--config.epochs=3') == 'accepted'
