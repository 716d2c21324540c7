"""The claims in the configs: testable, and in agreement with the reports' own numbers."""

import fnmatch
import json
import statistics

import pytest
from configs_for_tests import CONFIGS, NAMES, rows_of

from configs import base
from experiments.scikit_learn import baseline


def matching(name, pattern):
    """The rows that a claim of config `name` means by a pattern."""
    config, _, rows = pattern.rpartition(':')
    if config == 'scikit_learn':  # a script of its own
        return [{'name': row, 'reported': None} for row in baseline.classifiers() if row == rows]
    found = rows_of(config or name)
    return [row for row in found.values() if fnmatch.fnmatchcase(row['name'], rows)]


def patterns_of(side):
    return [side] if isinstance(side, str) else side


def value_of(name, side):
    """What the report's own numbers give for a side of a comparison; None if it prints too few."""
    means = []
    for pattern in patterns_of(side):
        numbers = [row['reported'] for row in matching(name, pattern)]
        if None in numbers:
            return None
        means.append(statistics.mean(numbers))
    return means[0] if len(means) == 1 else means[0] - means[1]


@pytest.mark.parametrize('name', [name for name in NAMES if CONFIGS[name].claims])
def test_claims_can_be_tested_and_agree_with_the_reports_own_numbers(name):
    for claim in CONFIGS[name].claims:
        assert claim['comparisons'] and claim['text']
        for higher, lower, *rest in claim['comparisons']:
            for side in (higher, lower):
                assert len(patterns_of(side)) == (1 if isinstance(side, str) else 2)
                for pattern in patterns_of(side):
                    assert matching(name, pattern), (claim['text'], pattern)
            values = [value_of(name, side) for side in (higher, lower)]
            if None not in values:
                assert values[0] > values[1] - sum(rest[:1]), (claim['text'], higher, lower)
                if rest[1:] == ['same']:
                    assert values[1] > values[0] - rest[0], (claim['text'], higher, lower)


def test_the_claims_of_every_report_are_there():
    with_claims = {name for name in NAMES if CONFIGS[name].claims}
    tables = {'cnn_variants', 'cnn2_tuned', 'fcn_optimizers', 'fcn_regularization', 'lenet'}
    assert tables | {'ann_vs_cnn', 'tuning_2_layers', 'tuning_3_layers'} <= with_claims
    assert not CONFIGS['fcn_scaling'].claims  # which takes over the settings of fcn_optimizers


def test_a_claim_is_plain_data():
    made = base.claim('a gains more than b', (['a_2', 'a_1'], ['b_2', 'b_1']), ('a', 'b'))
    assert made == {
        'text': 'a gains more than b',
        'comparisons': [[['a_2', 'a_1'], ['b_2', 'b_1']], ['a', 'b']],
        'measure': 'test_accuracy',
    }
    assert json.loads(json.dumps(made)) == made
    same = base.claim('a is b', base.not_worse('a', 'b'), *base.same('a', 'b', 0.01))
    assert same['comparisons'] == [['a', 'b', 0.005], ['a', 'b', 0.01, 'same']]
