"""Checkpoints: a run that goes on ends as one that was never stopped, whatever happened."""

import itertools
import pathlib
import shutil

import chex
import jax
import numpy as np
import pytest
from checkpoint_for_tests import SETTINGS, Stop, assert_same, checkpoints, run
from settings_for_tests import small_settings

from fmnist_jax.errors import ConfigError
from fmnist_jax.fit import checkpoint, mesh


@pytest.fixture(scope='module')
def settings():
    return small_settings(**SETTINGS)


@pytest.fixture(scope='module')
def uninterrupted(settings):
    return run(settings)[0]


@pytest.fixture(scope='module')
def stopped(settings, tmp_path_factory):
    """Checkpoints of a run that ended in its fourth epoch."""
    folder = tmp_path_factory.mktemp('stopped') / 'row'
    with pytest.raises(Stop):
        run(settings, checkpoints(folder), stop_after=3)
    return folder


@pytest.fixture
def copy(stopped, tmp_path):
    return pathlib.Path(shutil.copytree(stopped, tmp_path / 'row'))


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(settings, uninterrupted, copy):
    kept = checkpoints(copy)
    outcome, progress = run(settings, kept)
    assert progress.resumed == 3
    assert_same(outcome, uninterrupted)
    assert outcome.resumed == [{'epoch': 3, 'commit': 'abc'}] and uninterrupted.resumed == []
    kept.discard()
    assert not copy.exists() and not copy.parent.exists()


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices_and_back(settings, uninterrupted, tmp_path):
    folder = tmp_path / 'row'
    for devices, epochs in ((8, 1), (1, 1), (8, 9)):
        try:
            outcome, _ = run(settings, checkpoints(folder), epochs, devices)
        except Stop:
            continue
    assert_same(outcome, uninterrupted, exact=False)
    assert [entry['epoch'] for entry in outcome.resumed] == [1, 2]


@pytest.mark.slow
def test_one_seed_goes_on_with_its_batches_on_eight_devices_and_back(tmp_path):
    """Data-parallel: batch norm's statistics and gradients are those of the whole batch."""
    one = small_settings(**SETTINGS, model__batch_norm=True, num_seeds=1)
    alone, folder = run(one)[0], tmp_path / 'row'
    for devices, epochs in ((8, 1), (1, 1), (8, 9)):
        try:
            outcome, _ = run(one, checkpoints(folder), epochs, devices, devices)
        except Stop:
            continue
    assert_same(outcome, alone, exact=False)
    assert [entry['epoch'] for entry in outcome.resumed] == [1, 2]


def test_the_latest_and_the_best_are_kept(settings, tmp_path):
    kept = checkpoints(tmp_path / 'row', keep=1)
    like = {'params': np.arange(3.0)}
    for epoch, accuracy in enumerate((0.5, 0.9, 0.7, 0.6), 1):
        history = {'validation_accuracy': [[accuracy]], 'train_loss': [[1.0]] * epoch}
        kept.save(checkpoint.Checkpoint(epoch, like, history, [epoch], 1.0, []), epoch)
    kept.close()
    assert sorted(path.name for path in (tmp_path / 'row').iterdir()) == ['2', '4']
    assert checkpoints(tmp_path / 'row').restore(like).epoch == 4


@pytest.mark.parametrize(
    ('every', 'keep', 'expected'), [(1, 2, [10, 15]), (2, 2, [10]), (1, 0, [])]
)
def test_how_often_and_how_many_are_fields(settings, tmp_path, every, keep, expected):
    with pytest.raises(Stop):
        run(small_settings(**SETTINGS), checkpoints(tmp_path / 'row', every, keep), stop_after=3)
    found = [int(path.name) for path in (tmp_path / 'row').glob('[0-9]*')]
    assert set(expected) <= set(found) and bool(found) == bool(expected)


def test_without_a_number_a_checkpoint_is_due_once_a_minute(monkeypatch, tmp_path):
    clock = itertools.count(0, 25)
    monkeypatch.setattr(checkpoint.time, 'monotonic', lambda: next(clock))
    kept = checkpoints(tmp_path / 'row', every=0)
    here = checkpoint.Checkpoint(1, None, {}, [1], 1.0, [])
    assert [kept.due(here) for _ in range(4)] == [False, False, True, True]


def test_within_an_epoch_a_checkpoint_is_due_after_two_minutes(monkeypatch, tmp_path):
    clock = itertools.count(0, 25)
    monkeypatch.setattr(checkpoint.time, 'monotonic', lambda: next(clock))
    here = checkpoint.Checkpoint(1, None, {}, [1], 1.0, [], steps=3)
    kept = checkpoints(tmp_path / 'row', every=0)
    assert [kept.due(here) for _ in range(5)] == [False] * 4 + [True]
    assert not checkpoints(tmp_path / 'row', every=1).due(here)


def test_another_runs_checkpoints_are_refused(settings, copy):
    with pytest.raises(ConfigError, match=r'checkpoints of another run \(run: a -> b\); set'):
        run(settings, checkpoints(copy, identity='b'))
    assert sorted(copy.glob('[0-9]*'))


def test_another_network_under_the_same_name_is_no_damage(settings, copy):
    """Its arrays have other shapes, too, but the settings tell what differs."""
    other = small_settings(**SETTINGS | {'model__widths': (5,)})
    with pytest.raises(ConfigError, match=r'checkpoints of another run \(run: a -> b\)'):
        run(other, checkpoints(copy, identity='b'))
    with pytest.raises(ConfigError, match=r'another version of the code \(commit abc\); finish'):
        run(other, checkpoints(copy))
    assert sorted(copy.glob('[0-9]*'))


def test_short_memory_is_no_damage(settings, copy, monkeypatch):
    def full(path):
        raise MemoryError

    monkeypatch.setattr(checkpoint, '_read_intact', full)
    with pytest.raises(ConfigError, match='too little memory'):
        run(settings, checkpoints(copy))
    assert sorted(copy.glob('[0-9]*'))


def test_checkpoints_older_than_a_field_that_is_off_go_on(settings, uninterrupted, copy):
    now = {'run': 'a', 'augment': {'younger': 0.0}}
    with pytest.raises(ConfigError, match=r'augment.younger: None -> 0.5'):
        run(settings, checkpoints(copy, identity={'run': 'a', 'augment': {'younger': 0.5}}))
    outcome, progress = run(settings, checkpoints(copy, identity=now))
    assert progress.resumed == 3
    assert_same(outcome, uninterrupted)


def test_checkpoints_from_before_steps_were_kept_go_on(
    settings, uninterrupted, tmp_path, monkeypatch
):
    fields, new = checkpoint.Checkpoint._asdict, ('steps', 'measured')

    def older(*args):
        return {name: value for name, value in fields(*args).items() if name not in new}

    monkeypatch.setattr(checkpoint.Checkpoint, '_asdict', older)
    with pytest.raises(Stop):
        run(settings, checkpoints(tmp_path / 'row'), stop_after=3)
    monkeypatch.undo()
    outcome, progress = run(settings, checkpoints(tmp_path / 'row'))
    assert (progress.resumed, progress.resumed_steps) == (3, 0)
    assert_same(outcome, uninterrupted)


def damage(path, how):
    if how == 'deleted':
        path.unlink()
    elif how == 'truncated':
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 8] = bytes(byte ^ 255 for byte in content[middle : middle + 8])
        path.write_bytes(bytes(content))


@pytest.mark.parametrize('how', ['deleted', 'truncated', 'flipped'])
def test_a_damaged_checkpoint_falls_back_on_the_one_before(settings, uninterrupted, copy, how):
    """The largest file of the data, which orbax reads without complaint when bytes are flipped."""
    largest = max(
        (copy / '15' / 'state').rglob('*'), key=lambda p: p.is_file() and p.stat().st_size
    )
    damage(largest, how)
    said = []
    outcome, progress = run(settings, checkpoints(copy, said=said))
    assert progress.resumed == 2
    assert_same(outcome, uninterrupted)
    assert len(said) == 1 and 'row/15: damaged checkpoint, deleted (' in said[0]


def test_damage_to_any_file_ends_in_the_same_result(settings, uninterrupted, stopped, tmp_path):
    like = None
    files = [path for path in (stopped / '15').rglob('*') if path.is_file()]
    layout = mesh.arrange(settings.num_seeds, devices=jax.local_devices()[:1])
    assert {path.name for path in stopped.glob('[0-9]*')} >= {'10', '15'}
    template = small_state(settings, layout)
    expected = checkpoints(stopped).restore(template)
    for number, (file, how) in enumerate(itertools.product(files, ('truncated', 'flipped'))):
        folder = pathlib.Path(shutil.copytree(stopped, tmp_path / str(number)))
        damage(folder / file.relative_to(stopped), how)
        said = []
        found = checkpoints(folder, said=said).restore(template)
        assert found.epoch == (2 if said else 3), (file, how)
        if not said:  # a file that restoring does not need, or bytes without a meaning
            chex.assert_trees_all_equal(found.state, expected.state)
        like = found
    assert like is not None


def small_state(settings, layout):
    from fmnist_jax.train import step

    state = jax.eval_shape(lambda: step.init(settings, 0, 80))
    return jax.tree.map(lambda s: np.zeros((layout.count, *s.shape), s.dtype), state)


def test_all_damaged_means_the_row_starts_again(settings, uninterrupted, copy):
    for folder in copy.glob('[0-9]*'):
        shutil.rmtree(folder / 'state')
    said = []
    outcome, progress = run(settings, checkpoints(copy, said=said))
    assert progress.resumed == 0 and len(said) >= 2
    assert_same(outcome, uninterrupted)


def test_a_disk_that_refuses_costs_the_checkpoint_not_the_run(settings, uninterrupted, tmp_path):
    (tmp_path / 'file').write_text('not a folder')
    said = []
    outcome, _ = run(settings, checkpoints(tmp_path / 'file' / 'row', said=said))
    assert_same(outcome, uninterrupted)
    assert len(said) == 1 and 'no checkpoint could be written, training goes on' in said[0]
