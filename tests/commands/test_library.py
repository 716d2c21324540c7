"""The package from Python: names, README's example, the notebook."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from trained_for_tests import DATASET

import fmnist_jax
from fmnist_jax.config import table
from fmnist_jax.data import datasets
from fmnist_jax.errors import ConfigError, DataError

ROOT = pathlib.Path(__file__).parent.parent.parent
TOUR = ROOT / 'experiments' / 'tour.ipynb'
TINY = {
    'dataset.name': 'synthetic',
    'dataset.num_validation': 20,
    'model.name': 'fcn',
    'model.widths': (12,),
    'epochs': 1,
    'num_seeds': 2,
}


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'jax', 'flax', 'numpy', 'matplotlib'} & set(sys.modules)"
    code = f'import sys, fmnist_jax; dir(fmnist_jax); assert not {heavy}, {heavy}'
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)


def test_every_name_is_there_and_is_told():
    for name in fmnist_jax.__all__:
        assert getattr(fmnist_jax, name) is not None and name in fmnist_jax.__doc__
        assert name in dir(fmnist_jax)
    with pytest.raises(AttributeError, match="module 'fmnist_jax' has no attribute 'lod_data'"):
        fmnist_jax.lod_data  # noqa: B018
    with pytest.raises(ImportError):
        from fmnist_jax import nothing  # noqa: F401


def test_settings_come_from_defaults_rows_and_changes():
    settings = fmnist_jax.make_settings({'epochs': 3})
    assert (settings.epochs, settings.model.name) == (3, 'lenet5')
    config = ROOT / 'configs' / 'lenet.py'
    row = fmnist_jax.make_settings({'epochs': 2}, config, 'relu_max_sgd_augment')
    assert (row.epochs, row.model.activation, row.augment.flip) == (2, 'relu', True)
    with pytest.raises(ConfigError, match='epoch'):
        fmnist_jax.make_settings({'epoch': 3})
    with pytest.raises(ConfigError, match='config.epochs=0: expected 1'):
        fmnist_jax.make_settings({'epochs': 0})
    with pytest.raises(ConfigError, match="row='nothing': no such row; the rows are relu"):
        fmnist_jax.make_settings(config=config, row='nothing')


def test_seeds_are_trained_and_asked():
    settings = fmnist_jax.make_settings(TINY)
    outcome = fmnist_jax.fit_seeds(settings, DATASET, progress=None)
    probs = fmnist_jax.predict_images(settings, outcome.variables, DATASET.test_images)
    assert probs.shape == (2, 37, 10)
    accuracy = (probs.argmax(-1) == DATASET.test_labels).mean(-1)
    np.testing.assert_allclose(accuracy, outcome.test_accuracy, atol=1e-6)
    flat = fmnist_jax.predict_images(settings, outcome.variables, DATASET.test_images, 1e6)
    np.testing.assert_allclose(flat, 0.1, atol=1e-4)
    assert fmnist_jax.ensemble(probs).shape == (37, 10)


def test_readmes_example_runs(monkeypatch, capsys):
    (example,) = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    assert len(example.splitlines()) < 9
    make_settings = table.make_settings
    monkeypatch.setattr(datasets, 'load', lambda name: {'fashion_mnist': DATASET}[name])
    monkeypatch.setattr(table, 'make_settings', lambda change: make_settings(change | TINY))
    exec(example, {})
    summary, classes = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r'0\.\d{4} ± 0\.\d{4} \(2 values, 95 % interval .+ to .+\)', summary)
    assert len(classes.strip('[]').split()) == 5


# --- the notebook -----------------------------------------------------------------------------


SMALLER = {
    "'fashion_mnist'": "'synthetic'",
    "'lenet5'": "'fcn'",
    "    'model.pooling': 'max',\n": '',
    "'epochs': 4": "'epochs': 1",
}


def outputs(notebook):
    return [output for cell in notebook['cells'] for output in cell.get('outputs', ())]


def test_the_notebook_is_committed_as_it_ran():
    text = TOUR.read_text()
    notebook = json.loads(text)
    code = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
    assert [cell['execution_count'] for cell in code] == list(range(1, len(code) + 1))
    kinds = {output['output_type'] for output in outputs(notebook)}
    assert kinds <= {'stream', 'display_data', 'execute_result'}
    assert all(output.get('name') != 'stderr' for output in outputs(notebook))
    assert len(text) < 400_000
    for word in ('/home', '/tmp', '/work', '/root', '/Users', 'site-packages', str(ROOT)):
        assert word not in text
    assert set(notebook['metadata']) == {'kernelspec', 'language_info'}


@pytest.mark.slow
def test_the_notebook_runs_on_drawn_images(tmp_path, monkeypatch):
    import nbclient
    import nbformat

    notebook = nbformat.read(TOUR, as_version=4)
    text = '\n'.join(cell.source for cell in notebook.cells)
    for old, new in SMALLER.items():
        assert old in text
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}')
    monkeypatch.setenv('FMNIST_CACHE_DIR', str(tmp_path / 'cache'))
    monkeypatch.setenv('IPYTHONDIR', str(tmp_path / 'ipython'))
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
    )
    client.execute()
    said = ' '.join(o['text'] for o in outputs(notebook) if o['output_type'] == 'stream')
    assert 'ensemble' in said and '±' in said
    images = [o for o in outputs(notebook) if 'image/png' in o.get('data', {})]
    assert len(images) == 3


def test_a_result_and_its_summary_are_readable_and_can_be_plotted():
    result = fmnist_jax.fit_seeds(fmnist_jax.make_settings(TINY), DATASET, progress=None)
    assert re.fullmatch(
        r'FitResult\(2 seeds, 1 epoch, test accuracy .+ trained in .+ s\)', repr(result)
    )
    assert str(fmnist_jax.summarize([0.5])) == '0.5000 (1 value)'
    for quantity in ('accuracy', 'loss'):
        (axes,) = fmnist_jax.learning_curves(result, quantity).axes
        assert axes.lines


@pytest.mark.parametrize(
    'images', [np.ones((5, 28, 28)), np.ones((5, 28, 28, 1), np.uint8), np.zeros((0, 28, 28), int)]
)
def test_wrong_images_are_refused(images):
    settings = fmnist_jax.make_settings(TINY)
    with pytest.raises(DataError, match='^images has .*expected uint8 images'):
        fmnist_jax.predict_images(settings, {'params': {}, 'batch_stats': {}}, images)
