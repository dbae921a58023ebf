"""Remote inspections: granted by a privacy officer on an order, for one study and some days, and ended."""

from __future__ import annotations

import pytest

from rwd_platform.access.projects import running_inspection
from rwd_platform.core.clock import as_text
from rwd_platform.flows import inspections
from rwd_platform.flows.inspections import Asked
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Study, User
from tests.conftest import StandingClock
from tests.flows.test_people import WHY, code, entries

OFFICER = Actor("user-pia", "privacy", "org-operator")
INSPECTOR = Actor("user-ida", "inspector", "org-authority")
GOOD = Asked("user-ida", "p1", "2026-11-02", "2026-11-30", "药监核查〔2026〕12号", WHY)


@pytest.fixture
def two(platform: Platform) -> Platform:
    """Two studies and an inspector."""
    at = as_text(platform.clock())
    for who, login in ((INSPECTOR, "ida"), (Actor("user-rea", "regulator", "org-authority"), "rea")):
        row = User(
            id=who.id, organisation_id=who.organisation, login=login, role=who.role, name=login, password_hash="",
            created_at=at,
        )  # fmt: skip
        platform.records.write(row, audit=Act(OFFICER, "user.registered", Object("user_account", who.id)))
    for project in ("p1", "p2"):
        row = Study(
            id=f"study-{project}", organisation_id="org-operator", project_id=project, title_zh="题", title_en="t",
            protocol="x", protocol_sha256="00", state="registered", registered_at=at,
        )  # fmt: skip
        platform.records.write(row, audit=Act(OFFICER, "study.registered", Object("study", row.id)))
    return platform


def asked(**changed: str) -> Asked:
    return Asked(**{**GOOD.__dict__, **changed})


def grant(platform: Platform, by: Actor = OFFICER, **changed: str) -> inspections.Inspection:
    return inspections.grant_inspection(platform, by, asked(**changed))


def test_an_inspection_rests_on_an_order_and_stands_in_the_log(two: Platform) -> None:
    row = grant(two)
    found = running_inspection(two.records, INSPECTOR)
    assert found is not None and found.id == row.id and found.organisation_id == "org-operator"
    entry = entries(two, "inspection.granted")[-1]
    assert (entry["purpose"], entry["reason"]) == ("p1", WHY)
    assert entry["decision"] == {
        "inspector": "user-ida", "since": "2026-11-02", "until": "2026-11-30", "document": "药监核查〔2026〕12号",
    }  # fmt: skip


@pytest.mark.parametrize("role", ["security", "researcher", "regulator", "operator", "auditor", "inspector"])
def test_nobody_but_a_privacy_officer_grants_or_ends_one(two: Platform, role: str) -> None:
    who = Actor("user-x", role, "org-operator")
    row = grant(two)
    assert code(lambda: grant(two, who)) == "access.not_allowed"
    assert code(lambda: inspections.end_inspection(two, who, row.id, WHY)) == "access.not_allowed"
    assert code(lambda: inspections.inspections(two, who)) == "access.not_allowed"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"user_id": "user-rea"}, "inspection.not_an_inspector"),
        ({"user_id": "user-none"}, "inspection.not_an_inspector"),
        ({"project_id": "p9"}, "inspection.no_project"),
        ({"project_id": ""}, "inspection.no_project"),
        ({"document": " "}, "people.name_wrong"),
        ({"document": "x" * 121}, "people.name_wrong"),
        ({"reason": "核查"}, "people.reason_missing"),
        ({"since": "2026-11-01"}, "people.date_wrong"),
        ({"until": ""}, "people.date_wrong"),
        ({"until": "2026-11-01"}, "people.date_wrong"),
        ({"until": "2027-01-31"}, "inspection.too_long"),
    ],
)
def test_what_is_missing_or_wrong_grants_nothing(two: Platform, changed: dict[str, str], said: str) -> None:
    assert code(lambda: grant(two, **changed)) == said
    assert inspections.inspections(two, OFFICER) == []


def test_ninety_days_are_the_most(two: Platform) -> None:
    """2 November to 30 January is ninety days, first and last included."""
    assert grant(two, until="2027-01-30").until == "2027-01-30"


def test_an_inspector_reads_one_study_at_a_time(two: Platform) -> None:
    """Days that touch are refused; the day after is not."""
    first = grant(two, until="2026-11-10")
    assert code(lambda: grant(two, project_id="p2", since="2026-11-10", until="2026-11-20")) == (
        "inspection.one_at_a_time"
    )
    assert grant(two, project_id="p2", since="2026-11-11", until="2026-11-20")
    inspections.end_inspection(two, OFFICER, first.id, WHY)
    assert grant(two, project_id="p2", since="2026-11-02", until="2026-11-10")


def test_it_ends_by_itself_and_can_be_ended(two: Platform, clock: StandingClock) -> None:
    row = grant(two, until="2026-11-03")
    assert inspections.inspections(two, OFFICER)[0].standing == "now"
    clock.now = clock.now.replace(day=3, hour=16)
    assert running_inspection(two.records, INSPECTOR) is None
    assert inspections.inspections(two, OFFICER)[0].standing == "over"
    clock.now = clock.now.replace(day=2)
    inspections.end_inspection(two, OFFICER, row.id, WHY)
    assert running_inspection(two.records, INSPECTOR) is None
    assert inspections.inspections(two, OFFICER)[0].standing == "ended"
    assert entries(two, "inspection.ended")[-1]["reason"] == WHY
    for id in (row.id, "inspection-none"):
        assert code(lambda id=id: inspections.end_inspection(two, OFFICER, id, WHY)) == "records.not_found"
