"""TensorBoard event files, read back with tensorboardX's own messages."""

import struct

import numpy as np
import pytest
from report_for_tests import fill, history, line
from tensorboardX.proto.event_pb2 import Event

from fmnist_jax import report
from fmnist_jax.errors import ConfigError
from fmnist_jax.report import rows, tensorboard
from fmnist_jax.report.figures.curves import learning_rates

NAN = float('nan')


def records(path):
    """The Events of a file: length (8 bytes), its checksum (4), the message, its checksum (4)."""
    raw, place = path.read_bytes(), 0
    while place < len(raw):
        (size,) = struct.unpack_from('<Q', raw, place)
        yield Event.FromString(raw[place + 12 : place + 12 + size])
        place += 16 + size


def scalars(folder):
    """{tag: {epoch: value}} of a run, and its times."""
    (file,) = folder.iterdir()
    read, times = {}, set()
    for event in records(file):
        for value in event.summary.value:
            assert event.step not in read.setdefault(value.tag, {})
            read[value.tag][event.step] = value.simple_value
            times.add(event.wall_time)
    return read, times


def test_every_number_comes_back(tmp_path, capsys):
    curves = history(epochs=2, seeds=2)
    result = line('a/b', [0.90, 0.92], history=curves, seeds=[3, 4], tested_epoch=[1, 2])
    result |= {'finished': '2026-01-02T03:04:05+00:00', 'train_images': 1000}
    result['config']['epochs'] = 2
    fill(tmp_path / 'one', result, names=['a/b', 'c'])
    assert report.main([str(tmp_path / 'one'), f'--tensorboard={tmp_path}/tb']) == 0
    assert 'wrote 3 runs' in capsys.readouterr().err
    runs = tmp_path / 'tb' / 'one' / 'a_b'
    assert sorted(path.name for path in runs.iterdir()) == ['mean', 'seed_3', 'seed_4']
    for k, run in enumerate(('seed_3', 'seed_4')):
        read, times = scalars(runs / run)
        assert times == {1767323045.0}
        for name, tag in tensorboard._TAGS.items():
            expected = {epoch: curves[name][epoch - 1][k] for epoch in (1, 2)}
            assert read.pop(tag) == pytest.approx(expected)
        assert read.pop('learning_rate') == pytest.approx({1: 0.1, 2: 0.1})
        assert read == {'accuracy/test': pytest.approx({k + 1: (0.90, 0.92)[k]})}
    read, _ = scalars(runs / 'mean')
    assert read['accuracy/test'] == pytest.approx({2: 0.91})
    means = dict(enumerate(np.mean(curves['validation_loss'], 1), 1))
    assert read['loss/validation'] == pytest.approx(means)


def test_a_seed_that_stopped_or_has_no_number(tmp_path):
    curves = {'train_loss': [[0.5, 0.7], [NAN, None], [0.3, None]], 'train_accuracy': None}
    row = rows.from_result(line('a', [0.9, None], train_images=1000))
    row.result['history'] = curves
    runs = tensorboard.runs(row)
    first = [(epoch, value) for tag, epoch, value in runs['seed_0'] if tag == 'loss/train']
    assert first == [(1, 0.5), (3, 0.3)]
    second = runs['seed_1']
    assert [e for tag, e, _ in second if tag == 'loss/train'] == [1]
    assert [e for tag, e, _ in second if tag == 'learning_rate'] == [1]  # until it stopped
    assert not [e for tag, e, _ in second if tag == 'accuracy/test']
    mean = [(epoch, value) for tag, epoch, value in runs['mean'] if tag == 'loss/train']
    assert mean == [(1, pytest.approx(0.6)), (3, 0.3)]


def rates(**changes):
    result = line('a', train_images=1000)  # 8 steps of 128 images
    result['config']['epochs'] = 4
    for path, value in changes.items():
        section, _, field = path.rpartition('__')
        (result['config'][section] if section else result['config'])[field] = value
    return learning_rates(rows.from_result(result))


def test_learning_rates_by_hand():
    np.testing.assert_allclose(rates(), [0.1] * 4)
    halved = {'schedule__name': 'exponential', 'schedule__decay_rate': 0.5}
    np.testing.assert_allclose(rates(**halved), [0.1, 0.05, 0.025, 0.0125], rtol=1e-6)
    # the schedule starts again when the whole network is trained
    np.testing.assert_allclose(rates(**halved, head_epochs=1), [0.1, 0.1, 0.05, 0.025], rtol=1e-6)
    cosine = rates(schedule__name='cosine')
    np.testing.assert_allclose(cosine, 0.05 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-6)
    assert learning_rates(rows.from_result(line('a'))) is None  # too old to hold the images
    assert learning_rates(rows.Row('a', 0.5)) is None
    for damage in ({'batch_size': 0}, {'schedule__name': 'x'}, {'schedule': None}):
        with pytest.raises(ConfigError, match="row 'a': a damaged line"):
            rates(**damage)


def test_a_row_without_a_history(tmp_path):
    fill(tmp_path / 'one', line('a', [0.9]))
    assert tensorboard.write(tmp_path / 'tb', [tmp_path / 'one']) == 2
    read, _ = scalars(tmp_path / 'tb' / 'one' / 'a' / 'seed_0')
    assert read == {'accuracy/test': {0: pytest.approx(0.9)}}


def test_what_is_there_is_not_written_twice(tmp_path, capsys):
    fill(tmp_path / 'one', line('a', history=history()))
    arguments = [str(tmp_path), f'--tensorboard={tmp_path}/tb']
    assert report.main(arguments) == 0
    before = sorted((tmp_path / 'tb').rglob('*'))
    capsys.readouterr()
    assert report.main(arguments) == 2
    out, error = capsys.readouterr()
    assert 'is there already' in error and error.count('\n') == 1 and out == ''
    assert sorted((tmp_path / 'tb').rglob('*')) == before


def test_tested_epochs_of_other_seeds_are_refused():
    row = rows.from_result(line('a', tested_epoch=[1]))
    with pytest.raises(ConfigError, match='1 tested epochs of 3 seeds'):
        tensorboard.runs(row)
