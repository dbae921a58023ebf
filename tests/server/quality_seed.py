"""Quality runs in the report's own shape and questions about them, for the pages."""

from __future__ import annotations

from typing import Any

from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act
from rwd_platform.log.entry import Object as Thing
from rwd_platform.records.tables import Organisation, QualityRun
from tests.server.seed import SEED

TABLES = ("patient", "visit", "measurement")
RULES = (
    ("present", "completeness", "没有开始日期，无法确定何时发生。", "There is no start date: nobody knows when."),
    ("order", "plausibility", "就诊在开始之前就已结束。", "The visit ends before it begins."),
    ("code", "conformance", "代码不在约定的清单中。", "The code is not on the agreed list."),
)  # fmt: skip
FAILING = "visit.order"


def rules(more: int = 0) -> list[dict[str, Any]]:
    found = [
        {"id": f"{table}.{name}", "table": table, "kahn": kahn, "context": "verification", "severity": "critical",
         "unit": "rows", "mostly": 0.99, "row_action": "keep", "zh": zh, "en": en}
        for table in TABLES
        for name, kahn, zh, en in RULES
    ]  # fmt: skip
    return found + [{**found[0], "id": f"visit.more_{number}", "table": "visit"} for number in range(more)]


def result(rule: str, hospital: str, status: str, failing: int, applicable: int) -> dict[str, Any]:
    return {
        "table": rule.partition(".")[0], "rule": rule, "organisation_id": hospital, "rows": 120,
        "applicable": applicable, "failing": failing, "status": status,
        "outcome": "pass" if status == "pass_with_rows" else status,
    }  # fmt: skip


def results(hospital: str, failing: int = 9) -> list[dict[str, Any]]:
    """A hospital with one rule of each status; its measurements were never sent."""
    return [
        result("patient.present", hospital, "pass", 0, 100),
        result("patient.order", hospital, "not_applicable", 0, 0),
        result("patient.code", hospital, "error", 0, 0),
        result("visit.present", hospital, "pass_with_rows", 1, 120),
        result("visit.order", hospital, "fail" if failing else "pass", failing, 120),
        result("visit.code", hospital, "pass", 0, 120),
    ]


def _score(category: str, zh: str, en: str, passed: int, asked: int) -> dict[str, Any]:
    share = f"{100 * passed / asked:.2f}%" if asked else "不适用"
    return {
        "category": category, "label": {"zh": zh, "en": en}, "numerator": passed, "denominator": asked,
        "share": passed / asked if asked else None, "text": {"zh": share, "en": share if asked else "not applicable"},
        "rules_kept": 2, "rules_asked": 3,
    }  # fmt: skip


def seed_run(platform: Platform, id: str, found: list[dict[str, Any]], *, more_rules: int = 0) -> QualityRun:
    hospitals = sorted({one["organisation_id"] for one in found})
    scores = [
        _score("completeness", "完整性", "Completeness", 219, 220),
        _score("plausibility", "合理性", "Plausibility", 111, 120),
        _score("conformance", "符合性", "Conformance", 0, 0),
        _score("all", "全部", "All categories", 330, 340),
    ]
    cards = [{"organisation_id": hospital, "scores": scores} for hospital in (None, *hospitals)]
    gate = [{"table": table, "organisation_id": None, "verdict": "admit", "reasons": []} for table in TABLES]
    run = QualityRun(
        id=id, organisation_id="org-operator", made_at=as_text(platform.clock()), verdict="admit",
        report={
            "lake_versions": {}, "gate": {"verdict": "admit", "tables": gate, "hospitals": []},
            "scorecard": {"hospitals": cards}, "held_back": {},
            "checks": {"suites": [], "rules": rules(more_rules), "results": found},
        },
    )  # fmt: skip
    platform.records.write(run, audit=Act(SEED, "seed.written", Thing("quality", id)))
    return run


def seed_hospitals(platform: Platform, count: int) -> list[str]:
    ids = [f"many-{number:03}" for number in range(count)]
    for id in ids:
        row = Organisation(id=id, kind="hospital", name_zh=f"医院 {id}", name_en=f"Hospital {id}")
        platform.records.write(row, audit=Act(SEED, "seed.written", Thing("organisation", id)))
    return ids
