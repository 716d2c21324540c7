"""Optimizers against the frameworks' update rules in NumPy, and against PyTorch's own."""

import chex
import jax
import numpy as np
import pytest
from optimizer_rules import (
    RULES,
    STEPS,
    draw_problem,
    optimizer_config,
    rate_of_step,
    run_numpy,
    schedule_config,
)
from optimizer_runs import assert_same_training, run_optax, run_torch

from fmnist_jax.train.optimizers import L2_ON, OPTIMIZERS, l2_penalty, make_optimizer
from fmnist_jax.train.schedules import make_schedule

CASES = [
    {'name': 'sgd'},
    {'name': 'sgd', 'momentum': 0.9},
    {'name': 'sgd', 'momentum': 0.9, 'nesterov': True},
    {'name': 'sgd', 'momentum': 0.5, 'l2': 0.3, 'clip_norm': 1.5},
    {'name': 'rmsprop'},
    {'name': 'rmsprop', 'momentum': 0.9, 'l2': 0.2},
    {'name': 'adam'},
    {'name': 'adam', 'l2': 0.3},
    {'name': 'adam', 'l2': 0.1, 'clip_norm': 1.5},
    {'name': 'adamw'},
    {'name': 'adamw', 'weight_decay': 0.4},
]


def case_id(case):
    return '-'.join(f'{field}={value}' for field, value in case.items())


@pytest.mark.parametrize('framework', RULES)
@pytest.mark.parametrize('case', CASES, ids=case_id)
def test_equals_the_frameworks_rule(case, framework):
    config = optimizer_config(**case, framework=framework)
    params, gradients = draw_problem()
    expected = run_numpy(config, params, gradients)
    assert_same_training(run_optax(config, params, gradients), expected, params)


@pytest.mark.parametrize('case', CASES, ids=case_id)
def test_torch_agrees(case):
    torch = pytest.importorskip('torch')
    config = optimizer_config(**case)
    params, gradients = draw_problem()
    expected = run_torch(torch, config, params, gradients)
    assert_same_training(run_optax(config, params, gradients), expected, params)


def test_cases_cover_every_optimizer():
    assert {case['name'] for case in CASES} == OPTIMIZERS.keys() - {'muon'}


def muon_step(**changes):
    """One step of rate 0.1 of a kernel, a dense kernel and a bias: (before, after, gradients)."""
    fields = {'name': 'muon', 'momentum': 0.6, 'nesterov': True}
    config = optimizer_config(**fields | changes)
    draw = np.random.default_rng(0).normal
    shapes = {'conv': (3, 3, 4, 6), 'dense': (5, 3), 'bias': (6,)}
    params, gradients = (
        {name: np.float32(draw(size=shape)) for name, shape in shapes.items()} for _ in range(2)
    )
    return params, run_optax(config, params, [gradients], lambda step: 0.1), gradients


def test_muon_moves_kernels_by_an_orthogonal_matrix():
    params, after, gradients = muon_step()
    step = (params['conv'] - after['conv']).reshape(-1, 6) / 0.1
    singular = np.linalg.svd(step, compute_uv=False)
    assert singular.min() > 0.5 and singular.max() < 1.3
    left, _, right = np.linalg.svd(gradients['conv'].reshape(-1, 6), full_matrices=False)
    assert np.vdot(step, left @ right) > 0.97 * np.linalg.norm(step) * np.sqrt(6)


def test_muon_moves_other_parameters_as_sgd_does():
    params, after, gradients = muon_step(rest_factor=0.5)
    for name in ('dense', 'bias'):
        moved = params[name] - after[name]  # Nesterov's first step is 1 + momentum gradients
        np.testing.assert_allclose(moved, 0.1 * 0.5 * 1.6 * gradients[name], rtol=1e-4)


def test_unit_kernels_keep_the_norm():
    _, after, _ = muon_step(unit_kernels=True)
    np.testing.assert_allclose(np.linalg.norm(after['conv']), np.sqrt(6), rtol=1e-5)


@pytest.mark.parametrize('name', ['rmsprop', 'adam'])
def test_frameworks_differ_where_gradients_are_small(name):
    params, gradients = draw_problem()
    ways = [
        np.abs(run_optax(optimizer_config(name=name, framework=f), params, gradients)['tiny'])
        for f in ('pytorch', 'keras')
    ]
    assert np.abs(ways[0] - ways[1]).max() > 1e-3


def test_the_two_keras_differ_in_rmsprop_without_momentum_alone():
    params, gradients = draw_problem()

    def differ(**case):
        runs = [
            run_optax(optimizer_config(**case, framework=framework), params, gradients)['tiny']
            for framework in ('keras', 'keras2')
        ]
        return np.abs(runs[0] - runs[1]).max() > 0

    cases = [case for case in CASES if differ(**case)]
    assert cases == [{'name': 'rmsprop'}]


def test_keras_and_pytorch_momentum_agree_at_a_constant_rate():
    params, gradients = draw_problem()
    for nesterov in (False, True):
        runs = [
            run_optax(
                optimizer_config(framework=f, momentum=0.9, nesterov=nesterov),
                params,
                gradients,
                lambda step: 0.02,
            )
            for f in ('pytorch', 'keras')
        ]
        chex.assert_trees_all_close(*runs, atol=1e-6)


def test_clipping_leaves_a_small_gradient_alone():
    params, gradients = draw_problem()
    free = run_optax(optimizer_config(), params, gradients)
    clipped = run_optax(optimizer_config(clip_norm=1e3), params, gradients)
    chex.assert_trees_all_equal(free, clipped)
    shortened = run_optax(optimizer_config(clip_norm=1.0), params, gradients[:1])
    leaves = zip(jax.tree.leaves(params), jax.tree.leaves(shortened), strict=True)
    norm = np.sqrt(sum(((before - after) ** 2).sum() for before, after in leaves))
    np.testing.assert_allclose(norm, rate_of_step(0), rtol=1e-5)


@pytest.mark.parametrize(
    ('l2_on', 'decayed'),
    [('all', {'conv', 'dense', 'bias'}), ('kernels', {'conv', 'dense'}), ('dense', {'dense'})],
)
def test_l2_acts_on_what_it_is_told(l2_on, decayed):
    params = {'conv': np.ones((3, 3, 1, 2)), 'dense': np.ones((4, 2)), 'bias': np.ones(2)}
    nothing = jax.tree.map(np.zeros_like, params)
    trained = run_optax(optimizer_config(l2=0.5, l2_on=l2_on), params, [nothing])
    for name, after in trained.items():
        expected = 1 - 0.5 * rate_of_step(0) if name in decayed else 1
        np.testing.assert_allclose(after, expected, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize('l2_on', L2_ON)
def test_the_penaltys_gradient_is_what_l2_adds(l2_on):
    params, gradients = draw_problem()
    config = optimizer_config(l2=0.3, l2_on=l2_on)
    added = jax.tree.map(np.add, gradients[0], jax.grad(lambda p: l2_penalty(config, p))(params))
    expected = run_optax(optimizer_config(), params, [added])
    chex.assert_trees_all_close(run_optax(config, params, gradients[:1]), expected, rtol=1e-5)


NUMBERS = {
    'sgd': {'momentum': 0.9, 'l2': 0.1, 'clip_norm': 2.0},
    'rmsprop': {'momentum': 0.8, 'l2': 0.1, 'clip_norm': 2.0},
    'adam': {'l2': 0.1, 'clip_norm': 2.0},
    'adamw': {'weight_decay': 0.1, 'clip_norm': 2.0},
    'muon': {'l2': 0.3, 'momentum': 0.6, 'rest_factor': 0.5},
}


@pytest.mark.parametrize('framework', RULES)
@pytest.mark.parametrize('name', OPTIMIZERS)
def test_numbers_may_be_traced_without_a_second_compilation(name, framework):
    params, gradients = draw_problem()
    traces = []

    @jax.jit
    def train(rate, numbers, params, gradients):
        traces.append(name)
        config = optimizer_config(name=name, framework=framework, **numbers)
        schedule = make_schedule(
            schedule_config(name='exponential', decay_rate=rate * 10), rate, 2, STEPS
        )
        return run_optax(config, params, gradients, schedule)

    for factor in (1.0, 0.5):
        numbers = {field: factor * value for field, value in NUMBERS[name].items()}
        got = train(0.05 * factor, numbers, params, gradients)
        config = optimizer_config(name=name, framework=framework, **numbers)
        run = run_optax if name == 'muon' else run_numpy  # muon has no rule in NumPy
        expected = run(
            config, params, gradients, lambda step, f=factor: 0.05 * f * (0.5 * f) ** (step // 2)
        )
        assert_same_training(got, expected, params)
    assert len(traces) == 1


@pytest.mark.parametrize('name', OPTIMIZERS)
def test_vmapped_learning_rates_train_as_they_do_alone(name):
    params, gradients = draw_problem()

    def train(rate):
        config = optimizer_config(name=name, clip_norm=1.5)
        return run_optax(config, params, gradients, make_schedule(schedule_config(), rate, 1, 1))

    rates = np.array([1e-3, 1e-2, 3e-2], np.float32)
    together = jax.jit(jax.vmap(train))(rates)
    alone = [jax.jit(train)(rate) for rate in rates]
    expected = jax.tree.map(lambda *leaves: np.stack(leaves), *alone)
    chex.assert_trees_all_close(together, expected, rtol=1e-6, atol=1e-7)
    assert np.abs(together['tiny'][0] - together['tiny'][2]).max() > 0


def test_state_holds_arrays_only():
    params, _ = draw_problem()
    for name, numbers in NUMBERS.items():
        optimizer = make_optimizer(optimizer_config(name=name, **numbers), rate_of_step)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(optimizer.init(params)))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'name': 'lion'},
            "optimizer.name='lion': expected one of sgd, rmsprop, adam, adamw, muon",
        ),
        ({'framework': 'jax'}, "optimizer.framework='jax': expected one of pytorch, keras, keras2"),
        (
            {'name': 'adam', 'momentum': 0.9},
            "optimizer.momentum is set with name='adam': only sgd, rmsprop and muon have it",
        ),
        (
            {'nesterov': True},
            "optimizer.nesterov=True with name='sgd': it needs sgd or muon, and momentum",
        ),
        (
            {'name': 'rmsprop', 'momentum': 0.9, 'nesterov': True},
            "optimizer.nesterov=True with name='rmsprop': it needs sgd or muon, and momentum",
        ),
        (
            {'name': 'adam', 'weight_decay': 0.1},
            "optimizer.weight_decay is set with name='adam': only adamw has it; "
            'l2 is the decay that is added to the gradient',
        ),
    ],
)
def test_refused_optimizers(changes, message):
    with pytest.raises(ValueError) as error:
        make_optimizer(optimizer_config(**changes), rate_of_step)
    assert str(error.value) == message
