"""People who ask and answer, and quality runs as the check writes them, for the tests of questions."""

from __future__ import annotations

from typing import Any

from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation, QualityRun, User

CLERK = Actor("clerk-a", "hospital", "org-hospital-a")
CLERK_B = Actor("clerk-b", "hospital", "org-hospital-b")
ASKER = Actor("researcher", "researcher", "org-operator")
SECOND = Actor("researcher-2", "researcher", "org-operator")
INSPECTOR = Actor("inspector", "regulator", "org-authority")
OPERATOR = Actor("keeper", "operator", "org-operator")
PRIVACY = Actor("officer", "privacy", "org-operator")
EVERYBODY = {
    CLERK: "林晚晴", CLERK_B: "白露", ASKER: "周明远", SECOND: "秦望舒", INSPECTOR: "沈若水", OPERATOR: "何以安",
    PRIVACY: "顾清和",
}  # fmt: skip
RULE = "visit.end_not_before_start"
HOSPITAL = "org-hospital-a"
RULES = {
    RULE: ("visit", "plausibility", "就诊在开始之前就已结束。", "The visit ends before it begins."),
    "visit.start_present": ("visit", "completeness", "就诊没有开始日期。", "The visit has no start date."),
    "patient.once": (
        "patient",
        "conformance",
        "同一患者有两条基本信息。",
        "A patient has two basic records.",
    ),
}


def settle(platform: Platform, organisations: bool = False) -> None:
    """An account for each of EVERYBODY; and the organisations, where a deployment does not have them yet."""
    setter = platform.operator()
    if organisations:
        for id in sorted({actor.organisation for actor in EVERYBODY}):
            row = Organisation(id=id, kind="hospital", name_zh=id, name_en=id)
            platform.records.write(
                row, audit=Act(setter, "organisation.registered", Object("organisation", id))
            )
    for actor, name in EVERYBODY.items():
        user = User(
            id=actor.id, organisation_id=actor.organisation, login=actor.id, role=actor.role, name=name,
            password_hash="", created_at="",
        )  # fmt: skip
        platform.records.write(user, audit=Act(setter, "user.registered", Object("user", user.id)))


def result(rule: str, hospital: str, outcome: str, failing: int, applicable: int = 40) -> dict[str, Any]:
    return {
        "table": RULES[rule][0], "rule": rule, "organisation_id": hospital, "rows": 50,
        "applicable": applicable, "failing": failing, "outcome": outcome,
    }  # fmt: skip


def report(*results: dict[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    rules = [
        {"id": id, "table": table, "kahn": kahn, "context": "verification", "mostly": 0.99, "row_action": "keep",
         "zh": zh, "en": en}
        for id, (table, kahn, zh, en) in RULES.items()
        if id not in without
    ]  # fmt: skip
    return {
        "lake_versions": {}, "gate": {"verdict": "admit", "tables": [], "hospitals": []},
        "scorecard": {"hospitals": []}, "held_back": {},
        "checks": {"suites": [], "rules": rules, "results": list(results)},
    }  # fmt: skip


def checked(
    platform: Platform, id: str, *results: dict[str, Any], without: tuple[str, ...] = ()
) -> QualityRun:
    """A quality run as it would have been written now."""
    run = QualityRun(
        id=id, organisation_id="org-operator", made_at=as_text(platform.clock()), verdict="admit",
        report=report(*results, without=without),
    )  # fmt: skip
    platform.records.write(run, audit=Act(ASKER, "quality.checked", Object("quality", id)))
    return run
