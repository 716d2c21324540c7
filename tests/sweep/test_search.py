"""The search: trials trained together, judged by validation alone, shared and resumed."""

import copy
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from configs import base
from fmnist_jax.errors import ConfigError
from fmnist_jax.sweep import study

optuna = pytest.importorskip('optuna')

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = """
from configs import base
from configs.base import choice, uniform

def get_config():
    config = base.get_config()
    config.title = 'A search'
    config.num_seeds = 1
    config.epochs = 2
    config.model.name = 'fcn'
    config.model.widths = (8,)
    config.dataset.name = 'synthetic'
    config.search = (
        uniform('optimizer.learning_rate', 0.001, 1.0, log=True),
        uniform('model.dropout', 0.1, 0.5),
        choice('batch_size', 128, 256),
    )
    return config
"""


def test_what_a_flag_sets_is_not_searched(capsys):
    config = base.get_config()
    rate = base.uniform('optimizer.learning_rate', 0.001, 1.0, log=True)
    config.search = (rate, base.uniform('epochs', 1, 3))
    study.fix(config, {'epochs': 2, 'seed': 4})
    assert config.search == (rate,)
    assert capsys.readouterr().err == 'Set, so not searched: epochs\n'
    with pytest.raises(ConfigError, match='nothing is left to search: flags set optimizer.learn'):
        study.fix(config, {'optimizer.learning_rate': 0.1})


@pytest.mark.parametrize(('count', 'random'), [(8, False), (50, True)])
def test_a_small_study_draws_few_trials_blindly(tmp_path, count, random):
    """After three trials, one of eight learns from them, one of fifty is still random."""
    space = (base.uniform('optimizer.learning_rate', 0.001, 1.0, log=True),)
    config, drawn = base.get_config(), []
    for name in ('tpe', 'random'):
        config.seed = len(drawn)
        made = study.open_study(config, tmp_path, f'sqlite:///{tmp_path}/study.db', None)
        for _ in range(4):
            trial, change = study.ask(
                made, space, lambda n, s=name: study.make_sampler(s, n, count)
            )
            study.tell(made, trial, change['optimizer.learning_rate'], pruned=False)
        drawn.append([one.params['optimizer.learning_rate'] for one in made.trials])
    assert drawn[0][:2] == drawn[1][:2]
    assert (drawn[0][3] == drawn[1][3]) == random


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'search': ()}, 'config.search is empty'),
        ({'search': (base.uniform('optimizer.rate', 0.1, 1.0),)}, 'optimizer.rate: .* no such'),
        ({'search': (base.uniform('batch_size', 0, 8),)}, 'config.batch_size=0: expected 1 to'),
        ({'search': (base.uniform('epochs', 1, 2),), 'dataset.num_validation': 0}, 'needs valid'),
        (
            {
                'search': (base.uniform('epochs', 1, 2),),
                'dataset.validate_on_test': True,
                'dataset.num_validation': 0,
            },
            'must not see the test images',
        ),
        (
            {'search': (base.choice('model.activation', 'relu', 'foo', 'tanh'),)},
            "config.model.activation='foo': expected one of",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_is_told(change, message):
    config = base.get_config()
    for path, value in change.items():
        *sections, field = path.split('.')
        section = config
        for name in sections:
            section = section[name]
        section[field] = value
    with pytest.raises(ConfigError, match=message):
        study.check_space(config)


def test_the_best_trial_gets_fresh_seeds():
    config = base.get_config()
    config.num_seeds = 3
    config.rows = (base.row('a', {}, reported=0.9291, repeats=True, calibrated_on='L2'),)
    trial = optuna.trial.create_trial(
        params={'optimizer.learning_rate': 0.1},
        distributions={'optimizer.learning_rate': optuna.distributions.FloatDistribution(0.01, 1)},
        value=0.9,
    )
    best = study.best_config(config, trial, 5)
    assert (best.seed, best.num_seeds) == (3, 5)  # the trials had 0, 1 and 2
    assert best.rows[0]['change'] == {'optimizer.learning_rate': 0.1}
    assert best.rows[0]['reported'] == 0.9291
    assert best.rows[0]['repeats'] and best.rows[0]['calibrated_on'] == 'L2'


def test_a_file_that_is_no_journal_is_named(tmp_path):
    (tmp_path / 'study.journal').write_text('nothing\n' * 3)
    with pytest.raises(ConfigError, match='study.journal: cannot be opened as a study of Optuna'):
        study.open_study(None, tmp_path, '', None)


def test_a_line_that_a_full_disk_cut_off_costs_no_trial(tmp_path):
    for number in range(3):
        made = study.open_study(None, tmp_path, '', None)
        assert study.counts(made)['complete'] == number
        study.tell(made, made.ask(), 0.9, pruned=False)
        with open(tmp_path / 'study.journal', 'ab') as journal:
            journal.write(b'{"op_code":5,"worker_id":"72')


def test_the_lock_file_of_a_killed_process_blocks_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # with a relative workdir, as most are
    os.mkdir('runs')
    pathlib.Path('runs/study.journal.lock').touch()
    assert study.open_study(None, 'runs', '', None).ask().number == 0


def test_configs_that_share_a_storage_have_a_study_each(tmp_path):
    storage = f'sqlite:///{tmp_path}/study.db'
    config = base.get_config()
    config.search = (base.uniform('optimizer.learning_rate', 0.001, 1.0, log=True),)
    made = study.open_study(config, tmp_path / 'a', storage, None)
    study.tell(made, made.ask(), 0.9, pruned=False)

    def has_the_trial(**changes):
        changed = copy.deepcopy(config)
        changed.unlock()
        changed.update(changes)
        found = study.open_study(changed, tmp_path / 'b', storage, None)
        return study.best(found) is not None

    assert has_the_trial() and has_the_trial(title='Another title', num_seeds=9, a_new_field=0)
    assert not has_the_trial(epochs=7)
    assert not has_the_trial(search=(base.uniform('optimizer.learning_rate', 0.1, 1.0),))


def test_a_locked_database_is_one_line_and_its_trial_runs_again(tmp_path, monkeypatch):
    monkeypatch.setattr(study, '_SECONDS_LOCKED', 0.1)
    config = base.get_config()
    space = (base.uniform('optimizer.learning_rate', 0.001, 1.0),)

    def ask(made):
        return study.ask(made, space, lambda number: study.make_sampler('random', number, 4))

    made = study.open_study(config, tmp_path, f'sqlite:///{tmp_path}/study.db', None)
    trial, change = ask(made)
    other = sqlite3.connect(tmp_path / 'study.db')
    other.execute('BEGIN EXCLUSIVE')
    message = '^--storage: the study cannot be read or written .*database is locked.*goes on$'
    with pytest.raises(ConfigError, match=message), study.storage_errors():
        study.tell(made, trial, 0.9, pruned=False)
    other.rollback()
    assert study.give_up_dead_trials(made) == 1
    assert ask(made)[1] == change


def test_a_dead_trial_that_another_process_gave_up_is_left_alone(tmp_path, monkeypatch):
    made = study.open_study(None, tmp_path, '', None)
    trial = made.ask()

    def quicker(process):
        made.tell(trial, state=optuna.trial.TrialState.FAIL)
        return True

    monkeypatch.setattr(study, '_is_dead', quicker)
    assert study.give_up_dead_trials(made) == 0
    assert len(made.get_trials()) == 1


@pytest.fixture
def command(tmp_path):
    (tmp_path / 'configs').mkdir()
    base_text = (ROOT / 'configs' / 'base.py').read_text()
    (tmp_path / 'configs' / 'base.py').write_text(base_text)
    (tmp_path / 'configs' / 'tiny.py').write_text(CONFIG)
    words = [sys.executable, '-m', 'fmnist_jax.search', '--config=configs/tiny.py']
    environment = os.environ | {
        'FMNIST_CACHE_DIR': str(tmp_path / 'cache'),
        'PYTHONPATH': str(ROOT),
    }

    def start(*arguments):
        return subprocess.Popen(
            [*words, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.slow
def test_a_search_is_killed_resumed_and_shared(command, tmp_path):
    folder = tmp_path / 'runs' / 'tiny'
    first = command('--trials=40', '--together=3', '--best_seeds=0')
    deadline = time.monotonic() + 120
    journal = folder / 'study.journal'
    while time.monotonic() < deadline and first.poll() is None:
        if journal.exists() and '"values"' in journal.read_text():  # a trial is told
            break
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = journal.read_text().count('"values"')
    pair = [command('--trials=14', '--together=3', '--best_seeds=2') for _ in range(2)]
    texts = [process.communicate(timeout=500) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], '\n'.join(err for _, err in texts)
    made = study.open_study(None, folder, '', None)
    have = study.counts(made)
    assert have['complete'] + have['pruned'] == max(14, done) and have['running'] == 0
    rates = [trial.params['optimizer.learning_rate'] for trial in made.trials if trial.values]
    assert len(set(rates)) == len(rates)  # no process repeats what another drew
    assert any('of a process that was killed are tried again' in errors for _, errors in texts)
    lines = (folder / 'best' / 'results.jsonl').read_text().splitlines()
    result = json.loads(lines[-1])
    assert result['row'] == f'trial_{study.best(made).number}' and result['seeds'] == [1, 2]
    assert sum('best trial, fresh seeds' in out for out, _ in texts) >= 1
    assert (folder / 'search.md').read_text().count('\n|') > 3
    assert {p.stem for p in (folder / 'figures').glob('*.svg')} == {
        'history',
        'importance',
        'parallel',
    }
    # A convolutional one: looking at its shapes asks JAX for the devices.
    wrong = command('--trials=14', '--config.epochs=3', '--config.model.name=tuned_cnn')
    _, errors = wrong.communicate(timeout=100)
    assert wrong.returncode == 2 and 'epochs: 2 -> 3' in errors and 'Traceback' not in errors


def test_the_committed_search_is_what_its_study_says(tmp_path):
    folder = ROOT / 'experiments' / 'cnn2_search'
    shutil.copy(folder / 'study.journal', tmp_path)
    made = study.open_study(None, tmp_path, '', None)
    assert study.table(made) in (folder / 'search.md').read_text()
    best = json.loads((folder / 'best' / 'results.jsonl').read_text().splitlines()[0])
    number = study.best(made).number
    assert best['row'] == f'trial_{number}'
    assert min(best['seeds']) > 0  # fresh: the trials had seed 0
    params = study.best(made).params
    assert best['config']['optimizer']['learning_rate'] == params['optimizer.learning_rate']
