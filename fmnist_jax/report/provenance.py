"""How a table's numbers were made, and the command that makes the missing ones."""

import glob
import pathlib
import shlex

from fmnist_jax.config.settings import flatten
from fmnist_jax.data import catalog


def _range(values):
    """'5', or '2 to 5' if they differ; '' without any."""
    values = [value for value in values if isinstance(value, (int, float, str))]
    if len({isinstance(value, str) for value in values}) > 1:  # of damaged lines
        return ''
    values = sorted(set(values))
    return ' to '.join(dict.fromkeys(map(str, values[:1] + values[-1:])))


def _distinct(values):
    return ', '.join(dict.fromkeys(str(value) for value in values if value))


def _device(result):
    device = result.get('device') or {}
    if device.get('platform') == 'cpu':
        cores = device.get('cpu_cores')
        return f'CPU, {cores} core{"s" * (cores != 1)}'
    return f'{device.get("count")} × {device.get("kind")}' if device else ''


def devices(results):
    """'CPU, 2 cores; CPU, 1 core': the hardware that result lines name, without repetitions."""
    return '; '.join(dict.fromkeys(filter(None, map(_device, results))))


def _versions(result):
    versions = (result.get('versions') or {}).items()
    return ' '.join(f'{name} {number}' for name, number in versions if number)


def _data(result):
    images = result.get('train_images')
    return result['dataset'] + (f', {images:,} training images' if images else '')


def duration(seconds):
    """45 -> '45 s', 1234 -> '21 min', 12345 -> '3.4 h'."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'


def how_made(rows):
    """[(fact, text)] about the rows that are run."""
    run = [row for row in rows if row.result]
    if not run:
        return []
    results = [row.result for row in run]
    facts = [
        ('data', _distinct(map(_data, results))),
        ('network', _distinct(r.get('model') for r in results)),
        ('parameters', _range(r.get('parameters') for r in results)),
        ('seeds of a row', _range(len(row.accuracies) for row in run)),
        ('epochs', _range(r['config'].get('epochs') for r in results)),
        ('batch size', _range(r['config'].get('batch_size') for r in results)),
        ('temperature', _range(round(t, 2) for row in run for t in row.temperatures)),
        ('training time', duration(sum(row.train_seconds for row in run)) + ', all rows'),
        ('device', devices(results)),
        ('versions', _distinct(map(_versions, results))),
        ('commit', _distinct(str(r.get('commit') or '')[:12] for r in results)),
        ('finished', _range(str(r['finished'])[:10] for r in results if r.get('finished'))),
    ]
    return [(fact, text) for fact, text in facts if text]


def settings_text(config):
    """A workdir's config as lines 'section.field = value', without the fields of the table."""
    of_table = ('title', 'report', 'decimals', 'rows', 'claims')
    shown = {name: v for name, v in config.items() if name not in of_table}
    return '\n'.join(f'{path} = {value!r}' for path, value in flatten(shown).items())


def command(workdir, config, rows):
    """The command that runs those of a workdir's Rows that are not run yet; '' without any."""
    missing = [row.name for row in rows if not row.is_run]
    if not missing:
        return ''
    if workdir.is_relative_to(pathlib.Path.cwd()):
        workdir = workdir.relative_to(pathlib.Path.cwd())
    script = workdir / 'baseline.py'  # beside its results: experiments/scikit_learn
    if script.is_file():
        return f'python {shlex.quote(script.as_posix())} --num_seeds={config["num_seeds"]}'
    file = pathlib.Path('configs', f'{workdir.resolve().name}.py')
    words = [f'--config={file.as_posix() if file.is_file() else "FILE"}']
    if len(missing) == 1:
        words.append(f'--rows={glob.escape(missing[0])}')
    if config.get('num_seeds'):
        words.append(f'--config.num_seeds={config["num_seeds"]}')
    dataset = (config.get('dataset') or {}).get('name', 'fashion_mnist')
    if dataset != 'fashion_mnist':
        words.append(f'--config.dataset.name={dataset}')
    if dataset == catalog.OWN:
        words.append('--data_dir=PATH')
    return 'python -m fmnist_jax.main ' + shlex.join([*words, f'--workdir={workdir.as_posix()}'])
