"""Counts of a linkage run add up, whatever came in."""

from __future__ import annotations

import random
import time

import pandas as pd
import pytest

from studies.linkage.account import account, role_names
from studies.linkage.charts import (
    ALONE,
    COLUMNS,
    DISAGREE,
    LINKED,
    NO_BIRTH_DATE,
    NO_NUMBER,
    NO_ROW,
    ROLES,
    ROW_MISSING,
    STATES,
    charts_of,
)
from tests.studies.linkage.population import population


def places(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


SMALL = places(
    ("h1", "a", "care", "1950-02-03", "female", 1, "t1"),
    ("pay", "a'", "payment", "1950", "unknown", 1, "t1"),
    ("feed", "a''", "product", "1950-02-03", "female", 1, "t1"),
    ("h1", "b", "care", "1960-01-01", "male", 1, "t2"),
    ("pay", "b'", "payment", "1961-01-01", "female", 1, "t2"),
    ("h1", "c", "care", "1970-01-01", "male", 1, ""),
    ("h1", "d", "care", "", "male", 1, "t3"),
    ("pay", "d'", "payment", "1970-01-01", "male", 1, "t3"),
    ("h1", "e", "care", "", "", 0, "t4"),
    ("h1", "f", "care", "1970-01-01", "male", 1, "t4"),
    ("pay", "g", "payment", "1970-01-01", "male", 1, "t5"),
    ("pay", "h", "payment", "", "", 0, ""),
)


def test_every_chart_is_counted_once_under_what_became_of_it() -> None:
    found = account(charts_of(SMALL, {"t1"}))
    of = {one.organisation_id: {state: n for state, n in one.states.items() if n} for one in found.sources}
    assert of == {
        "feed": {LINKED: 1},
        "h1": {LINKED: 1, NO_NUMBER: 1, DISAGREE: 1, ROW_MISSING: 2, NO_BIRTH_DATE: 1},
        "pay": {LINKED: 1, ALONE: 1, NO_ROW: 1, DISAGREE: 1, NO_BIRTH_DATE: 1},
    }
    assert (found.charts, found.persons) == (12, 10)
    assert found.persons_by_roles["care+payment+product"] == 1
    assert {name: n for name, n in found.conflicts.items() if n} == {"both": 1}
    pairs = {(one.first, one.second): (one.linked, one.disagree, one.undecided) for one in found.pairs}
    assert pairs[("h1", "pay")] == (1, 1, 1) and pairs[("feed", "h1")] == (1, 0, 0)
    assert pairs[("h1", "h1")] == (0, 0, 1), "two charts of one hospital, one without its Patient"
    assert pairs[("feed", "feed")] == (0, 0, 0)


def test_counts_add_up_for_any_charts() -> None:
    """Charts of states = charts of the source; charts - what was brought together = persons = persons by roles."""
    organisations = {"h1": "care", "h2": "care", "pay": "payment", "feed": "product"}
    for seed in range(25):
        chance = random.Random(seed)
        rows = []
        for number in range(chance.randrange(60)):
            organisation = chance.choice(list(organisations))
            token = chance.choice(["", *(f"t{one}" for one in range(15))])
            born = chance.choice(["", "1950", "1950-02", "1950-02-03", "1951-01-01"])
            sex = chance.choice(["", "unknown", "male", "female"])
            rows.append((organisation, str(number), organisations[organisation], born, sex,
                         chance.choice([0, 1, 1, 1, 2]), token))  # fmt: skip
        linked = {f"t{one}" for one in range(15) if chance.random() < 0.4}
        charts = charts_of(places(*rows), linked)
        found = account(charts)
        assert all(sum(one.states.values()) == one.charts for one in found.sources)
        assert all(set(one.states) == set(STATES) for one in found.sources)
        assert sum(one.charts for one in found.sources) == found.charts == len(rows)
        in_links = sum(one.states[LINKED] for one in found.sources)
        tokens = set(charts.frame["token"][charts.frame["state"] == LINKED])
        assert found.persons == found.charts - in_links + len(tokens)
        assert sum(found.persons_by_roles.values()) == found.persons
        apart = charts.frame[charts.frame["state"] == DISAGREE]["token"].nunique()
        assert sum(found.conflicts.values()) == apart


def test_nothing_at_all_is_an_account_of_zeros() -> None:
    found = account(charts_of(places(), set()))
    assert (found.sources, found.charts, found.persons, found.pairs) == ((), 0, 0, ())
    assert found.persons_by_roles == dict.fromkeys(role_names(), 0)
    assert role_names()[:3] == ROLES and len(role_names()) == 7


def test_hostile_values_are_text_like_any_other() -> None:
    """Dates that are none, a token of an SQL sentence, an organisation with a bar in its name."""
    rows = places(
        ("a|b", "c", "care", "'; drop table x", "<b>", 1, "' or 1=1"),
        ("a", "b|c", "care", "19", "\u0000", 1, "' or 1=1"),
        ("乐城", "患者", "payment", "１９５０", "female", 1, ""),
    )
    found = account(charts_of(rows, set()))
    assert found.charts == found.persons == 3
    with pytest.raises(ValueError, match="two rows"):
        charts_of(places(*[("h", "p", "care", "", "", 1, "")] * 2), set())


def test_one_token_in_every_chart_is_counted_in_time_that_grows_with_the_charts() -> None:
    """A number typed as a placeholder into 20 000 charts: one token set apart, not 200 million comparisons."""
    rows = population(1, 10_000, mixed_up=0.0).places.assign(token="t")
    began = time.process_time()
    found = account(charts_of(rows, set()))
    assert time.process_time() - began < 5
    assert found.conflicts["both"] == 1 and found.persons == 20_000
