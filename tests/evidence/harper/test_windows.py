"""The windows that the diagram draws are the protocol's, day by day."""

from __future__ import annotations

import dataclasses

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.harper.windows import ends, planned_days, spans
from studies.protocol import Protocol, load_protocol
from tests.evidence.fixtures import PROTOCOL
from tests.studies.rotterdam_lock import rotterdam_protocol


def valve() -> Protocol:
    return load_protocol(PROTOCOL.with_name("valve.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("protocol", [rotterdam_protocol(), valve()], ids=["rotterdam", "valve"])
def test_every_covariate_stands_in_the_bar_of_its_own_days(protocol: Protocol) -> None:
    bars = [one for one in spans(protocol) if one.kind == "covariates"]
    for covariate in protocol.covariates:
        days = (0, 0) if covariate.kind == "subject" else covariate.days
        (bar,) = (one for one in bars if (one.first, one.last) == days)
        assert covariate.title.zh in bar.label.zh.split("、") and covariate.title.en in bar.label.en.split(
            "; "
        )


@pytest.mark.parametrize("protocol", [rotterdam_protocol(), valve()], ids=["rotterdam", "valve"])
def test_exposure_is_judged_in_its_grace_days_and_follow_up_begins_at_time_zero(protocol: Protocol) -> None:
    by_kind = {one.kind: one for one in spans(protocol)}
    exposure, follow_up = by_kind["exposure"], by_kind["follow_up"]
    assert (exposure.first, exposure.last) == protocol.exposure.grace_days
    assert follow_up.first == 0 and spans(protocol)[-1] == follow_up


def test_a_washout_ends_the_day_before_time_zero_and_none_is_drawn_where_none_is_asked() -> None:
    protocol = rotterdam_protocol()
    exposure = dataclasses.replace(protocol.exposure, washout_days=180)
    (bar,) = (one for one in spans(dataclasses.replace(protocol, exposure=exposure)) if one.kind == "washout")
    assert (bar.first, bar.last) == (-180, -1)
    without = dataclasses.replace(protocol, exposure=dataclasses.replace(exposure, washout_days=None))
    assert not [one for one in spans(without) if one.kind == "washout"]


@pytest.mark.parametrize("protocol", [rotterdam_protocol(), valve()], ids=["rotterdam", "valve"])
def test_every_row_of_the_decision_table_is_a_way_to_end_and_says_which(protocol: Protocol) -> None:
    outcome = protocol.outcome
    said = {(one.label, one.kind) for one in ends(protocol)}
    assert {label for label, _ in said} == {rule.reason for rule in outcome.rules}
    for rule in outcome.rules:
        expected = {(True, False): "event", (True, True): "both", (False, True): "competing"}.get(
            (rule.event, outcome.competes(rule)), "censored"
        )
        assert (rule.reason, expected) in said


def test_a_way_to_end_that_two_rules_share_stands_once() -> None:
    protocol = rotterdam_protocol()
    rules = protocol.outcome.rules
    twice = dataclasses.replace(protocol.outcome, rules=(*rules, rules[0]))
    assert ends(dataclasses.replace(protocol, outcome=twice)) == ends(protocol)


@pytest.mark.parametrize("protocol", [rotterdam_protocol(), valve()], ids=["rotterdam", "valve"])
def test_planned_days_are_those_of_the_analyses_after_time_zero_in_order(protocol: Protocol) -> None:
    days = planned_days(protocol)
    assert days and list(days) == sorted(set(days)) and min(days) > 0
    for plan in protocol.analyses:
        assert set(plan.days) - {0} <= set(days)
        assert plan.horizon is None or plan.horizon.day in days


def test_names_of_covariates_are_joined_as_each_language_joins_them() -> None:
    protocol = rotterdam_protocol()
    first = dataclasses.replace(protocol.covariates[0], kind="record", days=(-9, 0))
    two = tuple(dataclasses.replace(first, name=f"c{n}", title=Bilingual(f"甲{n}", f"A{n}")) for n in (1, 2))
    (bar,) = (one for one in spans(dataclasses.replace(protocol, covariates=two)) if one.kind == "covariates")
    assert bar.label == Bilingual("甲1、甲2", "A1; A2") and (bar.first, bar.last) == (-9, 0)
