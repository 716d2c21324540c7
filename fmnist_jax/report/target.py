"""How long each row's seeds train until their validation accuracy reaches a target."""

import statistics

from fmnist_jax.config.settings import from_plain
from fmnist_jax.data import catalog
from fmnist_jax.markdown import grid, notes, number, percent, significant
from fmnist_jax.report import rows as report_rows
from fmnist_jax.results.measures import known

_NOTE = (
    'Epochs, seconds and TFLOP until the end of the first epoch whose validation accuracy reaches '
    'the target: the median over the seeds that reach it, of one seed. Seconds are those of '
    'training with validation, without compiling, on the machine that the result line names. TFLOP '
    'are six times the multiply-adds of one image times the training images: two for each '
    'multiply-add, and twice the forward pass again for the backward pass.'
)


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

    if 'model' not in result['config']:
        return None
    settings = from_plain(result['config'])
    count = multiply_adds(model_of(settings), catalog.input_shape(settings.dataset))
    return 6 * count * result['train_images'] / 1e12


def target_text(workdir, target):
    """The table of a workdir's rows that are run, with its note.

    Raises:
      ConfigError: no result lines, or a damaged file.
    """
    config, rows = report_rows.read(workdir)
    lines = [('row', 'best reached', 'seeds', 'epochs', 's / seed', 'TFLOP / seed')]
    for row in rows:
        history = (row.result or {}).get('history', {})
        if not history.get('validation_accuracy'):
            continue
        epochs = [epoch for epoch in first_epochs(history, target) if epoch]
        middle = statistics.median(epochs) if epochs else None
        best = max(value for epoch in history['validation_accuracy'] for value in known(epoch))
        tflop = epoch_tflop(row.result)
        lines.append((
            row.name,
            percent(best),
            f'{len(epochs)} of {len(row.accuracies)}',
            '' if middle is None else f'{middle:g}',
            number(middle and middle * row.seconds_per_epoch, 1),
            significant(middle and tflop and middle * tflop),
        ))  # fmt: skip
    title = f'{config["title"]}: to {percent(target)} % of validation accuracy'
    return f'{title}\n\n{grid(lines)}\n{notes([_NOTE])}'
