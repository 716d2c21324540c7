"""The package as users install it: a wheel, used outside the checkout."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parent.parent.parent
TABLE = """
from fmnist_jax import claim, default_config, row

def get_config():
    config = default_config()
    config.title = 'My table'
    config.num_seeds, config.epochs = 2, 1
    config.model.name, config.model.widths = 'fcn', (8,)
    config.dataset.name = 'synthetic'
    rates = (0.1, 0.01)
    config.rows = tuple(row(f'rate_{r}', {'optimizer.learning_rate': r}) for r in rates)
    config.claims = (claim('0.1 is better', ('rate_0.1', 'rate_0.01')),)
    return config
"""
LIBRARY = """
import fmnist_jax
from fmnist_jax import fit_seeds, load_data, make_settings, summarize

assert fmnist_jax.__file__.startswith({folder!r}), fmnist_jax.__file__
small = {{'model.name': 'fcn', 'model.widths': (8,), 'epochs': 1, 'num_seeds': 2}}
settings = make_settings(small | {{'dataset.name': 'synthetic'}})
result = fit_seeds(settings, load_data('synthetic'), progress=None)
print(summarize(result.test_accuracy).count, fmnist_jax.__version__)
"""


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """An environment for processes that see the installed wheel and not the checkout."""
    place = tmp_path_factory.mktemp('wheel')
    pip = [sys.executable, '-m', 'pip', '-q', '--disable-pip-version-check']
    copy = place / 'source'  # building writes beside pyproject.toml
    names = subprocess.run(
        ['git', 'ls-files', 'fmnist_jax', 'pyproject.toml', 'README.md', 'LICENSE'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    wheel = [*pip, 'wheel', '--no-deps', '--wheel-dir', str(place), str(copy)]
    subprocess.run(wheel, check=True, cwd=place)
    (file,) = place.glob('fmnist_jax-*.whl')
    folder = place / 'installed'
    subprocess.run([*pip, 'install', '--no-deps', '--target', str(folder), str(file)], check=True)
    environment = os.environ | {
        'PYTHONPATH': str(folder),
        'FMNIST_CACHE_DIR': str(place / 'cache'),
        'PATH': f'{folder / "bin"}{os.pathsep}{os.environ["PATH"]}',
    }
    work = place / 'elsewhere'
    work.mkdir()
    (work / 'my_table.py').write_text(TABLE)
    return folder, {'cwd': work, 'env': environment, 'capture_output': True, 'text': True}


def test_the_library_trains(installed):
    folder, where = installed
    code = textwrap.dedent(LIBRARY.format(folder=str(folder)))
    done = subprocess.run([sys.executable, '-c', code], **where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == '2'


def test_a_users_own_table_and_its_page(installed):
    folder, where = installed
    words = [sys.executable, '-m', 'fmnist_jax.main', '--config=my_table.py']
    done = subprocess.run(words, **where)
    assert done.returncode == 0, done.stderr
    assert '| rate_0.1 ' in done.stdout
    page = ['report', 'runs/my_table', '--html']
    done = subprocess.run([sys.executable, str(folder / 'bin' / 'fmnist-jax'), *page], **where)
    assert done.returncode == 0, done.stderr
    assert 'My table' in (where['cwd'] / 'runs/my_table/report.html').read_text()


@pytest.mark.parametrize('command', ['run', 'report', 'search', 'predict', 'export', 'cost'])
def test_every_command_has_help(installed, command):
    folder, where = installed
    script = str(folder / 'bin' / 'fmnist-jax')
    done = subprocess.run([sys.executable, script, command, '--help'], **where)
    assert done.returncode == 0, done.stderr
    assert 'usage: ' in done.stdout
