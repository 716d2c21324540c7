"""The list of everything that the reports print: complete, answered by what exists, up to date."""

import pytest
from configs_for_tests import CONFIGS, ROOT, settings_of
from report_for_tests import line

from configs import base
from experiments import status
from experiments.statements import ENTRIES, Entry, number, statement, wish
from fmnist_jax.config.settings import plain
from fmnist_jax.report.rows import from_result, not_run

TABLES = {name: config for name, config in CONFIGS.items() if name != 'quickstart'}
ROWS = {f'{name}:{row["name"]}': row for name, config in TABLES.items() for row in config.rows}
CLAIMS = [f'{name}: {claim["text"]}' for name, config in TABLES.items() for claim in config.claims]
ALL = [entry for entries in ENTRIES.values() for entry in entries]


def shown(entry):
    return f'{entry.place}, {entry.what}'


@pytest.mark.parametrize('entry', ALL, ids=shown)
def test_what_answers_an_entry_exists(entry):
    assert entry.kind in ('number', 'figure', 'statement', 'wish', 'setting')
    for pattern in entry.rows:
        found = status.matching([pattern], ROWS)
        assert found, pattern
        if entry.other:
            assert any(entry.other in ROWS[name]['also_reported'] for name in found)
    for beginning in entry.claims:
        assert sum(claim.startswith(beginning) for claim in CLAIMS) == 1, beginning
    for path in entry.paths:
        assert (ROOT / path.partition('#')[0]).exists(), path
    assert not (entry.out_of_scope and (entry.rows or entry.claims or entry.paths))
    assert not entry.between or entry.between[0] < entry.between[1]
    assert not (entry.between and entry.other)


def test_every_reported_number_and_every_claim_is_in_the_list():
    plain_numbers = [e for e in ALL if e.kind == 'number' and not e.other and not e.between]
    listed = status.matching([pattern for e in plain_numbers for pattern in e.rows], ROWS)
    own = [name for name, row in ROWS.items() if row['reported'] is not None]
    assert [name for name in own if not ROWS[name]['repeats'] and name not in listed] == []
    beginnings = tuple(beginning for entry in ALL for beginning in entry.claims)
    reports = [claim for claim in CLAIMS if ': Ours:' not in claim]
    assert [claim for claim in reports if not claim.startswith(beginnings)] == []


def test_no_number_is_in_the_list_twice():
    plain_numbers = [e for e in ALL if e.kind == 'number' and not e.other and not e.between]
    for name in ROWS:
        assert sum(bool(status.matching(entry.rows, [name])) for entry in plain_numbers) <= 1, name


def row(name, accuracies, reported, repeats=False, config='lenet', of='base', **more):
    settings = plain(settings_of(config, of))
    result = line(name, accuracies, reported=reported, config=settings, **more)
    return from_result(result)._replace(repeats=repeats)


@pytest.fixture
def made(monkeypatch):
    """Puts rows and claims, {'lenet: text': outcome}, in the place of the committed ones."""

    def put(rows, claims=()):
        rows = {f'lenet:{one.name}': one for one in rows}
        reports = dict.fromkeys(rows, '003')
        found = status.Results([], rows, reports, dict(claims))
        monkeypatch.setattr(status, 'results', lambda: found)

    return put


SEEDS = (0.900, 0.901, 0.902, 0.903, 0.904)


def test_a_number_has_the_status_of_its_verdict(made):
    declared = base.row('not_run', {}, 0.9)
    made([row('a', SEEDS, 0.902), row('b', SEEDS, 0.95), row('c', [0.9], 0.9), not_run(declared)])
    assert status.statuses(number('', '', rows=('lenet:a',))) == {'reproduced': 1}
    everything = status.statuses(number('', '', rows=('lenet:*',)))
    assert everything == {'reproduced': 1, 'not reproduced': 1, 'one seed': 1, 'not run yet': 1}
    assert status.statuses(number('', '')) == {'not run yet': 1}
    made([row('a', SEEDS, 0.95)._replace(calibrated_on='L2')])
    assert status.status_of_number('lenet:a') == 'calibrated'
    assert status.statuses(number('', '', out_of_scope='a time')) == {'out of scope': 1}


def test_a_reading_explains_a_number(made):
    wrong = row('a', SEEDS, 0.95)
    other_settings = row('b', [0.95 + 0.001 * k for k in range(5)], 0.95, True, of='2_max')
    same_settings = other_settings._replace(name='c', result=wrong.result)
    made([wrong, same_settings])
    assert status.status_of_number('lenet:a') == 'not reproduced'
    made([wrong, other_settings])
    assert status.status_of_number('lenet:a') == 'explained by a reading'
    assert status.readings('lenet:a') == ['lenet:b']
    # Two rows of the report have this number: nobody knows which one the reading is of.
    made([wrong, other_settings, wrong._replace(name='d')])
    assert status.status_of_number('lenet:a') == 'not reproduced'
    made([wrong, other_settings._replace(verdict='lower')])
    assert status.status_of_number('lenet:a') == 'not reproduced'


def test_claims_have_the_status_of_their_outcome(made):
    claims = {'lenet: A is better': 'holds', 'lenet: B is': 'does not hold', 'lenet: C': 'one seed'}
    made([], claims | {'lenet: D': 'undecided'})
    asked = [('lenet: A',), ('lenet: B',), ('lenet: C',), ('lenet: D',), ('lenet: E',)]
    found = [list(status.statuses(statement('', '', claims=claim))) for claim in asked]
    words = ['reproduced', 'not reproduced', 'one seed', 'cannot tell', 'not run yet']
    assert found == [[word] for word in words]


def test_other_numbers_are_compared_with_each_seed(made):
    history = {'train_accuracy': [[0.80, 0.81, 0.82]]}
    also = {'train_accuracy': 0.811, 'parameters': 63_000, 'plus_minus': 0.03}
    made([row('a', SEEDS[:3], 0.9, history=history, also_reported=also)])

    def found(other):
        return list(status.statuses(number('', '', rows=('lenet:a',), other=other)))

    assert found('parameters') == ['reproduced']  # 61,706
    assert found('plus_minus') == ['not reproduced']  # 0.0186 over batches of 256 images
    assert found('train_accuracy') == ['cannot tell']  # seeds of 80 to 82 %
    made([row('a', SEEDS[:1], 0.9, history={'train_accuracy': [[0.8]]}, also_reported=also)])
    assert found('train_accuracy') == ['one seed']


def test_a_quantity_between_two_numbers(made):
    made([row('a', SEEDS, None)])
    asked = {'rows': ('lenet:a',), 'between': (0.901, 0.903)}
    assert list(status.statuses(statement('', '', **asked))) == ['reproduced']
    asked['between'] = (0.91, 1.0)
    assert list(status.statuses(statement('', '', **asked))) == ['not reproduced']
    assert list(status.statuses(wish('', '', **asked))) == ['not reached']
    assert list(status.statuses(statement('', '', of='ensemble', **asked))) == ['not run yet']


def test_figures_need_a_history(made):
    made([row('a', SEEDS, None), row('b', SEEDS, None, history={'train_loss': [[1.0]]})])
    found = [list(status.statuses(Entry('figure', '', '', (f'lenet:{n}',)))) for n in 'ab']
    assert found == [['not run yet'], ['drawn']]


def test_what_is_not_reproduced_is_explained(made):
    made([], {'lenet: A': 'does not hold', 'lenet: B': 'holds'})
    entries = (
        statement('4', 'A is better', claims=('lenet: A',), why='Noise.'),
        statement('5', 'A is best', claims=('lenet: A',)),
        statement('6', 'B is better', claims=('lenet: B',), why='Never shown.'),
    )
    assert status._rest(entries) == [
        '- 4, A is better. Noise.',
        '- 5, A is best. Not explained yet.',
    ]


@pytest.mark.slow
def test_the_page_is_up_to_date():
    """`python experiments/scorecard.py --write` writes it."""
    assert status.page() == (ROOT / 'experiments' / 'SCORECARD.md').read_text()
