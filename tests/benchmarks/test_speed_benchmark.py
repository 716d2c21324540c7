"""The speed benchmark counts, divides and prints correctly. No test measures speed."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from experiments.speed import benchmark, jax_worker, rates, tables
from experiments.speed.machine import OtherPrograms, process_memory
from experiments.speed.networks import DEFAULT, NETWORKS, OPTIMIZERS, our_change
from experiments.speed.page import page
from experiments.speed.processes import Worker, WorkerError
from fmnist_jax.config.settings import resolve
from fmnist_jax.models import MODELS, frozen, make_model
from fmnist_jax.train import step

OURS = [name for name in NETWORKS if name in MODELS]


def test_training_is_forward_and_two_gradients_of_two_operations():
    assert rates.training_flops(1000) == 6000


def _contestant(side, rate, seeds=1, **fields):
    """Three turns of 100 images per seed, at 1, 1/2 and 2 times `rate` images/s of all seeds."""
    images = 100 * seeds
    turns = [
        {'images': images, 'seconds': images / (rate * factor), 'other_cores': 0.125}
        for factor in (1, 0.5, 2)
    ]
    start = {'parameters': 1234, 'compile_seconds': 3.21, 'import_seconds': 1.0}
    fields = {'side': side, 'seeds': seeds, 'compute': 'float32', 'mode': 'auto'} | fields
    return {**fields, 'turns': turns, 'start': start, 'memory': {'peak_bytes': 512e6}}


@pytest.fixture
def contents():
    """The contents of speed.json for one network with 2 x 10^6 multiply-adds per image."""
    contestants = [
        _contestant('torch', 1000, memory_format='contiguous'),
        _contestant('torch', 2000, memory_format='channels_last'),
        _contestant('jax', 3000),
        _contestant('jax', 5000, seeds=4),
        _contestant('plain', 300),
    ]
    loop = {'steps': 10, 'in_loop': 0.22, 'own_program': 0.2, 'single_calls': 0.45}
    entry = {
        'machine': {'platform': 'cpu', 'kind': 'cpu', 'cpu': 'Abacus', 'cores': 2, 'versions': {}},
        'commit': 'abc',
        'arguments': {'repetitions': 3},
        'contestants': contestants,
        'multiply_adds': 2_000_000,
        'matrix_product': {'gflops': 120.0},
        'parts': [{'share': s, 'seconds': 8 * s} for s in (0.25, 0.5, 1, 1, 0.5, 0.25)],
        'loop': [loop | {'empty_calls': 0.1, 'calls': 5}],
        'second_start': {'seeds': 4, 'start_seconds': 3.5, 'import_seconds': 1.5},
        'memory': {'1': {'peak_bytes': 600e6}, '4': {'peak_bytes': 800e6}},
    }
    ways = [contestants[1], _contestant('jax', 7000, seeds=8, mode='vmap')]
    modes = {key: entry[key] for key in ('machine', 'commit', 'arguments')} | {'groups': [ways]}
    return {'networks': {'simple_cnn': entry}, 'modes': {'simple_cnn': modes}}


def test_rates_are_medians_and_ratios_are_per_round(contents):
    entry = contents['networks']['simple_cnn']
    theirs, four = rates.best_torch(entry), rates.ours(entry, 4)
    assert theirs['memory_format'] == 'channels_last'
    assert rates.images_per_second(four) == pytest.approx(5000)
    assert rates.ratio(four, theirs) == pytest.approx((2.5, 2.5, 2.5))
    slow_round = theirs | {'turns': [*theirs['turns'][:2], {'images': 100, 'seconds': 1}]}
    assert rates.ratio(four, slow_round) == pytest.approx((2.5, 2.5, 100))
    assert rates.epoch_seconds(four) == pytest.approx(12)
    assert rates.gflops(four, 2_000_000) == pytest.approx(5000 * 12e6 / 1e9)
    assert rates.ours(entry, 3) is None


def test_the_page(contents):
    text = page(contents)
    cells = [[c.strip() for c in line.split('|')[1:-1]] for line in text.splitlines()]
    rows = [row for row in cells if row and row[0] == 'simple_cnn']
    one_seed, four_seeds = ('3,000', '1.50 (1.50 to 1.50)'), ('5,000', '2.50 (2.50 to 2.50)')
    vmap = ('cpu', 'float32', '8', 'vmap', '7,000', '8.57', '2,000', '3.50 (3.50 to 3.50)')
    assert rows == [
        ['simple_cnn', '2,000', '3,000 (1.50 ×)', '5,000 (2.50 ×)'],
        ['simple_cnn', '2,000', 'channels_last', *one_seed, *four_seeds, '0.12'],
        ['simple_cnn', '300', '3,000', '10.00 (10.00 to 10.00)'],
        ['simple_cnn', '30', '20', '12', '4 (000)'],
        ['simple_cnn', '2', '24', '36', '60', '120', '50 %'],
        ['simple_cnn', '1,234', '512', '600', '800', '3.2', '2', '4 seeds'],
        ['simple_cnn', '2.00 s = 0.25', '4.00 s = 0.50', '8.00 s = 1.00'],
        ['simple_cnn', '22', '20', '25', '20', '1.10', '4: 1.67 (1.67 to 1.67)'],
        ['simple_cnn', *vmap, '512', '3.2', '0.12'],
    ]
    assert 'Abacus, 2 cores' in text and 'commit abc' in text


def test_the_page_without_pytorch(contents):
    entry = contents['networks']['simple_cnn']
    entry['contestants'] = rates.of_side(entry, 'jax')
    assert '| simple_cnn |         |               | 3,000        |           |' in page(contents)


def test_a_network_that_is_not_measured_has_no_row(contents):
    assert 'speed_net' in DEFAULT  # `make bench` times it
    text = page(contents)
    assert '|' in text and 'speed_net' not in text and 'Nesterov' not in text
    contents['networks']['speed_net'] = contents['networks']['simple_cnn']
    text = page(contents)
    assert 'speed_net has batches of 500 and SGD with Nesterov momentum.\n' in text
    assert text.count('| speed_net ') == text.count('| simple_cnn ') - 1  # less the modes
    assert '|' not in page({'networks': {}, 'modes': {}})


def test_table_flag_writes_the_table_again(tmp_path, contents):
    (tmp_path / 'speed.json').write_text(json.dumps(contents))
    assert benchmark.main(['--table', f'--out={tmp_path}']) == 0
    assert (tmp_path / 'table.md').read_text() == page(contents)


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('--networks=fcn,lenet', "error: --networks: 'lenet': expected some of fcn, le"),
        ('--seeds=0', "error: --seeds: '0': expected numbers such as 1,4"),
        ('--turn_seconds=-1', "error: --turn_seconds: '-1': expected seconds, such as 1.5"),
        ('--modes=vmap:2', "error: --modes: 'vmap:2': expected vmap, map or map:K"),
        ('--epochs=2', "error: '--epochs=2': no such flag; see --help"),
    ],
)
def test_a_wrong_flag_gives_one_line(argument, message, capsys):
    with pytest.raises(SystemExit, match='2'):
        benchmark.main([argument])
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count('\n') == 1


@pytest.mark.slow
def test_the_plain_contestant_has_lax_convolutions(monkeypatch):
    monkeypatch.setattr(jax_worker.machine, 'set_up', lambda **_: None)  # JAX has started
    change = our_change('lenet5', seeds=1, extra={'dataset.name': 'synthetic'})

    def convolutions(plain):
        contestant = jax_worker.Contestant(change, images=300, plain=plain)
        assert contestant.train(1)['images'] == 128
        return contestant.programs.train_steps.as_text().count(' convolution(')

    assert convolutions(plain=True) > convolutions(plain=False) == 0


@pytest.mark.slow
def test_our_side_trains_in_a_process(tmp_path):
    change = our_change('fcn', seeds=2, extra={'dataset.name': 'synthetic', 'model.widths': [12]})
    options = {'change': change, 'images': 300, 'cache': str(tmp_path)}
    with Worker('jax', options) as worker:
        assert worker.facts['parameters'] == 785 * 12 + 130
        assert worker.facts['compile_seconds'] > 0
        # One of three steps is done. Two steps are left in the epoch, the last with 44 images.
        assert worker.ask('train', steps=2, per_call=1)['images'] == 2 * (128 + 44)
        assert worker.ask('train', steps=5)['images'] == 2 * (300 + 256)
        assert worker.ask('single_steps', steps=2)['seconds'] > 0
        assert worker.ask('empty_calls', calls=2)['seconds'] > 0
        assert worker.ask('memory')['peak_bytes'] > 0
        assert worker.ask('operations')['multiply_adds'] == 784 * 12 + 120
        with pytest.raises(WorkerError, match='TypeError'):
            worker.ask('train', step=2)


def test_the_workers_error_message_reaches_the_parent():
    change = our_change('fcn', seeds=1, extra={'optimizer.name': 'sdg'})
    with pytest.raises(WorkerError, match="ConfigError: config.optimizer.name='sdg': expected"):
        Worker('jax', {'change': change})


@pytest.mark.parametrize('name', NETWORKS)
def test_pytorchs_network_has_our_parameter_count(name):
    pytest.importorskip('torch')
    from experiments.speed.torch_models import MODELS as THEIRS

    # Trainable parameters: report 000's "3239K" and "140K" without the running averages.
    known = {'mobilenet': 3_217_226, 'simplified_mobilenet': 136_778}
    if name in OURS:
        change = NETWORKS[name].change
        side, channels = change.get('dataset.image_size', 28), change.get('dataset.channels', 1)
        images = jnp.zeros((1, side, side, channels))
        variables = jax.eval_shape(
            lambda: make_model(name).init(jax.random.key(0), images, train=False)
        )
        ours = sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
        assert known.setdefault(name, ours) == ours
    assert sum(p.numel() for p in THEIRS[name]().parameters()) == known[name]


def _copy(layers, variables):
    """Copies our speed net's variables into PyTorch's layers."""
    import torch

    params, stats = variables['params'], variables['batch_stats']
    convolutions = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    norms = [layer for layer in layers if isinstance(layer, torch.nn.BatchNorm2d)]
    (dense,) = (layer for layer in layers if isinstance(layer, torch.nn.Linear))
    names = [f'ConvNorm_{k}' for k in range(len(norms))]
    pairs = [
        (convolutions[0].bias, params['whiten']['bias']),
        (dense.weight, params['Dense_0']['kernel'].T),
        (dense.bias, params['Dense_0']['bias']),
    ]
    for convolution, name in zip(convolutions, ['whiten', *names], strict=True):
        pairs.append((convolution.weight, params[name]['kernel'].transpose(3, 2, 0, 1)))
    for norm, name in zip(norms, names, strict=True):
        ours = params[name]['norm'] | stats[name]['norm']
        theirs = {'scale': norm.weight, 'bias': norm.bias}
        theirs |= {'mean': norm.running_mean, 'var': norm.running_var}
        pairs += [(theirs[field], ours[field]) for field in theirs]
    with torch.no_grad():
        for theirs, ours in pairs:
            theirs.copy_(torch.tensor(np.asarray(ours)))


@pytest.mark.slow
def test_pytorchs_speed_net_is_ours():
    """The same losses and logits, so the same layers in the same order and the same optimizer."""
    torch = pytest.importorskip('torch')
    from experiments.speed.torch_models import MODELS as THEIRS
    from experiments.speed.torch_worker import make_optimizer

    theirs = THEIRS['speed_net'](widths=(4, 6))
    change = {'dataset.name': 'synthetic', 'model.widths': (4, 6)}
    change = our_change('speed_net', seeds=1, extra=change)
    settings = resolve(base.get_config(), base.row('speed', change))
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (4, 12, 28, 28), np.uint8)  # noise: windows have one maximum
    labels = draw.integers(0, 10, (4, 12))
    state = jax.jit(lambda x: step.init(settings, 0, 48, images=x))(images[0])
    # Some scales are negative: pooling before batch norm would differ.
    params = jax.tree.map(lambda a: a + 0.3 * draw.normal(size=a.shape), state.params)
    state = state._replace(params=jax.tree.map(jnp.float32, params))
    _copy(theirs, {'params': state.params, 'batch_stats': state.batch_stats})
    trained = sum(p.numel() for p in theirs.parameters() if p.requires_grad)
    fixed = jax.tree.leaves(frozen(step.model_of(settings), state.params))
    sizes = [leaf.size for leaf in jax.tree.leaves(state.params)]
    assert trained == sum(n for n, keep in zip(sizes, fixed, strict=True) if not keep)
    optimizer = make_optimizer(theirs, OPTIMIZERS[NETWORKS['speed_net'].optimizer].fields)
    train = jax.jit(lambda state, *batch: step.train_step(state, 0, *batch, None, settings, 48))
    for x, y in zip(images, labels, strict=True):
        state, metrics = train(state, jnp.asarray(x), jnp.asarray(y))
        optimizer.zero_grad()
        logits = theirs(torch.tensor(x)[:, None] / 255)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y))
        loss.backward()
        optimizer.step()
        assert metrics.loss / 12 == pytest.approx(loss.item(), rel=1e-5)
    # PyTorch's running variances are unbiased; these of 588 values or more differ little.
    found = theirs.eval()(torch.tensor(images[0])[:, None] / 255).detach()
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    ours = step.logits(step.model_of(settings), variables, jnp.asarray(images[0]), settings)
    np.testing.assert_allclose(found, ours, atol=1e-3 * np.abs(ours).max())


def test_pytorchs_side_trains_in_a_process():
    pytest.importorskip('torch')
    options = {'network': 'lenet5', 'memory_format': 'channels_last', 'dataset': 'synthetic'}
    with Worker('torch', options | {'images': 140}) as worker:
        assert worker.facts['parameters'] == 61_706
        assert worker.ask('train', steps=1)['images'] == 12  # the last batch of the epoch
        assert worker.ask('train', steps=2)['images'] == 140
        assert worker.ask('memory')['peak_bytes'] > 0


def test_machine_facts_are_plausible():
    assert process_memory()['peak_bytes'] > 10e6
    others = OtherPrograms().cores()
    assert others is None or others >= 0


def test_default_networks_are_known():
    assert set(DEFAULT) < set(NETWORKS)


def test_the_readme_shows_the_measured_speed():
    """README's speed table is the first one of table.md, which is made from speed.json."""
    folder = pathlib.Path(benchmark.__file__).parent
    contents = json.loads((folder / 'speed.json').read_text())
    assert (folder / 'table.md').read_text() == page(contents)
    readme = (folder.parent.parent / 'README.md').read_text()
    assert tables.summary(contents['networks']) in readme
