"""The tables' configs, held against the reports."""

import csv
import statistics

import pytest
from configs_for_tests import CONFIGS, ROOT, rows_of, settings_of

from fmnist_jax.config.settings import plain, resolve
from fmnist_jax.train.step import model_of

GRIDS = {1: 'tuning_1_layer', 2: 'tuning_2_layers', 3: 'tuning_3_layers'}


def reported(name):
    """A config's numbers in %, of the rows that have one."""
    return {
        row['name']: pytest.approx(100 * row['reported'])
        for row in CONFIGS[name].rows
        if row['reported'] is not None
    }


@pytest.fixture
def reports():
    """The folder with the reports' texts and tables; the test is skipped where there is none."""
    folder = ROOT.parent / 'shared' / 'reports'
    if not folder.is_dir():
        pytest.skip('no ../shared/reports')
    return folder


def lines_of(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_report_000_table_2(reports):
    suffixes = {'': 'none', '_flip': 'flip', '_flip_rotate': 'flip_rotate'}
    table, also = {}, {}
    for line in lines_of(reports / '000_table2.csv'):
        for ours, theirs in suffixes.items():
            table[line['method'] + ours] = float(line[f'accuracy_{theirs}'])
            also[line['method'] + ours] = {
                'seconds_per_epoch': float(line['seconds_per_epoch']),
                'parameters': 1e3 * float(line['parameters'].removesuffix('K')),
                'operations': 1e6 * float(line['ops_per_step'].removesuffix('M')),
            }
    ours = reported('mobilenet')
    for name in ('simple_cnn_flip_rotate', 'simplified_mobilenet_flip_rotate'):
        assert ours.pop(f'{name}_narrow') == table[name]
    assert ours == table and len(table) == 9
    for name, row in rows_of('mobilenet').items():
        settings = resolve(CONFIGS['mobilenet'], row)
        assert name.startswith(settings.model.name)
        factor = {'fewer_parameters_than_mobilenet': 20} if name == 'simplified_mobilenet' else {}
        assert row['also_reported'] == also.get(name, {}) | factor
        assert settings.augment.flip == ('flip' in name)
        assert (settings.augment.rotation > 0) == ('rotate' in name)
        pretrained = 'mobilenet' in name and 'scratch' not in name
        assert (settings.pretrained == 'imagenet') == pretrained
    optimizer = settings_of('mobilenet', 'mobilenet').optimizer
    assert (optimizer.name, optimizer.learning_rate) == ('adam', 0.0003)


def test_report_001_table_1(reports):
    columns = {
        'softmax_plain': 'no_augment_softmax',
        'softmax_augment': 'augment_softmax',
        'sigmoid_plain': 'no_augment_sigmoid',
        'sigmoid_augment': 'augment_sigmoid',
    }
    table = {
        f'{line["model"]}_{ours}': float(line[theirs])
        for line in lines_of(reports / '001_table1.csv')
        for ours, theirs in columns.items()
    }
    assert reported('cnn_variants') == table
    assert len(table) == 20
    for name, row in rows_of('cnn_variants').items():
        settings = resolve(CONFIGS['cnn_variants'], row)
        assert name.startswith(settings.model.name)
        assert settings.loss in name
        assert settings.augment.flip == (settings.augment.crop_padding > 0) == ('augment' in name)


def test_report_001_tuned(reports):
    (text,) = [path.read_text() for path in reports.glob('001_*.txt')]
    tuned = settings_of('cnn2_tuned', 'tuned')
    assert (tuned.model.name, tuned.loss, tuned.augment.flip) == ('cnn_2', 'softmax', True)
    assert f'learning\\_rate = {tuned.optimizer.learning_rate}' in text
    assert f'L2 reg\\_strength = {tuned.optimizer.l2}' in text
    assert f'batch\\_size = {tuned.batch_size}' in text
    assert f'num\\_epochs = {tuned.epochs}' in text
    assert reported('cnn2_tuned') == {'tuned': 92.91}
    assert 'Test accuracy for these parameters is **92.91%**' in text


def test_report_002_optimizers(reports):
    ours = rows_of('fcn_optimizers')
    (text,) = [path.read_text() for path in reports.glob('002_*.txt')]
    assert 'testing accuracy of 87.2% ($\\pm 2.1\\%$)' in text
    table = {'baseline_sgd_0.03': (87.2, 2.1)}
    for line in lines_of(reports / '002_optimizers.csv'):
        name = f'{line["optimizer"]}_{line["learning_rate"]}'
        table[name] = (float(line['accuracy']), float(line['plus_minus']))
        settings = resolve(CONFIGS['fcn_optimizers'], ours[name])
        assert settings.optimizer.name == line['optimizer']
        assert settings.optimizer.learning_rate == float(line['learning_rate'])
    assert reported('fcn_optimizers') == {name: numbers[0] for name, numbers in table.items()}
    assert table.keys() == ours.keys()
    for name, (_, plus_minus) in table.items():
        assert 100 * ours[name]['also_reported']['plus_minus'] == pytest.approx(plus_minus)


def test_report_002_regularization_starts_from_the_best_optimizer():
    base_row = rows_of('fcn_regularization')['base']
    best = rows_of('fcn_optimizers')['adam_0.001']
    assert (base_row['reported'], base_row['also_reported']) == (
        best['reported'],
        best['also_reported'],
    )
    assert plain(settings_of('fcn_regularization', 'base')) == plain(
        settings_of('fcn_optimizers', 'adam_0.001')
    )
    activations = {
        resolve(CONFIGS['fcn_regularization'], row).model.activation or 'relu'
        for row in CONFIGS['fcn_regularization'].rows
    }
    assert activations == {'linear', 'step', 'sigmoid', 'tanh', 'relu', 'leaky_relu'}


def test_report_003_best_and_worst(reports):
    ours = rows_of('lenet')
    table = {line['model']: line for line in lines_of(reports / '003_best_worst.csv')}
    assert reported('lenet').keys() == {name.partition('_')[2] for name in table}
    for model, line in table.items():
        row = ours[model.partition('_')[2]]
        also = row['also_reported']
        assert 100 * row['reported'] == pytest.approx(float(line['test_accuracy']))
        for field in ('train_accuracy', 'validation_accuracy'):
            assert 100 * also[field] == pytest.approx(float(line[field]))


def test_report_004_comparison(reports):
    names = {'ann': 'ann_{}', 'cnn_best_tuned': 'cnn_{}', 'cnn_base_regularized': ''}
    table = {}
    for line in lines_of(reports / '004_comparison.csv'):
        for dataset in ('mnist', 'fashion_mnist'):
            name = names[line['model']].format(dataset) or 'base_cnn_regularized'
            if line[dataset]:
                table[name] = float(line[dataset])
                assert settings_of('ann_vs_cnn', name).dataset.name == dataset
    repeated = {row['name'] for row in CONFIGS['ann_vs_cnn'].rows if row['repeats']}
    ours = {name: n for name, n in reported('ann_vs_cnn').items() if name not in repeated}
    assert ours == table
    assert len(table) == 5


@pytest.mark.parametrize('layers', GRIDS)
def test_report_004_grids(reports, layers):
    ours = {}
    for row in CONFIGS[GRIDS[layers]].rows:
        settings = resolve(CONFIGS[GRIDS[layers]], row)
        kernel = model_of(settings).kernel_size
        key = (*settings.model.widths, kernel, settings.model.dense, settings.epochs)
        ours[key] = (row['reported'], row['also_reported']['loss'])
    fields = [*(f'layer{i + 1}' for i in range(layers)), 'kernel', 'layerdense', 'epochs']
    table = {
        tuple(int(line[field]) for field in fields): (float(line['accuracy']), float(line['loss']))
        for line in lines_of(reports / '004_tuning_grids.csv')
        if int(line['conv_layers']) == layers
    }
    assert ours == table
    assert len(CONFIGS[GRIDS[layers]].rows) == len(table)


@pytest.mark.parametrize(
    ('layers', 'count', 'mean', 'std'),
    # report 004, below Table 4
    [(1, 10, 0.87753, 0.00483), (2, 20, 0.901985, 0.0054891), (3, 35, 0.8871486, 0.0082615)],
)
def test_mean_and_deviation_of_the_grids(layers, count, mean, std):
    accuracies = [row['reported'] for row in CONFIGS[GRIDS[layers]].rows]
    assert len(accuracies) == count
    assert statistics.mean(accuracies) == pytest.approx(mean, abs=1e-6)
    assert statistics.stdev(accuracies) == pytest.approx(std, abs=1e-6)


# --- what the statistics need to know ---------------------------------------------------------


TABLES = [name for name in CONFIGS if CONFIGS[name].report and not CONFIGS[name].search]
TABLES.remove('quickstart')


@pytest.mark.parametrize('name', TABLES)
def test_every_table_of_a_report_declares_its_report_and_seeds(name):
    config = CONFIGS[name]
    assert config.title.startswith(f'Report {config.report}')
    five = ('fcn_optimizers', 'fcn_regularization', 'lenet', 'ann_vs_cnn')
    seeds = dict.fromkeys(five, 5) | {'readings_002': 30, 'readings_003': 5, 'readings_004': 1}
    assert config.num_seeds == seeds.get(name, 3)


def test_numbers_are_given_with_the_reports_decimals():
    decimals = {'000': 2, '001': 2, '002': 1, '003': 3, '004': 2}
    for name in TABLES:
        config = CONFIGS[name]
        assert config.decimals == decimals[config.report]
        for row in config.rows:
            if row['reported'] is not None:
                percent = 100 * row['reported']
                assert percent == pytest.approx(round(percent, config.decimals), abs=1e-9)


def test_numbers_that_chose_a_setting_are_marked():
    marked = {
        name: {row['name'] for row in CONFIGS[name].rows if row['calibrated_on']}
        for name in ('fcn_optimizers', 'ann_vs_cnn', *GRIDS.values())
    }
    assert marked == {
        'fcn_optimizers': {'baseline_sgd_0.03', 'sgd_0.01', 'sgd_0.001'},
        'ann_vs_cnn': {'ann_mnist', 'ann_mnist_without_l2', 'ann_mnist_stronger_l2'},
        'tuning_1_layer': {'16_dense_16'},
        'tuning_2_layers': {'16_16_dense_16', '16_16_dense_128'},
        'tuning_3_layers': {'16_16_16_dense_16'},
    }
    for name, setting in (('fcn_scaling', 'input scaling'), ('cnn_l2', 'L2')):
        assert {row['calibrated_on'] for row in CONFIGS[name].rows} == {setting}


def test_the_list_of_tables_is_complete():
    page = (ROOT / 'experiments' / 'USING.md').read_text()
    names = sorted(path.stem for path in (ROOT / 'configs').glob('*.py') if path.stem != 'base')
    assert [name for name in names if f'{name}.py`' not in page] == []
