"""Curves of competing events that are to leave: enough events of each kind between two printed days, or none."""

from __future__ import annotations

from typing import Any

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.places import at_risk_of
from tests.deidentify.disclosure.results import PURPOSE, held, row

ARM = {"group": "exposed", "n": 400, "row_set": "all.exposed"}


def series(kind: str, columns: tuple[str, ...], points: list[list[float]]) -> dict[str, Any]:
    return {"id": f"ci.{kind}.exposed", "analysis": "ci", "columns": list(columns), "points": points,
            "row_set": "all.exposed"}  # fmt: skip


def causes(*points: tuple[float, int, int, int]) -> dict[str, Any]:
    return series("causes", ("time_days", "at_risk", "events", "competing"), [list(one) for one in points])


def at(day: int, own: float, other: float, at_risk: int) -> list[dict[str, Any]]:
    return [
        row(f"ci.exposed.at_risk.day_{day}", "at_risk", at_risk, **ARM),
        row(f"ci.exposed.cumulative_incidence.day_{day}", "cumulative_incidence", own, **ARM),
        row(f"ci.exposed.competing_incidence.day_{day}", "competing_incidence", other, **ARM),
    ]


def found(results: dict[str, Any], support: dict[str, Any] | None = None) -> set[tuple[str, str]]:
    judged = check(results, "sponsor", PURPOSE, support=support)
    return {(one.rule, one.where) for one in judged.findings}


BEHIND = causes((90, 400, 30, 12), (180, 350, 20, 3), (270, 300, 25, 12))


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([(90, 300), (270, 250)], set()),
        ([(90, 300), (180, 280)], {("curve_step", "ci.exposed.competing_incidence.day_180")}),
    ],
)
def test_each_kind_is_counted_by_itself_between_two_planned_days(days, expected):
    """Three competing deaths between day 90 and 180, though twenty had the event itself."""
    shares = {90: (0.08, 0.03), 180: (0.13, 0.04), 270: (0.19, 0.07)}
    rows = [one for day, at_risk in days for one in at(day, *shares[day], at_risk)]
    told = held(rows, all_exposed=400)
    assert found(told, held(rows, [BEHIND], all_exposed=400)) == expected


def test_points_of_a_drawn_curve_are_asked_like_planned_days():
    columns = ("time_days", "cumulative_incidence", "ci_low", "ci_high",
               "competing_incidence", "competing_ci_low", "competing_ci_high")  # fmt: skip
    points = [[90.0, 0.08, 0.05, 0.1, 0.03, 0.02, 0.05], [180.0, 0.13, 0.1, 0.16, 0.04, 0.02, 0.06]]
    drawn = series("incidence", columns, points)
    support = held([], [drawn, BEHIND], all_exposed=400)
    assert found(held([], [drawn], all_exposed=400), support) == {("curve_step", "ci.incidence.exposed[1]")}


def test_without_the_steps_by_kind_a_person_looks():
    """The limits of an incidence are no Greenwood's: the events cannot be told from them."""
    rows = at(90, 0.08, 0.03, 300)
    rules = {rule for rule, _ in found(held(rows, all_exposed=400))}
    assert rules == {"curve_not_proven"}


def test_an_incidence_needs_the_number_at_risk_of_its_day():
    rows = [one for one in at(90, 0.08, 0.03, 300) if one["statistic"] != "at_risk"]
    rules = {rule for rule, _ in found(held(rows, all_exposed=400), held(rows, [BEHIND], all_exposed=400))}
    assert "support_unknown" in rules
    few = at(90, 0.08, 0.03, 7)
    where = {where for rule, where in found(held(few), held(few, [BEHIND])) if rule == "small_cell"}
    assert "ci.exposed.cumulative_incidence.day_90" in where


def test_the_steps_by_kind_never_leave():
    told = held([], [BEHIND], all_exposed=400)
    assert ("single_value", "ci.causes.exposed") in found(told)


@pytest.mark.parametrize(
    ("id", "beside"),
    [
        ("a.km.exposed.survival.day_30", "a.km.exposed.at_risk.day_30"),
        ("a.ci.exposed.competing_incidence.day_30", "a.ci.exposed.at_risk.day_30"),
        ("a.ci.exposed.hazard_ratio", "a.ci.exposed.hazard_ratio"),
        ("survival", "survival"),
    ],
)
def test_the_number_at_risk_beside_a_share(id, beside):
    assert at_risk_of(id) == beside
