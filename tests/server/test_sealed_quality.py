"""Quality tells no number of outcomes but to those who sent them and the privacy officer; verdicts stay."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import QualityRun
from tests.server import seed

COUNTS = {"rows": 40, "applicable": 40, "failing": 12}


def of_table(table: str) -> dict[str, Any]:
    return {
        "table": table,
        "rule": f"{table}.dated",
        "organisation_id": "hospital-a",
        "status": "fail",
        **COUNTS,
    }


@pytest.fixture
def checked(platform: Platform) -> Platform:
    """A run with one rule of an outcome table and one of another."""
    tables = ("outcome_event", "visit")
    report = {
        "gate": {"verdict": "admit", "tables": [], "hospitals": []},
        "scorecard": {"hospitals": []},
        "checks": {"results": [of_table(name) for name in tables]},
        "uploads": {
            "counts": [{"table": name, "rows": 40, "rules": {}} for name in tables],
            "distributions": [{"rule": f"{name}.drift", "counts": {"a": 12}} for name in tables],
        },
    }
    run = QualityRun(
        id="quality-9", organisation_id="org-operator", made_at=as_text(platform.clock()), verdict="admit",
        report=report,
    )  # fmt: skip
    seed._write(platform, run)
    return platform


def told(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/quality").json()[0]["report"]
    return found


@pytest.mark.parametrize("role", ["researcher", "regulator"])
def test_counts_of_outcomes_are_kept_from_whoever_sees_all_hospitals(
    checked: Platform, as_user: Any, role: str
):
    report = told(as_user(role))
    outcome, visit = report["checks"]["results"]
    assert {outcome[name] for name in COUNTS} == {None} and outcome["status"] == "fail"
    assert {name: visit[name] for name in COUNTS} == COUNTS
    assert [one["table"] for one in report["uploads"]["counts"]] == ["visit"]
    assert [one["rule"] for one in report["uploads"]["distributions"]] == ["visit.drift"]


def test_the_privacy_officer_sees_them(checked: Platform, as_user: Any):
    assert told(as_user("privacy"))["checks"]["results"][0]["applicable"] == 40
