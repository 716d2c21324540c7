"""How a table's numbers were obtained, and the command that gets those not there yet."""

import glob
import pathlib
import shlex

from fmnist_jax.config.settings import flatten

_CONFIGS = pathlib.Path('configs')
_SCRIPT = 'baseline.py'  # beside its results: experiments/scikit_learn


def _range(values):
    """'5', or '2 to 5' where they differ; '' for none."""
    values = sorted({value for value in values if value is not None})
    if not values:
        return ''
    return f'{values[0]}' if len(values) == 1 else f'{values[0]} to {values[-1]}'


def _distinct(values):
    """All different values in the order met, as one text."""
    return ', '.join(dict.fromkeys(str(value) for value in values if value))


def _device(result):
    device = result.get('device') or {}
    if not device:
        return ''
    if device.get('platform') == 'cpu':
        cores = device.get('cpu_cores')
        return f'CPU, {cores} core{"s" * (cores != 1)}'
    return f'{device.get("count")} × {device.get("kind")}'


def _versions(result):
    versions = result.get('versions') or {}
    return ' '.join(f'{name} {number}' for name, number in versions.items() if number)


def _data(result):
    images = result.get('train_images')
    return result['dataset'] + (f', {images:,} training images' if images else '')


def duration(seconds):
    """45 -> '45 s', 1234 -> '21 min', 12345 -> '3.4 h'."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'


def how_obtained(rows):
    """[(what, how)] of the rows that have been run, as texts."""
    done = [row for row in rows if row.result]
    results = [row.result for row in done]
    if not results:
        return []
    parameters = _range(r.get('parameters') for r in results)
    finished = sorted(str(r['finished'])[:10] for r in results if r.get('finished'))
    facts = [
        ('data', _distinct(map(_data, results))),
        ('network', _distinct(r.get('model') for r in results)),
        ('parameters', parameters),
        ('seeds of a row', _range(len(row.accuracies) for row in done)),
        ('epochs', _range(r['config'].get('epochs') for r in results)),
        ('batch size', _range(r['config'].get('batch_size') for r in results)),
        ('temperature', _range(round(t, 2) for row in done for t in row.temperatures)),
        ('training time', duration(sum(row.train_seconds for row in done)) + ', all rows'),
        ('device', _distinct(map(_device, results))),
        ('versions', _distinct(map(_versions, results))),
        ('commit', _distinct(str(r.get('commit') or '')[:12] for r in results)),
        ('finished', ' to '.join(dict.fromkeys([finished[0], finished[-1]])) if finished else ''),
    ]
    return [(what, how) for what, how in facts if how]


def settings_text(config):
    """A workdir's config as lines 'section.field = value', without what the table shows."""
    shown = {name: v for name, v in config.items() if name not in ('rows', 'title', 'claims')}
    return '\n'.join(f'{path} = {value!r}' for path, value in flatten(shown).items())


def command(workdir, config, rows):
    """The command that runs the rows not run yet, '' if there are none.

    Args:
      workdir: pathlib.Path; its name is its config's, as `fmnist_jax.main` has it.
      config: of `workdirs.read_config`.
      rows: its rows.Row.
    """
    missing = [row.name for row in rows if not row.is_run]
    if not missing:
        return ''
    workdir = pathlib.Path(workdir)
    here = pathlib.Path.cwd()
    if workdir.is_absolute() and workdir.is_relative_to(here):
        workdir = workdir.relative_to(here)
    name = (config.get('dataset') or {}).get('name', 'fashion_mnist')
    script = workdir / _SCRIPT
    if script.is_file():
        words = ['python', script.as_posix(), f'--num_seeds={config["num_seeds"]}']
        return shlex.join(words + [f'--dataset={name}'] * (name != 'fashion_mnist'))
    file = _CONFIGS / f'{workdir.resolve().name}.py'
    words = [f'--config={file.as_posix() if file.is_file() else "FILE"}']
    if len(missing) == 1:
        words.append(f'--rows={glob.escape(missing[0])}')
    if config.get('num_seeds'):
        words.append(f'--config.num_seeds={config["num_seeds"]}')
    if name != 'fashion_mnist':
        words.append(f'--config.dataset.name={name}')
    words.append(f'--workdir={workdir.as_posix()}')
    return 'python -m fmnist_jax.main ' + ' '.join(map(shlex.quote, words))
