"""How long each row's seeds train until their validation accuracy reaches a target."""

import statistics

from fmnist_jax.config.settings import from_plain
from fmnist_jax.data import catalog
from fmnist_jax.markdown import grid, notes, number, percent, significant
from fmnist_jax.report import rows as report_rows
from fmnist_jax.results.measures import known

_HEADING = ('row', 'best, %', 'reached by', 'epochs', 's / seed', 'TFLOP / seed')
_NOTES = (
    'best: the highest validation accuracy of any seed after any epoch. epochs: the first epoch '
    'after which a seed reaches the target, the median over the seeds that reach it. Seeds that do '
    'not reach it do not count, so compare only rows whose seeds all reach it.',
    's / seed: the time of these epochs with their validation, without compiling. Seeds that train '
    'together share the time. results.jsonl names the device and cores of each row; compare rows '
    'of one machine.',
    'TFLOP / seed: six times the multiply-adds of one image times the images trained on: two for '
    'each multiply-add, and twice the forward pass again for the backward pass.',
)
_ON_TEST = 'Rows that validate on the test images, so that the target is a test accuracy'
_NOT_VALIDATED = 'Rows without a validation accuracy after each epoch'


def first_epochs(history, target):
    """The first epoch, from 1, whose validation accuracy reaches the target: one for each seed.

    Args:
      history: of a result line: {'validation_accuracy': [epochs][seeds]}.
      target: accuracy as a fraction.

    Returns:
      List of int, None for a seed that does not reach it.
    """
    seeds = zip(*history.get('validation_accuracy', ()), strict=True)
    return [
        next((e for e, value in enumerate(seed, 1) if value is not None and value >= target), None)
        for seed in seeds
    ]


def epoch_tflop(result):
    """TFLOP of one seed's epoch; None for a result line without a network.

    Six times the multiply-adds of one image times the training images: two for each multiply-add,
    and twice the forward pass again for the backward pass.
    """
    from fmnist_jax.models.operations import multiply_adds  # imports JAX
    from fmnist_jax.train.step import model_of

    if 'model' not in result['config'] or not result['train_images']:
        return None
    settings = from_plain(result['config'])
    count = multiply_adds(model_of(settings), catalog.input_shape(settings.dataset))
    return 6 * count * result['train_images'] / 1e12


def _cells(row, target):
    """The cells of a row with a validation accuracy."""
    history = row.result['history']
    epochs = [epoch for epoch in first_epochs(history, target) if epoch]
    middle = statistics.median(epochs) if epochs else None
    best = max((v for epoch in history['validation_accuracy'] for v in known(epoch)), default=None)
    tflop = epoch_tflop(row.result)
    return (
        row.name,
        percent(best),
        f'{len(epochs)} of {len(row.result["test_accuracy"])}',
        '' if middle is None else f'{middle:g}',
        number(middle and middle * row.seconds_per_epoch, 1),
        significant(middle and tflop and middle * tflop),
    )


def _table(workdir, target):
    """The heading, table and own notes of a workdir's rows that are run."""
    config, rows = report_rows.read(workdir)
    rows = [row for row in rows if row.result]
    validated = [row for row in rows if row.result['history'].get('validation_accuracy')]
    lines = [_HEADING, *[_cells(row, target) for row in validated]]
    text = f'{config["title"]}: until {percent(target)} % validation accuracy\n'
    text += f'\n{grid(lines)}\n' if validated else ''
    on_test = [r for r in validated if r.result['config']['dataset'].get('validate_on_test')]
    without = [row for row in rows if row not in validated]
    return text + notes([
        f'{what}: {", ".join(row.name for row in named) if len(named) < len(rows) else "all"}.'
        for what, named in ((_ON_TEST, on_test), (_NOT_VALIDATED, without))
        if named
    ])  # fmt: skip


def target_text(workdirs, target):
    """The tables of the workdirs' rows that are run, and what their columns mean.

    Raises:
      ConfigError: no result lines, or a damaged file.
    """
    tables = [_table(workdir, target) for workdir in workdirs]
    explained = any('|' in table for table in tables)
    return '\n'.join(tables) + notes(_NOTES if explained else ())
