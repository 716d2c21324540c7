"""The source of pretrained weights in a result line, and which weights may join its row."""

import h5py
import pytest
from keras.src.legacy.saving import legacy_h5_format
from keras_for_tests import KERAS_WARNINGS, theirs
from report_for_tests import line

from fmnist_jax.errors import ConfigError
from fmnist_jax.models import make_model, pretrained
from fmnist_jax.results import lines, workdirs

__all__ = ['theirs']  # a fixture
pytestmark = KERAS_WARNINGS
LAST = ['conv_pw_13', 'conv_pw_13_bn']


@pytest.fixture(scope='module')
def files(theirs, tmp_path_factory):
    """The same weights: all, all but the last layer, all with another number in the first."""
    folder = tmp_path_factory.mktemp('weights')
    paths = [folder / f'{name}.h5' for name in ('whole', 'partial', 'other')]
    for path in paths:
        with h5py.File(path, 'w') as opened:
            legacy_h5_format.save_weights_to_hdf5_group(opened, theirs)
            if path.stem == 'partial':
                for name in LAST:
                    del opened[name]
            if path.stem == 'other':
                opened['conv1/conv1/kernel'][0, 0, 0, 0] += 1
    return paths


def source(name, file, fresh=()):
    return pretrained.load(make_model(name), (56, 56, 3), file, fresh).source


def row_with(folder, source):
    lines.append(folder, line('a', pretrained=source))
    return lines.read(folder)[0]


@pytest.mark.slow
def test_a_file_that_holds_the_same_for_this_network_may_join(files, tmp_path):
    whole, partial, other = files
    row = row_with(tmp_path, source('simplified_mobilenet', partial, LAST))
    assert row['pretrained']['fresh'] == LAST and row['pretrained']['fresh_in_network'] == []
    ours = source('simplified_mobilenet', whole)
    assert ours['file'] == 'whole.h5' and ours['sha256'] != row['pretrained']['sha256']
    workdirs.check_pretrained(tmp_path, row, ours)
    for file, fresh in ((other, ()), (whole, ['conv_pw_2'])):
        with pytest.raises(ConfigError, match='give the same --pretrained and --fresh'):
            workdirs.check_pretrained(tmp_path, row, source('simplified_mobilenet', file, fresh))


def test_the_whole_network_takes_other_weights_of_the_two_files(files, tmp_path):
    whole, partial, _ = files
    row = row_with(tmp_path, source('mobilenet', partial, LAST))
    assert row['pretrained']['fresh_in_network'] == LAST
    with pytest.raises(ConfigError, match='give the same --pretrained and --fresh'):
        workdirs.check_pretrained(tmp_path, row, source('mobilenet', whole))
    workdirs.check_pretrained(tmp_path, row, source('mobilenet', whole, LAST))


def test_seeds_without_weights_and_with_weights_do_not_join(files, tmp_path):
    ours = source('simplified_mobilenet', files[1], LAST)
    row = row_with(tmp_path, ours)
    workdirs.check_pretrained(tmp_path, row, ours)
    with pytest.raises(ConfigError, match='give the same --pretrained and --fresh'):
        workdirs.check_pretrained(tmp_path, row | {'pretrained': None}, ours)
