"""A run's seeds beside the project's own, committed seeds of the same settings."""

import pathlib

from fmnist_jax.config.settings import experiment_key
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import percent
from fmnist_jax.results import lines as result_lines
from fmnist_jax.results.statistics import ROUNDING, summarize

_FEWEST = 3  # committed seeds that say how far seeds lie apart


def committed_rows(folder):
    """{settings.experiment_key: result line} of the workdirs in a folder."""
    rows = {}
    for workdir in sorted(pathlib.Path(folder).glob('*/results.jsonl')):
        for result in result_lines.read(workdir.parent):
            key = experiment_key(result['config'])
            if key not in rows or len(rows[key]['seeds']) < len(result['seeds']):
                rows[key] = result
    return rows


def comparison(results, folder='experiments'):
    """One line for each row whose settings have committed seeds, '' if no row has.

    Args:
      results: result lines of the run.
      folder: the project's workdirs; it exists in a checkout alone.
    """
    try:
        rows = committed_rows(folder)
    except ConfigError:
        return ''  # the user's own changes in there are no matter of this run
    lines = []
    for result in results:
        committed = rows.get(experiment_key(result['config']))
        if committed is not None:
            lines.append(_line(result, committed))
    return '\n'.join(filter(None, lines))


def _line(result, committed):
    """What the committed seeds say about this run's."""
    ours = [value for value in committed['test_accuracy'] if value is not None]
    yours = [value for value in result['test_accuracy'] if value is not None]
    if len(ours) < _FEWEST or not yours:
        return ''
    low, high = summarize(ours).prediction
    inside = sum(low - ROUNDING <= value <= high + ROUNDING for value in yours)
    seeds = f'{len(yours)} seed{"s" * (len(yours) > 1)}'
    where = f"the project's {len(ours)} seeds ({percent(low)} to {percent(high)} %)"
    if inside == len(yours):
        return (
            f'{result["row"]}: your {seeds} lie where one more of {where} would: '
            "this installation reproduces the project's numbers."
        )
    return f'{result["row"]}: {inside} of your {seeds} lie where one more of {where} would.'
