"""Linked against unlinked: counts of each level and their standardised differences; small counts withheld."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from studies.balance import standardised_difference
from studies.linkage.charts import charts_of
from studies.linkage.comparison import PARTITIONS, Comparison, Level, compare, difference
from studies.linkage.run import report_of, role_of
from studies.linkage.shown import Protection, shown
from tests.studies.linkage.population import Population, population

NONE_RECEIVED = pd.DataFrame(columns=["organisation_id", "patient_id", "product"], dtype=object)


def contacts(found: Population, day: str = "2024-03-01") -> pd.DataFrame:
    return found.places[["organisation_id", "patient_id"]].assign(first_date=day)


def level(found: Comparison, name: str, value: str) -> Level:
    return next(one for one in found.levels if (one.characteristic, one.value) == (name, value))


def test_the_difference_of_counts_is_that_of_the_persons_themselves() -> None:
    """studies.balance on variables of 0 and 1."""
    x = np.array([1.0] * 7 + [0.0] * 13 + [1.0] * 9 + [0.0] * 6)
    linked = np.array([True] * 20 + [False] * 15)
    assert difference(7, 20, 9, 15) == pytest.approx(standardised_difference(x, linked))
    assert (
        difference(20, 20, 0, 15) is None
        and difference(1, 1, 3, 15) is None
        and difference(0, 0, 0, 0) is None
    )


def test_who_has_no_number_is_seen_to_differ() -> None:
    """Men of a hospital whose number was not recorded: all unlinked, and the table says that it is men."""
    truth = population(3, 400, mixed_up=0.0)
    rows = truth.places.copy()
    rows.loc[(rows["role"] == "care") & (rows["gender"] == "male") & (rows.index % 4 == 0), "token"] = ""
    linked = truth.linked & set(rows["token"][rows["role"] == "care"])
    received = (
        rows[rows["role"] == "care"].iloc[:50][["organisation_id", "patient_id"]].assign(product="udi|1")
    )
    by_care, by_payment = compare(charts_of(rows, linked), contacts(truth), received)
    assert (by_care.base, by_care.to) == ("care", ("payment",)) and by_payment.base == "payment"
    assert by_care.linked == len(linked) and by_care.linked + by_care.unlinked == 400
    men = level(by_care, "sex", "male")
    assert men.unlinked == by_care.unlinked and men.difference is not None and men.difference < -0.5
    for name in PARTITIONS:
        of_name = [one for one in by_care.levels if one.characteristic == name]
        assert sum(one.linked for one in of_name) == by_care.linked
        assert sum(one.unlinked for one in of_name) == by_care.unlinked
    product = level(by_care, "product", "udi|1")
    assert product.linked + product.unlinked == 50
    assert level(by_care, "year", "2024").linked == by_care.linked


def test_age_is_in_completed_years_at_the_first_contact() -> None:
    columns = ["organisation_id", "patient_id", "role", "birth_date", "gender", "patient_rows", "token"]
    rows = pd.DataFrame(
        [("h", "a", "care", "1964-03-02", "", 1, ""), ("h", "b", "care", "1964-03-01", "", 1, ""),
         ("h", "c", "care", "1964", "", 1, ""), ("h", "d", "care", "2030-01-01", "", 1, ""),
         ("h", "e", "care", "", "", 1, ""), ("pay", "f", "payment", "1950", "", 1, "")],
        columns=columns,
    )  # fmt: skip
    seen = rows[rows["patient_id"] != "f"][["organisation_id", "patient_id"]].assign(first_date="2024-03-01")
    by_care, by_payment = compare(charts_of(rows, set()), seen, NONE_RECEIVED)
    ages = {one.value: one.unlinked for one in by_care.levels if one.characteristic == "age"}
    assert ages == {"before": 1, "45-59": 1, "60-74": 2, "missing": 1}
    assert level(by_payment, "age", "missing").unlinked == 1, "never seen: no age"


def test_one_source_alone_is_compared_with_nobody() -> None:
    truth = population(1, 30, mixed_up=0.0)
    rows = truth.places[truth.places["role"] == "care"]
    report = report_of(rows, set(), contacts(truth), NONE_RECEIVED, 0)
    assert report.comparisons == () and report.errors == ()
    nothing = report_of(rows.iloc[:0], set(), contacts(truth).iloc[:0], NONE_RECEIVED, 0)
    assert nothing.account.charts == 0 and json.loads(json.dumps(nothing.as_dict()))


def test_what_is_shown_holds_no_small_count() -> None:
    """Below 20 nothing is told, others are multiples of 5, and a share is that of the numbers shown."""
    truth = population(5, 300, mixed_up=0.05, wrong_date=0.02, without_number=0.04)
    report = report_of(truth.places, truth.linked, contacts(truth), NONE_RECEIVED, 3)
    exact = json.loads(json.dumps(report.as_dict()))
    found = shown(exact, 20, 5)

    def numbers(part: object) -> list[int]:
        if isinstance(part, dict):
            return [
                n for name, one in part.items() if name != "minimum" and name != "base" for n in numbers(one)
            ]
        if isinstance(part, list | tuple):
            return [n for one in part for n in numbers(one)]
        return [part] if isinstance(part, int) else []

    told = [
        n
        for name, part in found.items()
        if name not in ("minimum", "base", "format_version")
        for n in numbers(part)
    ]
    assert told and all(n == 0 or (n >= 20 and n % 5 == 0) for n in told)
    assert found["withdrawn"] is None
    (error,) = found["errors"]
    counts = exact["errors"][0]["counts"]
    assert 0 < counts["both"] < 20 and error["counts"]["both"] is None
    assert error["false_pairs"]["estimate"] is None and error["false_pairs"]["low"] == 0.0
    # Bounds of what is withheld, with a chance that is not rounded away.
    for name in ("false_pairs", "links_at_most"):
        assert error[name]["high"] >= exact["errors"][0][name]["high"] > 0


def test_a_single_withheld_part_takes_another_with_it() -> None:
    """Or the whole less the others would tell it."""
    policy = Protection(20, 5)
    assert policy.parts({"a": 101, "b": 33, "c": 7, "d": 0}) == {"a": 100, "b": None, "c": None, "d": 0}
    assert policy.parts({"a": 7, "b": 0}) == {"a": None, "b": 0}
    assert policy.parts({"a": 101, "b": 8, "c": 7}) == {"a": 100, "b": None, "c": None}
    assert Protection(10, 0).one(23) == 23


def test_what_an_organisation_sends_says_what_it_is_a_source_of() -> None:
    assert role_of({"patient": 3, "cost_line": 9}) == "payment"
    assert role_of({"patient": 3, "product_use": 9, "device": 2}) == "product"
    assert role_of({"patient": 3, "cost_line": 9, "visit": 1}) == "care"
    assert role_of({"patient": 3}) == role_of({}) == "care"
