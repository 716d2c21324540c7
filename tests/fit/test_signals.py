"""Ctrl-C: training ends where it can go on, and goes on there."""

import signal

import pytest
from checkpoint_for_tests import SETTINGS, assert_same, checkpoints, run
from settings_for_tests import small_settings

from fmnist_jax.fit import checkpoint


@pytest.fixture(autouse=True)
def heard():
    """Tests started in the background would ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope='module')
def uninterrupted():
    return run(small_settings(**SETTINGS))[0]


@pytest.fixture
def one_step_a_call(monkeypatch):
    monkeypatch.setattr('fmnist_jax.fit.fit._STEPS_PER_CALL', 1)
    monkeypatch.setattr('fmnist_jax.fit.fit._SECONDS_PER_CALL', 0)


@pytest.mark.parametrize('steps', [1, 5, 7, 20])
def test_ctrl_c_loses_no_step(uninterrupted, tmp_path, one_step_a_call, capfd, steps):
    """Five steps an epoch; after the last step there is nothing left to train."""
    folder = tmp_path / 'row'
    with pytest.raises(KeyboardInterrupt):
        run(small_settings(**SETTINGS), checkpoints(folder, every=0), ctrl_c=steps)
    assert capfd.readouterr().err.count('stopping as soon as') == 1
    assert [path.name for path in folder.glob('[0-9]*')] == [str(steps)]
    outcome, progress = run(small_settings(**SETTINGS), checkpoints(folder, every=0))
    assert (progress.resumed, progress.resumed_steps) == divmod(steps, 5)
    assert_same(outcome, uninterrupted)


def test_ctrl_c_keeps_the_sums_of_a_seed_that_diverged(tmp_path, one_step_a_call):
    wild = small_settings(epochs=2, optimizer__learning_rate=1e30)
    with pytest.raises(KeyboardInterrupt):
        run(wild, checkpoints(tmp_path / 'row'), ctrl_c=7)
    outcome, progress = run(wild, checkpoints(tmp_path / 'row'))
    assert progress.resumed_steps == 2
    assert_same(outcome, run(wild)[0])
    assert outcome.history['train_loss'][1] == [None] * 3


def test_a_second_ctrl_c_acts_at_once():
    with pytest.raises(KeyboardInterrupt), checkpoint.catch_signals() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with checkpoint.catch_signals() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert not interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
