"""Accounts beside the results: no step of a few, no few between two counts, and nothing that nobody can judge."""

from __future__ import annotations

from typing import Any

import pytest

from deidentify.disclosure.accounts import rounds, steps
from deidentify.disclosure.check import ALL_RULES
from deidentify.disclosure.findings import Finding

CELL = 10


def told(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"left": left, "remaining": remaining} for left, remaining in pairs]


def places(found: list[Finding]) -> set[str]:
    assert all(one.zh and one.en and one.rule in ALL_RULES and one.outcome == "fail" for one in found)
    return {one.where for one in found}


def test_steps_that_lost_nobody_or_ten_say_nothing_of_a_few() -> None:
    assert steps("a", told((0, 600), (0, 600), (10, 590), (290, 300)), CELL) == []
    assert steps("a", [], CELL) == []


@pytest.mark.parametrize("left", [1, 9])
def test_a_step_that_lost_a_few_is_found_up_to_the_cell(left: int) -> None:
    assert places(steps("a", told((0, 600), (left, 600 - left)), CELL)) == {"a[1]"}
    assert steps("a", told((0, 600), (left, 600 - left)), 1) == []


def test_a_few_who_remained_are_found() -> None:
    assert places(steps("a", told((0, 600), (595, 5)), CELL)) == {"a[1]"}


@pytest.mark.parametrize("left", [0, 40])
def test_what_remained_tells_of_a_few_whatever_the_step_says(left: int) -> None:
    assert places(steps("a", told((0, 600), (left, 597)), CELL)) == {"a[1]"}


def test_a_finding_never_repeats_the_small_number() -> None:
    (found,) = steps("a", told((0, 600), (7, 593)), CELL)
    assert "7" not in found.en + found.zh + found.remedy_en and "1 and 9" in found.en


def round_of(rows: int | None, *counts: int | None, **more: Any) -> dict[str, Any]:
    line = {"variable": "arm", **dict(zip(("asked", "compared", "agreed"), counts, strict=False))}
    return {"rows": rows, "lines": [{**line, **more}]}


def test_agreement_of_everybody_or_without_ten_says_nothing_of_a_few() -> None:
    assert rounds("v", round_of(40, 40, 30, 20), CELL) == []
    assert rounds("v", round_of(40, 40, 40, None), CELL) == []
    assert rounds("v", {"rows": None, "lines": [], "number": 3, "all_returned": False}, CELL) == []


@pytest.mark.parametrize(
    "document",
    [
        round_of(40, 40, 39, 39),
        round_of(40, 38, None, None),
        round_of(40, 40, 40, 37),
        round_of(40, 40, 40, 4),
        round_of(9, None, None, None),
        round_of(40, None, 36, None),
    ],
)
def test_a_few_who_were_not_asked_or_do_not_agree_are_found(document: dict[str, Any]) -> None:
    assert rounds("v", document, CELL)


def test_a_zero_speaks_of_everybody_else() -> None:
    assert {one.rule for one in rounds("v", round_of(40, 40, 40, 0), CELL)} == {"account_of_nobody"}


@pytest.mark.parametrize("value", [0.95, 2])
def test_a_number_that_has_no_place_there_is_found(value: float) -> None:
    assert {one.rule for one in rounds("v", round_of(40, 40, share=value), CELL)} == {"account_unknown"}


def test_two_rounds_that_lie_a_few_apart_are_found() -> None:
    newest, older = round_of(40, 40, 40, 30), round_of(40, 40, 40, 27)
    found = rounds("v", {**newest, "other_rounds": [older]}, CELL)
    assert places(found) == {"v[0].arm.agreed-[1]"}
    assert rounds("v", {**newest, "other_rounds": [round_of(40, 40, 40, 30)]}, CELL) == []
    assert rounds("v", {**newest, "other_rounds": [round_of(40, 40, 40, 20)]}, CELL) == []


def test_a_small_count_of_an_earlier_round_is_found() -> None:
    document = {**round_of(40, 40, 30, 20), "other_rounds": [round_of(40, 40, 30, 28)]}
    assert "v[1].arm" in places(rounds("v", document, CELL))


@pytest.mark.parametrize("value", ["3", 3.5, True, -1, [3], None])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="no count"):
        steps("a", [{"left": value, "remaining": 600}], CELL)
    if value is not None:  # of agreement: not told
        with pytest.raises(ValueError, match="no count"):
            rounds("v", round_of(40, value), CELL)
