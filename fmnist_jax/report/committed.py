"""A run's seeds beside the project's own, committed seeds of the same settings."""

from fmnist_jax.config.settings import experiment_key
from fmnist_jax.errors import ConfigError
from fmnist_jax.markdown import percent
from fmnist_jax.report.rows import committed_rows
from fmnist_jax.results.measures import test_accuracy
from fmnist_jax.results.statistics import summarize

_FEWEST = 3  # committed seeds that say how far seeds lie apart
_ROUNDING = 0.5e-4  # half of the last digit of an accuracy on 10,000 images


def comparison(results, folder='experiments'):
    """One line for each result line whose settings have committed seeds; '' without any."""
    try:
        rows = committed_rows(folder)
    except ConfigError:
        return ''  # a damaged file there does not concern this run
    pairs = ((result, rows.get(experiment_key(result['config']))) for result in results)
    return '\n'.join(filter(None, (_line(one, found[1]) for one, found in pairs if found)))


def _line(result, committed):
    """What the committed seeds say about this run's; '' if too few."""
    ours, yours = test_accuracy(committed), test_accuracy(result)
    if len(ours) < _FEWEST or not yours:
        return ''
    summary = summarize(ours)
    low, high = summary.prediction
    inside = sum(low - _ROUNDING <= value <= high + _ROUNDING for value in yours)
    whole = f'your {len(yours)} seed{"s" * (len(yours) > 1)}'
    seeds, end = f'{inside} of {whole}', '.'
    if inside == len(yours):
        seeds, end = whole, ": this installation reproduces the project's numbers."
    where = f"the project's {len(ours)} seeds ({percent(low)} to {percent(high)} %)"
    return f'{result["row"]}: {seeds} lie where one more of {where} would{end}'
