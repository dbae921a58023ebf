"""Before results are unsealed: which diagnostics every population with a sealed estimate needs."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest

from studies.before_unsealing import missing_diagnostics, unplanned_diagnostics
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.results import ResultSet
from studies.run import run_analyses
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.valve import protocol, valve_dataset

KEPT = (
    "all.criterion", "all.balance", "all.overlap", "all.follow_up", "all.kaplan_meier", "all.log_rank", "all.crude",
    "all.adjusted", "all.weighted", "all.rmst",
)  # fmt: skip


def plans(*, without: str = "", **changes: PlannedAnalysis) -> Protocol:
    """The second demonstration's, without those of a method, some of them changed (`balance=...`)."""
    of = protocol()
    kept = [of.analysis(id) for id in KEPT if of.analysis(id).method != without]
    kept = [changes.get(one.id.partition(".")[2], one) for one in kept]
    old = dataclasses.replace(of.populations[0], id="old")
    return dataclasses.replace(of, analyses=tuple(kept), populations=(*of.populations, old))


@cache
def results() -> ResultSet:
    return run_analyses(valve_dataset(), plans(), "lock-1")


def missing(of: Protocol, whole: ResultSet | None = None) -> list[tuple[str, str, bool]]:
    found = missing_diagnostics(whole or results(), of)
    return [(one.population, one.what, one.planned) for one in found]


def test_the_demonstrations_plan_all_that_their_estimates_need():
    assert missing(plans()) == []
    of = rotterdam_protocol()
    every = {one.id: "why / why" for one in of.analyses}
    assert missing(of, ResultSet("s", "0", "l", (), not_done=every)) == []


@pytest.mark.parametrize(
    ("without", "what", "by"),
    [
        (
            "balance",
            "balance",
            "all.kaplan_meier, all.log_rank, all.crude, all.adjusted, all.weighted, all.rmst",
        ),
        ("overlap", "overlap", "all.adjusted, all.weighted"),
        ("follow_up", "follow_up", "all.criterion"),
    ],
)
def test_a_plan_without_a_diagnostic_is_told_whose_it_lacks(without: str, what: str, by: str):
    (found,) = missing_diagnostics(results(), plans(without=without))
    assert (found.population, found.what, found.planned) == ("all", what, False)
    assert ", ".join(found.analyses) == by and by in found.text.en and "方案没有为其计划" in found.text.zh


def test_diagnostics_of_another_population_stand_for_nobody():
    of = protocol()
    moved = {
        name: dataclasses.replace(of.analysis(f"all.{name}"), population="old")
        for name in ("balance", "overlap")
    }
    assert {one[1] for one in missing(plans(**moved))} == {"balance", "overlap"}


def test_a_balance_of_other_weights_or_covariates_does_not_stand_for_a_weighted_estimate():
    balance = protocol().analysis("all.balance")
    for changed in (
        dataclasses.replace(balance, weights="overlap"),
        dataclasses.replace(balance, covariates=balance.covariates[:2]),
    ):
        (found, *more) = missing_diagnostics(results(), plans(balance=changed))
        assert "all.weighted" in found.analyses and found.what == "balance" and not more


def without_rows(*prefixes: str) -> ResultSet:
    kept = tuple(row for row in results().rows if not row.id.startswith(prefixes))
    return dataclasses.replace(results(), rows=kept)


def test_what_was_planned_and_is_not_in_the_run_is_missing():
    assert missing(plans(), without_rows("all.overlap.")) == [("all", "overlap", True)]
    assert missing(plans(), without_rows("all.follow_up.")) == [("all", "follow_up", True)]


def test_a_planned_test_of_hazards_has_to_be_there_or_have_its_reason():
    whole = without_rows("all.adjusted.ph.")
    assert missing(plans(), whole) == [("all", "ph", True)]
    for id in ("all.adjusted.ph", "all.adjusted"):
        assert missing(plans(), dataclasses.replace(whole, not_done={id: "why / why"})) == []


def test_a_reason_stands_for_a_diagnostic_that_could_not_be_computed():
    whole = without_rows("all.overlap.")
    assert missing(plans(), dataclasses.replace(whole, not_done={"all.overlap": "why / why"})) == []


def test_before_the_freeze_only_what_is_not_planned_is_told():
    assert unplanned_diagnostics(protocol()) == () == unplanned_diagnostics(rotterdam_protocol())
    (found,) = unplanned_diagnostics(plans(without="overlap"))
    assert found.what == "overlap" and not found.planned


def test_a_plan_without_estimates_needs_nothing():
    of = dataclasses.replace(protocol(), analyses=(protocol().analysis("all.follow_up"),))
    assert missing(of, ResultSet("s", "0", "l", ())) == []
