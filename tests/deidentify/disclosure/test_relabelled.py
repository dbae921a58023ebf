"""A released table that comes again under other words is for a person to look at, never silently let through."""

from __future__ import annotations

import random

import pytest

from deidentify.disclosure import relabelled
from deidentify.disclosure.check import check
from deidentify.disclosure.read import read_results, table_mapping
from deidentify.disclosure.relabelled import cells_of, find, released_of
from tests.deidentify.disclosure.results import PURPOSE, levels

MINIMUM = 10


def found(new: str, *released: str) -> list[tuple[str, str]]:
    before = [
        released_of(f"R{place}", read_results(table_mapping(one.encode())))
        for place, one in enumerate(released)
    ]
    return [
        (one.rule, one.outcome) for one in find(read_results(table_mapping(new.encode())), before, MINIMUM)
    ]


SEEN = [("differencing_relabelled", "review")]
STAGE = "stage,count\nI,60\nII,40\nIII,100\n"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("grade,count\na,60\nb,40\nc,100\n", SEEN),  # another dimension, the same counts
        ("grade,count\nz,100\ny,60\nx,40\n", SEEN),  # in another order
        ("grade,count\na,57\nb,40\nc,100\n", SEEN),  # three persons fewer in one cell
        ("grade,count\na,57\nb,44\nc,99\n", SEEN),  # a few moved everywhere
        ("grade,count\na,60\nb,40\n", SEEN),  # a part of it
        ("stage,count\n早,60\n中,40\n晚,100\n", SEEN),  # the same dimension, other labels
        ("grade,patients\na,60\nb,40\nc,100\n", SEEN),  # persons, whatever the column calls them
        ("grade,count\na,97\nb,100\n", SEEN),  # only the sum is three fewer
        ("grade,count\na,30\nb,30\nc,37\nd,100\ntotal,197\n", SEEN),
        ("grade,count\na,500\nb,700\nc,900\n", []),
        ("grade,events\na,60\nb,40\nc,100\n", []),  # events are no persons
        (
            "grade,count\na,30\nb,30\nc,40\nd,100\n",
            [],
        ),  # the same people by something else: one count in common
        ("stage,count\nI,60\nII,40\nIII,100\n", []),  # the same names: compared by these
    ],
)
def test_labels_are_set_aside(new: str, expected: list[tuple[str, str]]):
    assert found(new, STAGE) == expected


def test_the_whole_check_says_review_and_why():
    before = released_of("R", read_results(table_mapping(STAGE.encode())))
    verdict = check(table_mapping(b"grade,count\na,60\nb,40\nc,97\n"), "sponsor", PURPOSE, [before])
    assert verdict.outcome == "review"
    assert "R" in verdict.findings[0].en and "换名" not in verdict.findings[0].en


@pytest.mark.parametrize("seed", range(20))
def test_no_relabelling_of_a_table_without_one_to_nine_persons_is_silent(seed: int):
    """Property: any table, any names, any order, one to nine persons fewer in any one cell."""
    chance = random.Random(seed)
    counts = [chance.randint(20, 400) for _ in range(chance.randint(2, 8))]
    changed = list(counts)
    changed[chance.randrange(len(counts))] -= chance.randint(0, MINIMUM - 1)
    chance.shuffle(changed)
    old = "stage,count\n" + "".join(f"s{n},{count}\n" for n, count in enumerate(counts))
    new = "grade,count\n" + "".join(f"g{n},{count}\n" for n, count in enumerate(changed))
    assert found(new, old) == SEEN


def test_a_variable_of_the_platform_under_another_name_is_seen():
    """Rows of two studies: `size` in one, `tumour` in the other, one person moved."""
    old = levels(small=60, large=140)
    new = levels(small=61, large=139)
    for one in new["rows"]:
        one["id"] = one["id"].replace("size", "tumour")
        one["variable"] = one["variable"].replace("size", "tumour")
    released = released_of("R", read_results(old))
    assert [one.rule for one in find(read_results(new), [released], MINIMUM)] == ["differencing_relabelled"]
    assert not list(find(read_results(old), [released], MINIMUM))


def test_what_is_kept_for_the_ledger_is_what_is_compared():
    """JSON, without places: it lies beside the figures for years."""
    kept = cells_of(read_results(table_mapping(STAGE.encode())))
    assert [one["counts"] for one in kept.values()] == [[40, 60, 100]]
    assert [one["total"] for one in kept.values()] == [200]


@pytest.mark.parametrize("new", ["grade,count\na,60\n", "grade,count\na,*\nb,*\n", "grade,count\na,0\nb,0\n"])
def test_a_table_of_less_than_two_counts_says_nothing(new: str):
    assert found(new, STAGE) == []


def test_nothing_released_and_no_minimum_ask_nothing():
    read = read_results(table_mapping(STAGE.encode()))
    assert not list(find(read, [], MINIMUM))
    assert not list(find(read, [released_of("R", read)], 0))


def test_a_huge_history_ends_with_a_finding(monkeypatch: pytest.MonkeyPatch):
    """Above the limit nothing is compared, and that is said."""
    monkeypatch.setattr(relabelled, "MOST_WORK", 5)
    assert found("grade,count\na,60\nb,40\nc,100\n", STAGE) == [("differencing_not_proven", "review")]
