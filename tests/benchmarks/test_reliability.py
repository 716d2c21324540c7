"""Some faults of experiments/reliability; the scripts try more of each."""

import importlib.util
import json
import pathlib
import re
import shutil

import pytest

from experiments.reliability import endings

pytestmark = pytest.mark.slow


ROOT = pathlib.Path(__file__).parent.parent.parent
EPOCHS = 12


@pytest.fixture(scope='module')
def faults():
    path = ROOT / 'experiments' / 'reliability' / 'faults.py'
    spec = importlib.util.spec_from_file_location('faults', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def undisturbed(faults, tmp_path_factory):
    workdir = tmp_path_factory.mktemp('faults') / 'undisturbed'
    assert faults.start(workdir, EPOCHS).wait() == 0, faults.messages(workdir)
    return workdir, faults.ended(workdir)


@pytest.mark.parametrize('kind', ['kill', 'kill_in_save', 'ctrl_c'])
def test_an_ended_run_resumes_to_the_same_result(faults, undisturbed, tmp_path, kind):
    _, times, lost, _ = faults.end_often(tmp_path, undisturbed[1], EPOCHS, 1, faults.KINDS[kind])
    assert times == '1 (1 runs)'
    again = 'no epoch' if kind == 'ctrl_c' else r'(no epoch|at most \d+ epochs?)'
    assert re.fullmatch(rf'nothing; {again} trained again', lost)
    (workdir,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (workdir / 'results.jsonl').read_text().count('\n') == 1


def test_a_second_process_on_a_workdir_is_refused(faults, undisturbed, tmp_path):
    _, _, lost, _ = faults.second_process(tmp_path, undisturbed[1], EPOCHS)
    assert lost == 'nothing'
    log = faults.messages(tmp_path / 'twice')
    assert log.count('another process is writing there') == 1 and 'Traceback' not in log


def test_check_same_detects_another_result(faults, undisturbed, tmp_path):
    folder, expected = undisturbed
    workdir = shutil.copytree(folder, tmp_path / 'other')
    shutil.copy(folder.with_suffix('.log'), workdir.with_suffix('.log'))
    faults.check_same(workdir, expected)
    line = (workdir / 'results.jsonl').read_text()
    loss = json.loads(line)['history']['train_loss'][-1][0]
    (workdir / 'results.jsonl').write_text(line.replace(f'{loss}', f'{loss + 1e-6:.6g}', 1))
    with pytest.raises(faults.Fault, match='another result'):
        faults.check_same(workdir, expected)


def test_epochs_again_counts_epochs():
    text = 'a: epoch 1/9 loss\na: epoch 2/9 loss\na: goes on after epoch 1\na: epoch 2/9 loss\n'
    assert endings.epochs_again(text) == [1]
    assert endings.epochs_again('a: epoch 1/9 loss\na: epoch 1/9 loss\n') == [1]
    text = 'a: epoch 3/9 loss\na: goes on after step 2/5 of epoch 4\na: epoch 4/9 loss\n'
    assert endings.epochs_again(text) == [0]
