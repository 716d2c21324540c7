"""Schedules against lists by hand."""

import types

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_jax.train.schedules import SCHEDULES, make_schedule


def schedule_config(**changes):
    fields = {'name': 'constant', 'decay_rate': 1.0, 'every_epochs': 1, 'warmup_epochs': 0.0}
    return types.SimpleNamespace(**fields | changes)


# With 2 steps an epoch, 4 epochs and a learning rate of 8: the rate of steps 0 to 9.
ROOT2 = np.sqrt(2)
SCHEDULE_CASES = {
    'constant': ({}, [8, 8, 8, 8, 8, 8, 8, 8, 8, 8]),
    'exponential': ({'decay_rate': 0.5}, [8, 8, 4, 4, 2, 2, 1, 1, 0.5, 0.5]),
    'step': ({'decay_rate': 0.25, 'every_epochs': 2}, [8, 8, 8, 8, 2, 2, 2, 2, 0.5, 0.5]),
    'cosine': (
        {},
        [
            8,
            4 + 2 * np.sqrt(2 + ROOT2),
            4 + 2 * ROOT2,
            4 + 2 * np.sqrt(2 - ROOT2),
            4,
            4 - 2 * np.sqrt(2 - ROOT2),
            4 - 2 * ROOT2,
            4 - 2 * np.sqrt(2 + ROOT2),
            0,
            0,
        ],
    ),
    'warmup_cosine': (
        {'warmup_epochs': 2.0},
        [0, 2, 4, 6, 8, 4 + 2 * ROOT2, 4, 4 - 2 * ROOT2, 0, 0],
    ),
    'triangular': ({'warmup_epochs': 1.5}, [0, 8 / 3, 16 / 3, 8, 6.4, 4.8, 3.2, 1.6, 0, 0]),
}


class SchedulesTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_equals_the_list(self):
        for name, (changes, expected) in SCHEDULE_CASES.items():
            schedule = make_schedule(schedule_config(name=name, **changes), 8.0, 2, 4)
            rates = [self.variant(schedule)(jnp.int32(step)) for step in range(10)]
            chex.assert_type(rates, jnp.float32)
            np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-6, err_msg=name)


def test_cases_cover_every_schedule():
    assert SCHEDULE_CASES.keys() == SCHEDULES.keys()


@pytest.mark.parametrize('name', SCHEDULES)
def test_schedule_numbers_may_be_traced(name):
    changes, expected = SCHEDULE_CASES[name]
    numbers = {field: v for field, v in changes.items() if isinstance(v, float)}
    fixed = {field: v for field, v in changes.items() if not isinstance(v, float)}
    traces = []

    @jax.jit
    def rates(peak, numbers):
        traces.append(name)
        schedule = make_schedule(schedule_config(name=name, **fixed, **numbers), peak, 2, 4)
        return jax.lax.map(schedule, jnp.arange(10))

    for peak in (8.0, 4.0):
        expected_rates = np.multiply(expected, peak / 8)
        np.testing.assert_allclose(rates(peak, numbers), expected_rates, rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize('name', ['warmup_cosine', 'triangular'])
def test_no_warmup_starts_at_the_peak(name):
    schedule = make_schedule(schedule_config(name=name), 8.0, 2, 4)
    assert float(schedule(jnp.int32(0))) == 8
    assert float(schedule(jnp.int32(8))) == 0


def test_warmup_over_the_whole_training_stays_finite():
    schedule = make_schedule(schedule_config(name='triangular', warmup_epochs=4.0), 8.0, 2, 4)
    np.testing.assert_allclose([schedule(step) for step in range(8)], np.arange(8.0))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'name': 'linear'},
            "schedule.name='linear': expected one of constant, exponential, step, cosine, "
            'warmup_cosine, triangular',
        ),
        (
            {'name': 'exponential', 'decay_rate': 0.0},
            "schedule.decay_rate=0.0 with name='exponential': expected above 0",
        ),
        (
            {'name': 'step', 'every_epochs': 0},
            'schedule.every_epochs=0: expected 1 or more',
        ),
    ],
)
def test_refused_schedules(changes, message):
    with pytest.raises(ValueError) as error:
        make_schedule(schedule_config(**changes), 8.0, 2, 4)
    assert str(error.value) == message
