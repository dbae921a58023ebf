"""Fitness for use: each status rests on figures, and what nobody counted is never met."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from quality.fitness import (
    Answer,
    Coverage,
    Evidence,
    FollowUp,
    Need,
    Provenance,
    Requirements,
    assess,
    with_answers,
)
from quality.fitness_items import CATALOGUE, DIMENSIONS, catalogue, parse_catalogue
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual

TITLE = Bilingual("手术", "Surgery")


def need(role: str, patients: int | None = 20, table: str = "procedure", **more: Any) -> Need:
    found = None if patients is None else Coverage(2 * patients, patients, min(patients, 3))
    return Need(role, TITLE, table, found, **more)


def rule(id: str, table: str = "procedure", category: str = "completeness") -> dict[str, Any]:
    return {"id": id, "table": table, "category": category, "zh": "中", "en": "en", "mostly": 0.99}


def result(
    id: str, outcome: str, failing: int = 0, table: str = "procedure", hospital: str | None = "a"
) -> dict[str, Any]:
    asked = 0 if outcome in ("not_applicable", "error") else 10
    return {"table": table, "rule": id, "organisation_id": hospital, "rows": 10, "applicable": asked,
            "failing": failing, "outcome": outcome}  # fmt: skip


def report(
    *results: dict[str, Any], rules: tuple[dict[str, Any], ...] = (), gate: str = "admit"
) -> dict[str, Any]:
    tables = sorted({one["table"] for one in results})
    return {
        "gate": {"tables": [{"table": table, "verdict": gate} for table in tables]},
        "checks": {"rules": list(rules), "results": list(results)},
    }  # fmt: skip


NEEDS = tuple(need(role) for role in ("population", "exposure", "outcome", "covariate"))
EVERY_RULE = tuple(
    rule(f"r.{one}", category=one) for one in ("completeness", "conformance", "plausibility", "timeliness")
)
WHOLE = Evidence(
    Requirements("study-1", "0" * 64, "2026-11-02T08:00:00.000000Z", NEEDS),
    report(*(result(one["id"], "pass") for one in EVERY_RULE), rules=EVERY_RULE),
    FollowUp(20, 20, 900.0),
    Provenance(
        hospitals=2, patients=25, uploads=2, uploads_with_terms=2, received=100, accepted=99, rejected=1, rows=100,
        traceable=100, privacy="enclave",
    ),
)  # fmt: skip
NOTHING = Evidence(Requirements("study-1", "0" * 64, "", ()), None, None, Provenance())


def statuses(evidence: Evidence) -> dict[str, str]:
    return {item["id"]: item["status"] for item in assess(evidence, catalogue()).as_dict()["items"]}


def figures(evidence: Evidence, id: str) -> list[tuple[Any, int | None]]:
    items = assess(evidence, catalogue()).as_dict()["items"]
    return [(one["value"], one["of"]) for item in items if item["id"] == id for one in item["figures"]]


def with_provenance(**changed: Any) -> Evidence:
    return replace(WHOLE, provenance=replace(WHOLE.provenance, **changed))


def test_with_everything_there_what_figures_decide_is_met_and_people_are_still_asked():
    """Nothing that a person has to judge is taken as answered."""
    found = statuses(WHOLE)
    asked = {item.id for item in catalogue().items if item.by}
    assert {id for id, status in found.items() if status == "not_known"} == asked
    assert {status for id, status in found.items() if id not in asked} == {"met"}


def test_of_nothing_nothing_is_known_and_nothing_met():
    """An empty platform: only that the protocol is not frozen is known."""
    found = statuses(NOTHING)
    assert found.pop("reliability.plan_fixed") == "not_met"
    assert set(found.values()) == {"not_known"}


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ((), "not_known"),
        ((need("exposure", 5),), "met"),
        ((need("exposure", 0),), "not_met"),
        ((need("exposure", 5), need("exposure", 0)), "partly"),
        ((need("exposure", None),), "not_known"),
        ((need("exposure", 5), need("exposure", None)), "not_known"),
        ((need("exposure", 0), need("exposure", None)), "not_met"),
        ((need("population", 5),), "not_known"),  # says nothing about the exposure
    ],
)
def test_coverage_is_by_patients_found(needs: tuple[Need, ...], expected: str):
    """One need that was not found is named; one that was not counted is no need that was met."""
    evidence = replace(WHOLE, requirements=replace(WHOLE.requirements, needs=needs))
    assert statuses(evidence)["relevance.exposure"] == expected


def test_sealed_outcomes_are_not_known_and_say_why():
    sealed = need("outcome", None, unknown=Bilingual("结局处于封存状态", "outcomes are sealed"))
    evidence = replace(WHOLE, requirements=replace(WHOLE.requirements, needs=(sealed,)))
    [item] = [
        one for one in assess(evidence, catalogue()).as_dict()["items"] if one["id"] == "relevance.outcome"
    ]
    assert (
        item["status"] == "not_known" and "sealed" in item["reason"]["en"] and "封存" in item["reason"]["zh"]
    )


def test_what_was_rounded_says_so():
    rounded = Need("exposure", TITLE, "procedure", Coverage(40, 20, 2, rounded_to=10))
    evidence = replace(WHOLE, requirements=replace(WHOLE.requirements, needs=(rounded,)))
    [item] = [
        one for one in assess(evidence, catalogue()).as_dict()["items"] if one["id"] == "relevance.exposure"
    ]
    assert "rounded up to 10s" in item["figures"][0]["en"] and "进位" in item["figures"][0]["zh"]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass", "pass"], "met"),
        (["pass", "pass_with_rows"], "met"),
        (["pass", "fail"], "partly"),
        (["fail", "fail"], "not_met"),
        (["not_applicable", "not_applicable"], "not_known"),
        (["error", "error"], "not_known"),
        (["pass", "not_applicable"], "met"),
        (["pass", "error"], "not_known"),
        (["fail", "error"], "not_met"),
        ([], "not_known"),
    ],
)
def test_rules_that_spoke_about_nothing_are_never_met(outcomes: list[str], expected: str):
    """A denominator of 0 and a rule that broke are silence, not a pass."""
    results = [result(f"r{n}", one, failing=2) for n, one in enumerate(outcomes)]
    rules = tuple(rule(f"r{n}") for n in range(len(outcomes)))
    evidence = replace(WHOLE, report=report(*results, rules=rules))
    assert statuses(evidence)["reliability.completeness"] == expected
    asked = sum(one in ("pass", "pass_with_rows", "fail") for one in outcomes)
    kept = asked - outcomes.count("fail")
    assert figures(evidence, "reliability.completeness")[0] == (kept, asked)


def test_a_table_in_use_that_was_not_checked_is_not_covered_by_another():
    """One table's pass says nothing about the table beside it."""
    needs = (*NEEDS, need("covariate", table="measurement"))
    evidence = replace(WHOLE, requirements=replace(WHOLE.requirements, needs=needs))
    found = statuses(evidence)
    assert (found["reliability.completeness"], found["reliability.gate"]) == ("not_known", "not_known")


def test_other_tables_and_all_hospitals_together_do_not_count():
    results = [
        result("r1", "pass"),
        result("r2", "fail", 5, table="visit"),
        result("r1", "fail", 5, hospital=None),
    ]
    evidence = replace(WHOLE, report=report(*results, rules=(rule("r1"), rule("r2", "visit"))))
    assert statuses(evidence)["reliability.completeness"] == "met"


def test_a_report_of_an_older_day_can_still_be_read():
    """It called the category `kahn`."""
    old = {**rule("r1"), "kahn": "completeness"}
    del old["category"]
    evidence = replace(WHOLE, report=report(result("r1", "fail", 3), rules=(old,)))
    assert statuses(evidence)["reliability.completeness"] == "not_met"


@pytest.mark.parametrize(
    ("gate", "expected"), [("admit", "met"), ("quarantine", "not_met"), ("not_applicable", "not_known")]
)
def test_the_gate_decides_about_the_tables_in_use(gate: str, expected: str):
    evidence = replace(WHOLE, report=report(result("r1", "pass"), rules=(rule("r1"),), gate=gate))
    assert statuses(evidence)["reliability.gate"] == expected


@pytest.mark.parametrize(
    ("with_contact", "expected"),
    [(100, "met"), (95, "met"), (94, "partly"), (80, "partly"), (79, "not_met"), (0, "not_met")],
)
def test_follow_up_is_by_the_share_with_a_last_contact(with_contact: int, expected: str):
    """The shares are the operator's choice, and the reason says them."""
    evidence = replace(WHOLE, follow_up=FollowUp(100, with_contact, 700.0))
    assert statuses(evidence)["relevance.follow_up"] == expected
    [item] = [
        one for one in assess(evidence, catalogue()).as_dict()["items"] if one["id"] == "relevance.follow_up"
    ]
    assert "95%" in item["reason"]["en"] and f"{with_contact}.00%" in item["reason"]["zh"]


def test_a_share_is_not_rounded_up_to_what_it_did_not_reach():
    evidence = replace(WHOLE, follow_up=FollowUp(100_000, 94_999, None))
    [item] = [
        one for one in assess(evidence, catalogue()).as_dict()["items"] if one["id"] == "relevance.follow_up"
    ]
    assert item["status"] == "partly" and "94.99%" in item["reason"]["en"]


def test_nobody_followed_is_not_everybody_followed():
    assert statuses(replace(WHOLE, follow_up=FollowUp(0, 0, None)))["relevance.follow_up"] == "not_known"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "met"),
        ({"received": 0, "accepted": 0, "rejected": 0}, "not_known"),
        ({"received": 101}, "not_met"),  # one is nowhere
        ({"accepted": 95, "rejected": 5}, "partly"),
        ({"accepted": 50, "quarantined": 49}, "not_met"),
        ({"accepted": 0, "duplicate": 99}, "met"),
    ],
)
def test_the_account_must_add_up(changed: dict[str, int], expected: str):
    assert statuses(with_provenance(**changed))["reliability.extraction"] == expected


@pytest.mark.parametrize(
    ("changed", "item", "expected"),
    [
        ({"uploads_with_terms": 1}, "reliability.legal_basis", "partly"),
        ({"uploads_with_terms": 0}, "reliability.legal_basis", "not_met"),
        ({"uploads": 0, "uploads_with_terms": 0}, "reliability.legal_basis", "not_known"),
        ({"traceable": 99}, "reliability.traceable", "partly"),
        ({"rows": None}, "reliability.traceable", "not_known"),
        ({"rows": 0, "traceable": 0}, "reliability.traceable", "not_known"),
        ({"privacy": "none"}, "reliability.privacy", "not_met"),
        ({"privacy": ""}, "reliability.privacy", "not_known"),
        ({"privacy": "something new"}, "reliability.privacy", "not_known"),
    ],
)
def test_provenance_is_counted(changed: dict[str, Any], item: str, expected: str):
    assert statuses(with_provenance(**changed))[item] == expected


@pytest.mark.parametrize(
    ("open_questions", "closed", "expected"),
    [((), (), "not_met"), (("r1",), (), "not_met"), (("r1", "r2"), (), "partly"), (("r1",), ("r2",), "partly"),
     ((), ("r1", "r2"), "met"), (("r1",), ("r1", "r2"), "partly")],
)  # fmt: skip
def test_every_failing_rule_is_put_to_the_hospital_and_settled(
    open_questions: tuple[str, ...], closed: tuple[str, ...], expected: str
):
    places = {"open_questions": frozenset((one, "a") for one in open_questions),
              "closed_questions": frozenset((one, "a") for one in closed)}  # fmt: skip
    results = [result("r1", "fail", 2), result("r2", "fail", 1), result("r3", "pass")]
    failing = report(*results, rules=tuple(rule(f"r{n}") for n in (1, 2, 3)))
    evidence = replace(with_provenance(**places), report=failing)
    assert statuses(evidence)["reliability.queries"] == expected


# -- people -------------------------------------------------------------------------------------------


def test_a_persons_judgement_stands_under_their_name_and_the_newest_counts():
    stored = assess(WHOLE, catalogue()).as_dict()
    old = Answer("relevance.sample_size", "met", "先前的判断", "user-1", "2026-01-01T00:00:00Z")
    new = Answer("relevance.sample_size", "not_met", "把握度不足", "user-2", "2026-02-01T00:00:00Z")
    judged = with_answers(stored, [new, old])
    [item] = [one for one in judged["items"] if one["id"] == "relevance.sample_size"]
    assert (item["status"], item["answer"]["answered_by"]) == ("not_met", "user-2")
    assert judged["counts"]["relevance"]["not_met"] == 1 == stored["counts"]["relevance"]["not_met"] + 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer("relevance.exposure", "not_met", "x", "u", "t"),  # figures decide it
        Answer("no.such.item", "met", "x", "u", "t"),
        Answer("relevance.sample_size", "not_known", "x", "u", "t"),
        Answer("relevance.sample_size", "<b>", "x", "u", "t"),
    ],
)
def test_nobody_overrules_a_figure_or_makes_up_a_status(answer: Answer):
    stored = assess(WHOLE, catalogue()).as_dict()
    assert with_answers(stored, [answer]) == stored


def test_the_counts_are_of_every_item_and_there_is_no_total():
    """A single score would hide that the one thing a study needs is not there."""
    document = assess(WHOLE, catalogue()).as_dict()
    assert sum(sum(one.values()) for one in document["counts"].values()) == len(catalogue().items)
    assert set(document["counts"]) == set(DIMENSIONS) and "score" not in json.dumps(document)


# -- the catalogue ------------------------------------------------------------------------------------


def test_every_item_names_its_guideline_in_both_languages():
    """And both dimensions of NMPA and all three of DataSAT are asked about."""
    items = catalogue().items
    assert {item.dimension for item in items} == {"relevance", "reliability"}
    assert {item.datasat for item in items} == {"provenance", "quality", "relevance"}
    for item in items:
        assert item.sources and item.text.zh and item.text.en.isascii(), item.id
        assert all(source.zh and source.en for source in item.sources), item.id
        assert (item.measure == "person") == (item.by is not None), item.id


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("format_version = 1", "format_version = 9"), "top"),
        (('measure = "gate"', 'measure = "luck"'), "reliability.gate"),
        (('roles = ["exposure"]', 'roles = ["lottery"]'), "relevance.exposure"),
        (('sources = [["cde2021", "4.7"]]', 'sources = [["rumour", ""]]'), "reliability.gate"),
        (('id = "relevance.exposure"', 'id = "relevance.population"'), "items"),
        (("share_partly = 0.80", "share_partly = 0.99"), "relevance.follow_up"),
        (("share_partly = 0.80", ""), "relevance.follow_up"),
        (("format_version = 1", "format_version = ["), "TOML"),
    ],
)
def test_a_catalogue_with_a_mistake_names_the_item(change: tuple[str, str], place: str):
    text = CATALOGUE.read_text(encoding="utf-8").replace(*change, 1)
    with pytest.raises(PlatformError, match=r"quality\.fitness_malformed") as caught:
        parse_catalogue(text)
    assert f"at {place}:" in caught.value.en


def test_the_assessment_is_the_same_bytes_for_the_same_evidence_and_plain_json():
    first, second = (json.dumps(assess(WHOLE, catalogue()).as_dict(), sort_keys=True) for _ in range(2))
    assert first == second and "NaN" not in first
