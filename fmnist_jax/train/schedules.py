"""Learning-rate schedules: step -> learning rate, as pure functions of a traced step.

Hyper-parameters may be traced; the Python number 0.0 means off.
"""

import jax.numpy as jnp

from fmnist_jax.models.layers import is_off


def _step(config, peak, steps_per_epoch, epochs):
    """Times decay_rate after each `every_epochs` epochs (torch StepLR); 'exponential': each one."""
    every = 1 if config.name == 'exponential' else config.every_epochs
    period = every * steps_per_epoch
    return lambda step: peak * config.decay_rate ** (step // period)


def _cosine(config, peak, steps_per_epoch, epochs):
    """Half a cosine from the peak to 0 at the end (Loshchilov & Hutter 2017, no restarts)."""
    return lambda step: peak * _half_cosine(_progress(step, 0, epochs * steps_per_epoch))


def _warmup(step, steps):
    return 1.0 if is_off(steps) else jnp.minimum(step / steps, 1.0)


def _progress(step, start, stop):
    """0 up to `start`, 1 from `stop` on; at least one step apart."""
    return jnp.clip((step - start) / jnp.maximum(stop - start, 1), 0.0, 1.0)


def _half_cosine(progress):
    return 0.5 * (1 + jnp.cos(jnp.pi * progress))


def _after_warmup(decay):
    """Linear from 0 to the peak over warmup_epochs, then `decay` of the progress to the end."""

    def warmed_up(config, peak, steps_per_epoch, epochs):
        warmup, total = config.warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
        return lambda step: peak * _warmup(step, warmup) * decay(_progress(step, warmup, total))

    return warmed_up


SCHEDULES = {
    'constant': lambda config, peak, steps_per_epoch, epochs: lambda step: peak,
    'exponential': _step,
    'step': _step,
    'cosine': _cosine,
    'warmup_cosine': _after_warmup(_half_cosine),
    'triangular': _after_warmup(lambda progress: 1 - progress),
}
WITH_WARMUP = ('warmup_cosine', 'triangular')


def make_schedule(config, learning_rate, steps_per_epoch, epochs):
    """The learning rate as a function of step ([] int32, from 0) -> [] float32.

    config: the fields of config.schedule; learning_rate: the constant or largest one.

    Raises:
      ValueError: unknown name, a warm-up that it does not have, a decay of 0 or every 0 epochs.
    """
    if config.name not in SCHEDULES:
        raise ValueError(f'schedule.name={config.name!r}: expected one of {", ".join(SCHEDULES)}')
    if not is_off(config.warmup_epochs) and config.name not in WITH_WARMUP:
        raise ValueError(
            f'schedule.warmup_epochs={config.warmup_epochs!r} with name={config.name!r}: expected '
            f'0.0, or one of name={", ".join(WITH_WARMUP)}'
        )
    if config.name in ('exponential', 'step') and is_off(config.decay_rate):
        raise ValueError(f'schedule.decay_rate=0.0 with name={config.name!r}: expected above 0')
    if config.name == 'step' and config.every_epochs < 1:
        raise ValueError(f'schedule.every_epochs={config.every_epochs}: expected 1 or more')
    schedule = SCHEDULES[config.name](config, learning_rate, steps_per_epoch, epochs)
    return lambda step: jnp.asarray(schedule(step), jnp.float32)
