"""What a table lacks, as tasks."""

import pytest
from report_for_tests import line
from settings_for_tests import small_dataset, small_settings
from trained_for_tests import train

from configs import base
from fmnist_jax.config.settings import plain, resolve, settings_hash
from fmnist_jax.errors import ConfigError
from fmnist_jax.models.pretrained import Pretrained
from fmnist_jax.results import lines, networks, workdirs
from fmnist_jax.sweep import experiment


@pytest.mark.parametrize(
    ('have', 'most', 'expected'),
    [
        (None, 0, [(0, 5)]),
        (None, 2, [(0, 2), (2, 2), (4, 1)]),
        ([0, 1], 0, [(2, 3)]),
        ([2, 3], 0, [(0, 2), (4, 1)]),  # a cluster was stopped before the first seeds were done
        ([1], 2, [(0, 1), (2, 2), (4, 1)]),
        ([0, 1, 2, 3, 4, 5], 1, []),
    ],
)
def test_tasks_are_the_seeds_that_a_row_lacks(have, most, expected):
    settings = small_settings(num_seeds=5)
    row = {'name': 'a'}
    done = have and {'seeds': have}
    tasks = experiment._missing(row, settings, done, most)
    assert [(task.first, task.count) for task in tasks] == expected
    for task in tasks:
        assert (task.own.seed, task.own.num_seeds) == (task.first, task.count)
        assert (task.settings.seed, task.settings.num_seeds) == (0, 5)
    names = {(0, 5): 'a', (4, 1): 'a seed 4', (2, 3): 'a seeds 2 to 4'}
    for task in tasks:
        assert task.name == names.get((task.first, task.count), task.name)


SOURCE = {'file': 'a.h5', 'ported_sha256': 'ab', 'fresh_in_network': []}
MOBILENET = {
    'model.name': 'simplified_mobilenet',
    'pretrained': 'imagenet',
    'dataset.image_size': 32,
    'dataset.channels': 3,
    'dataset.num_validation': 20,
}


def planned(workdir, source, named, num_seeds=1):
    """(what `plan` gives for a row with one finished seed, how often it loaded the weights)."""
    config = base.get_config()
    config.num_seeds = num_seeds
    row = base.row('a', MOBILENET)
    mine = resolve(config, row)
    if not lines.read(workdir):
        done = {'seeds': [0], 'pretrained': SOURCE, 'config_hash': settings_hash(mine)}
        lines.append(workdir, line('a', [0.9], config=plain(mine), **done))
    loaded = []

    def load_pretrained(settings):
        loaded.append(settings)
        return Pretrained({}, source)

    load_pretrained.named = named
    dataset = small_dataset()
    tasks = experiment.plan(
        config,
        [row],
        workdir,
        lambda name: dataset,
        load_pretrained,
        say=lambda text: None,
        executor=experiment.Executor(experiment.run_here),
    )
    return tasks, len(loaded)


def test_a_finished_row_is_held_against_weights_that_the_user_names(tmp_path):
    assert planned(tmp_path, SOURCE, named=False) == ([], 0)  # nothing is fetched for nothing
    assert planned(tmp_path, SOURCE, named=True) == ([], 1)
    with pytest.raises(ConfigError, match="the seeds of 'a' started from .* give the same --pretr"):
        planned(tmp_path, SOURCE | {'ported_sha256': 'cd'}, named=True)
    (task,), count = planned(tmp_path, SOURCE, named=False, num_seeds=2)
    assert (task.first, task.pretrained.source, count) == (1, SOURCE, 1)


def test_weights_that_a_row_cannot_use_are_told_with_its_name(tmp_path):
    def load_pretrained(settings):
        raise ConfigError('config.head_epochs=1 freezes conv1')

    config = base.get_config()
    config.rows = (base.row('a', MOBILENET),)
    dataset = small_dataset()
    with pytest.raises(ConfigError, match="^row 'a': config.head_epochs=1 freezes conv1"):
        experiment.run(config, config.rows, tmp_path / 'x', lambda name: dataset, load_pretrained)
    assert not (tmp_path / 'x').exists()


def test_a_line_holds_the_penalty_of_each_seed(tmp_path):
    l2 = {'optimizer.l2': 0.02, 'optimizer.l2_on': 'dense'}
    train(tmp_path, 2, {'with_l2': l2, 'without': {}})
    with_l2, without = lines.read(tmp_path)
    assert without['l2_penalty'] == [0.0, 0.0]
    tensors = networks.of_row(tmp_path, 'with_l2').variables['params']
    kernels = [layer['kernel'] for layer in tensors.values()]
    expected = [0.01 * sum((kernel[seed] ** 2).sum() for kernel in kernels) for seed in range(2)]
    assert with_l2['l2_penalty'] == pytest.approx(expected, rel=1e-4)


def test_checkpoints_of_finished_seeds_go_with_the_next_start(tmp_path):
    """A kill between the result line and the end of the deletion leaves them."""
    config = base.get_config()
    config.dataset.name, config.dataset.num_validation, config.epochs = 'synthetic', 20, 1
    config.model.name, config.model.widths, config.num_seeds = 'fcn', (4,), 2
    config.rows = (base.row('a/b', {}), base.row('empty', {}))

    def start():
        return experiment.run(config, config.rows, tmp_path, lambda name: small_dataset(), say=list)

    start()
    folder = workdirs.checkpoint_folder(tmp_path, 'a/b')
    for seeds in ('0_to_1', '0_to_0', '1_to_2'):
        (folder / f'seeds_{seeds}' / '5').mkdir(parents=True)
    workdirs.checkpoint_folder(tmp_path, 'empty').mkdir()
    start()
    assert [path.name for path in folder.iterdir()] == ['seeds_1_to_2']  # 2 is still to be trained
    assert list(folder.parent.iterdir()) == [folder]
