"""What an Optuna study has found so far: how many trials, the best, a table."""

from fmnist_jax.markdown import markdown
from fmnist_jax.sweep.study import optuna


def counts(study):
    """{'complete', 'pruned', 'running', 'failed', 'waiting'}: how many trials of each."""
    names = {'FAIL': 'failed'}
    found = dict.fromkeys(('complete', 'pruned', 'running', 'failed', 'waiting'), 0)
    for trial in study.get_trials(deepcopy=False):
        found[names.get(trial.state.name, trial.state.name.lower())] += 1
    return found


def best(study):
    """The complete trial with the highest value, None if there is none."""
    states = optuna().trial.TrialState
    complete = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    return max(complete, key=lambda trial: trial.value, default=None)


def table(study, most=10):
    """The best complete trials, as Markdown."""
    states = optuna().trial.TrialState
    complete = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    complete = sorted(complete, key=lambda trial: -trial.value)[:most]
    fields = sorted({field for trial in complete for field in trial.params})
    rows = [
        (
            str(trial.number),
            f'{100 * trial.value:.2f}',
            *[_shown(trial.params.get(field)) for field in fields],
        )
        for trial in complete
    ]
    return markdown(('trial', 'validation accuracy, %', *fields), rows)


def _shown(value):
    return f'{value:.4g}' if isinstance(value, float) else str(value)
