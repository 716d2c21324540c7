"""The command as a user types it: a mistake gets one line, and nothing is written."""

import pytest
from test_main import CONFIG, config, run

__all__ = ['config']  # a fixture


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], '--config=FILE is missing'),
        (['--config=configs/nothing.py'], 'no such file; there are configs/tiny.py'),
        (['--config={}', '--config.epoch=2'], '--config.epoch: the config has no such field; did'),
        (['--config={}', '--config.epochs=two'], ' --config.epochs=two: expected a whole number'),
        (['--config={}', '--config.seed=1.5'], ' --config.seed=1.5: expected a whole number'),
        (['--config={}', '--config.optimizer.l2=x'], 'optimizer.l2=x: expected a number'),
        (['--config={}', '--config.augment.flip=x'], 'augment.flip=x: expected true or false'),
        (['--config={}', '--config.claims=()'], "--config.claims: set in the config's file; see"),
        (['--config={}', '--config.epochs=0'], "row 'slow': config.epochs=0: expected 1 to"),
        (['--config={}', '--config.optimizer=adam'], 'is a group of fields: set one of them, such'),
        (['--config={}', '--config.optimizer.name=sdg'], "config.optimizer.name='sdg': expected"),
        (['--config={}', '--rows=nothing*'], '--rows=nothing*: no row matches; the rows are slow'),
        (['--config={}', '--row=slow'], 'row'),
        (['--config={}', 'slow'], "'slow': not a flag"),
        (['--config={}', '--config.dataset.name=mnist', '--data_dir=nowhere'], 'nowhere/mnist'),
        (['--config={}', '--config.dataset.num_validation=12000'], 'num_validation'),
        (['--config={}', '--workdir=/dev/null/x'], '/dev/null'),
        (['--config={}', '--workdir={}'], 'a file; name a folder'),
        (['--config={}', '--workdir='], '--workdir: empty; expected a path'),
        (['--config={}', '--smoke', '--workdir=/'], '--workdir=/: expected a folder with a name'),
        (['--config={}', '--cpu_devices=0'], 'cpu_devices'),
        (
            ['--config={}', '--rows=s*', '--pretrained=/nowhere.h5', '--fresh=rubbish'],
            '--pretrained, --fresh: none of the rows slow starts from pretrained weights',
        ),
        (['--config={}', '--seeds_per_task=1'], '--seeds_per_task needs --cluster'),
        (['--config={}', '--host=1'], '--num_hosts and --host need --coordinator=HOST:PORT'),
        (
            ['--config={}', '--cluster=a:1', '--coordinator=a:1'],
            '--cluster and --coordinator: give one',
        ),
        (['--config={}', '--cluster=here'], '--cluster=here: expected HOST:PORT'),
    ],
)
def test_a_mistake_gets_one_clear_error(tmp_path, config, arguments, message):
    done = run(tmp_path, *[a.format(config) for a in arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith('error: ') and 'Traceback' not in done.stderr
    assert not list(tmp_path.rglob('results.jsonl')) and not (tmp_path / 'runs').exists()


def test_a_claim_about_no_row_is_told_before_training(tmp_path, config):
    claim = "config.claims = ({'text': 't', 'comparisons': [['fast', 'slwo']]},)"
    config.write_text(CONFIG.replace('    return config', f'    {claim}\n    return config'))
    done = run(tmp_path, f'--config={config}')
    assert done.returncode == 2
    assert done.stderr.startswith("error: claims: 'slwo' matches none of the rows slow, fast")
    assert 'Traceback' not in done.stderr and not (tmp_path / 'runs').exists()


def test_a_broken_config_file_is_named(tmp_path, config):
    config.write_text('def get_config(:\n')
    done = run(tmp_path, f'--config={config}')
    assert done.returncode == 2
    assert 'SyntaxError' in done.stderr and 'Traceback' not in done.stderr


def test_a_layout_that_cannot_be_had_leaves_nothing_behind(tmp_path, config):
    done = run(tmp_path, f'--config={config}', '--cpu_devices=2', '--config.devices_per_seed=2')
    assert done.returncode == 2
    assert done.stderr.startswith('error: config.devices_per_seed=2: expected one of 1:')
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'runs').exists()
