"""Who the subjects of a lock are: linked charts are one person, charts that were kept apart are two."""

from __future__ import annotations

import pandas as pd
import pytest

from deidentify.account import DropCounter
from deidentify.linkage import link_persons
from rwd_platform.flows.ledger_map import Person
from rwd_platform.flows.lock_rows import _persons

A1, A2, B1 = ("hospital-a", "a1"), ("hospital-a", "a2"), ("hospital-b", "b1")


def persons(births: dict[tuple[str, str], str], links: dict[tuple[str, str], str]) -> dict[str, Person]:
    """Charts by place with their birth dates, linked as a lock links them."""
    rows = [
        {"organisation_id": place[0], "patient_id": place[1], "birth_date": birth, "gender": "female"}
        for place, birth in births.items()
    ]
    tables = {"patient": pd.DataFrame(rows)}
    return _persons(tables, link_persons(tables, links, DropCounter()), links, {"hospital-b": {"b1": "old"}})


def test_a_person_with_one_chart_and_no_token_is_called_by_chart() -> None:
    assert persons({A1: "1950-02-03"}, {}) == {"a1": Person("hospital-a|a1", (A1,))}


def test_linked_charts_are_one_person_under_the_token() -> None:
    """Whichever hospital's chart stays, both are where the person can be looked up."""
    found = persons({A1: "1950-02-03", B1: "1950-02-03"}, {A1: "t", B1: "t"})
    assert found == {"a1": Person("t", (A1, B1))}


@pytest.mark.parametrize("other", ["1950-02-04", "1961-01-01"])
def test_charts_that_share_a_token_and_contradict_each_other_are_two_people(other: str) -> None:
    """A number typed into the wrong chart: break-glass must not open the one for the other, nor the ledger
    count them as one."""
    found = persons({A1: "1950-02-03", A2: other}, {A1: "t", A2: "t"})
    assert found == {"a1": Person("hospital-a|a1", (A1,)), "a2": Person("hospital-a|a2", (A2,))}


def test_a_token_of_a_chart_that_is_not_in_the_study_store_links_nobody() -> None:
    """Its Patient was held back by quality: nothing could be compared, so the other stays alone."""
    found = persons({A1: "1950-02-03"}, {A1: "t", B1: "t"})
    assert found == {"a1": Person("hospital-a|a1", (A1,))}


def test_a_token_that_nobody_shares_is_the_persons_own() -> None:
    """So that the person keeps the ledger's name when a second hospital sends a chart later."""
    assert persons({A1: "1950-02-03"}, {A1: "t"}) == {"a1": Person("t", (A1,))}


def test_a_rotated_key_does_not_change_what_the_ledger_calls_a_person() -> None:
    """The place is where the chart is now; the ledger's name is the first that the person ever had."""
    assert persons({B1: "1950-02-03"}, {}) == {"b1": Person("hospital-b|old", (B1,))}
