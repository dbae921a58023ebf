"""Against what a circle already holds: sets of persons where they are known, totals where they are not."""

from __future__ import annotations

import random

import pytest

from deidentify.disclosure.differencing import MOST_SETS, ReleasedTable, compare, figures_of
from deidentify.disclosure.read import read_results
from tests.deidentify.disclosure.results import held, row

MINIMUM = 10
EMPTY = read_results(held([]))


def people(*spans: tuple[int, int]) -> frozenset[str]:
    return frozenset(f"p{number}" for first, last in spans for number in range(first, last + 1))


def findings(new: dict[str, frozenset[str]], *released: dict[str, frozenset[str]]) -> list[str]:
    tables = [ReleasedTable(f"R{number}", {}, sets, "person") for number, sets in enumerate(released)]
    return [one.rule for one in compare(EMPTY, tables, MINIMUM, sets=new, tokens="person")]


@pytest.mark.parametrize(
    ("new", "released", "refused"),
    [
        (people((1, 200)), [people((1, 200))], False),
        (people((1, 199)), [people((1, 200))], True),
        (people((1, 201)), [people((1, 200))], True),
        (people((2, 201)), [people((1, 200))], True),
        (people((1, 191)), [people((1, 200))], True),
        (people((1, 190)), [people((1, 200))], False),
        (people((301, 400)), [people((1, 200))], False),
        (people((1, 9)), [], False),
        (people((1, 200)), [people((1, 100)), people((101, 199))], True),
        (people((1, 200)), [people((1, 100)), people((101, 190))], False),
        (people((1, 300)), [people((1, 100)), people((101, 200)), people((201, 297))], True),
        (people((1, 100), (201, 300)), [people((1, 300)), people((101, 198))], True),
        (people((1, 5)), [people((1, 200)), people((6, 200))], True),
    ],
)
def test_what_a_combination_of_sets_isolates(new, released, refused):
    """Equal sets tell nothing new; one or a few persons apart is refused, also from a union or a difference."""
    assert bool(findings({"new": new}, *({"all": one} for one in released))) is refused


def test_the_sets_of_one_release_are_compared_among_themselves():
    """A population and the same without three: one package is enough for a subtraction."""
    assert findings({"all": people((1, 200)), "restricted": people((1, 197))}) == [
        "differencing",
        "differencing",
    ]


@pytest.mark.parametrize("seed", range(30))
def test_two_tables_that_differ_by_one_patient_never_pass_whatever_else_was_released(seed: int):
    """Property: any cohort, any history; the cohort without one patient is refused after the cohort."""
    chance = random.Random(seed)
    everybody = [f"p{number}" for number in range(400)]
    cohort = frozenset(chance.sample(everybody, chance.randint(30, 300)))
    history = [{"all": frozenset(chance.sample(everybody, 150))} for _ in range(chance.randint(0, 3))]
    one_less = cohort - {chance.choice(sorted(cohort))}
    assert "differencing" in findings({"new": one_less}, *history, {"all": cohort})
    assert "differencing" in findings({"new": cohort}, *history, {"all": one_less})


def test_other_tokens_are_not_compared_and_that_is_said():
    """Two projects without a map: nobody can tell, so a person looks, and totals are compared."""
    table = ReleasedTable("R", {"people[all]": 203.0}, {"all": people((1, 203))}, "subject/one")
    results = read_results(held([], all=200))
    found = list(compare(results, [table], MINIMUM, sets={"all": people((1, 200))}, tokens="subject/two"))
    assert {(one.rule, one.outcome) for one in found} == {
        ("differencing_totals", "fail"), ("differencing_not_proven", "review"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "refused"), [(52, 52, False), (52, 51, True), (52, 43, True), (52, 42, False)]
)
def test_without_sets_the_totals_of_the_same_label_are_compared(before, now, refused):
    """A table file: the same line with a number that is a little different."""

    def one(count: int):
        return read_results({"rows": [row("x", "count", count, dims={"arm": "a", "stage": "II"})]})

    released = [ReleasedTable("earlier.csv", figures_of(one(before)))]
    assert bool(list(compare(one(now), released, MINIMUM))) is refused


def test_the_same_size_and_other_people_is_for_a_person_to_look_at():
    """Two files: 200 and 200, another hash. Somebody was exchanged; how many, the files do not say."""
    released = [ReleasedTable("earlier.json", {"people[all]": 200.0}, hashes={"all": "a" * 64})]
    new = read_results({"row_sets": {"all": {"subjects": 200, "sha256": "b" * 64}}})
    assert [(one.rule, one.outcome) for one in compare(new, released, MINIMUM)] == [
        ("differencing_not_proven", "review")
    ]


def test_many_sets_are_compared_in_pairs_and_that_is_said():
    """Above the limit triples are not tried: a finding for review, never silence; pairs still refuse."""
    released = [{f"s{number}": people((number * 40, number * 40 + 35))} for number in range(MOST_SETS + 2)]
    new = {"new": people((80, 114))}
    assert set(findings(new, *released)) == {"differencing_not_proven", "differencing"}
