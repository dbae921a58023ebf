"""Who sees one project: members within their days, everybody before there are any; an inspector the granted one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rwd_platform.access.permissions import can_see, get_visible, visible_rows
from rwd_platform.access.projects import closed_projects, hidden_ids, inspected_project, lasts
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import (
    DataLockRecord,
    Inspection,
    Organisation,
    ProjectGrant,
    QualityRun,
    Study,
    TransferRecord,
)
from tests.access.people import add_person
from tests.conftest import StandingClock

ANN, BEN = Actor("user-ann", "researcher", "org-1"), Actor("user-ben", "researcher", "org-1")
INSPECTOR = Actor("user-ida", "inspector", "org-authority")
ACT = Act(Actor("setter", "operator", "org-1"), "study.registered", Object("study", "s-1"))
T = "2026-11-02T08:00:00.000000Z"


def study(project: str, organisation: str = "org-1") -> Study:
    return Study(
        id=f"study-{project}", organisation_id=organisation, project_id=project, title_zh="题", title_en="t",
        protocol="x", protocol_sha256="00", state="registered", registered_at=T,
    )  # fmt: skip


def grant(
    user: str, project: str = "p1", since: str = "2026-11-01", until: str = "", **more: str
) -> ProjectGrant:
    return ProjectGrant(
        id=f"g-{user}-{project}", organisation_id="org-1", project_id=project, user_id=user, since=since, until=until,
        reason="x", granted_by="user-ann", granted_at=T, **more,
    )  # fmt: skip


def inspection(
    project: str = "p1", since: str = "2026-11-01", until: str = "2026-11-30", **more: str
) -> Inspection:
    return Inspection(
        id=f"i-{project}", organisation_id="org-1", project_id=project, user_id="user-ida", since=since, until=until,
        document="1号", reason="x", granted_by="user-pia", granted_at=T, **more,
    )  # fmt: skip


@pytest.fixture
def three(records_sqlite: Records) -> Records:
    """Projects p1 and p2 of one organisation, p3 of another; two researchers of the first, and an inspector."""
    records = records_sqlite
    for login, role in (("ann", "researcher"), ("ben", "researcher"), ("ida", "inspector")):
        add_person(records, login, role)
    other = Organisation(id="org-2", kind="sponsor", name_zh="乙", name_en="B")
    records.write(other, study("p1"), study("p2"), study("p3", "org-2"), audit=ACT)
    return records


def seen(records: Records, who: Actor, action: str = "study.read") -> set[str]:
    rows = [records.get(Study, f"study-p{n}") for n in (1, 2, 3)]
    return {row.project_id for row in visible_rows(records, who, action, rows)}


@pytest.mark.parametrize(
    ("instant", "since", "until", "inside"),
    [
        ("2026-11-01T15:59:59", "2026-11-02", "2026-11-03", False),
        ("2026-11-01T16:00:00", "2026-11-02", "2026-11-03", True),
        ("2026-11-03T15:59:59", "2026-11-02", "2026-11-03", True),
        ("2026-11-03T16:00:00", "2026-11-02", "2026-11-03", False),
        ("2026-11-02T08:00:00", "2026-11-02", "2026-11-02", True),
        ("2026-12-31T16:00:00", "2026-01-01", "2026-12-31", False),
        ("2099-01-01T00:00:00", "2026-11-02", "", True),
        ("2026-11-01T00:00:00", "2026-11-02", "", False),
    ],
)
def test_days_begin_and_end_at_midnight_in_china(instant: str, since: str, until: str, inside: bool) -> None:
    """Both days are included; 16:00Z is the next day already."""
    now = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert lasts(since, until, now) is inside


def test_a_study_is_open_to_its_organisation_until_its_first_member_is_named(three: Records) -> None:
    assert seen(three, ANN) == seen(three, BEN) == {"p1", "p2"}
    three.write(grant("user-ann"), audit=ACT)
    assert seen(three, ANN) == {"p1", "p2"}
    assert seen(three, BEN) == {"p2"}
    assert closed_projects(three, BEN) == {"p1"} and not closed_projects(three, ANN)


@pytest.mark.parametrize(
    "action", ["study.freeze", "study.lock", "study.run", "results.read", "package.assemble"]
)
def test_who_is_no_member_neither_sees_nor_acts(three: Records, action: str) -> None:
    three.write(grant("user-ann"), audit=ACT)
    assert get_visible(three, ANN, action, Study, "study-p1").id == "study-p1"
    told = []
    for id in ("study-p1", "study-none"):
        with pytest.raises(PlatformError) as caught:
            get_visible(three, BEN, action, Study, id)
        told.append({name: text.replace(id, "ID") for name, text in caught.value.as_dict().items()})
    assert told[0] == told[1], "a closed study looks like one that is not there"


def test_every_row_of_the_project_is_closed_with_it(three: Records) -> None:
    lock = DataLockRecord(
        id="lock-1", organisation_id="org-1", project_id="p1", study_id="study-p1", quality_run_id="q-1", made_at=T,
        manifest={},
    )  # fmt: skip
    run = QualityRun(id="q-1", organisation_id="org-1", made_at=T, verdict="admit", report={})
    transfer = TransferRecord(
        id="t-1", organisation_id="org-1", project_id="", title_zh="题", title_en="t", recipient="r", asked_at=T,
        asked_by="user-ann", verdict="HOLD", facts={}, decision={},
    )  # fmt: skip
    three.write(run, audit=ACT)
    three.write(lock, transfer, audit=ACT)
    three.write(grant("user-ann"), audit=ACT)
    assert can_see(three, ANN, "risk.read", lock) and not can_see(three, BEN, "risk.read", lock)
    assert can_see(three, BEN, "transfer.read", transfer), "a row of no project stays its organisation's"
    assert hidden_ids(three, BEN) >= {"p1", "study-p1", "lock-1"} and not hidden_ids(three, ANN)


def test_a_member_is_one_within_the_days_and_before_being_removed(
    three: Records, clock: StandingClock
) -> None:
    three.write(grant("user-ann"), grant("user-ben", until="2026-11-02"), audit=ACT)
    clock.now = datetime(2026, 11, 2, 15, 59, 59, tzinfo=UTC)
    assert "p1" in seen(three, BEN)
    clock.advance(seconds=1)
    assert "p1" not in seen(three, BEN)
    removed = three.get(ProjectGrant, "g-user-ann-p1")
    removed.revoked_at = T
    three.write(removed, audit=ACT)
    assert seen(three, ANN) == {"p2"}, "the study stays closed when its last member has gone"


def test_a_membership_opens_no_other_organisations_study(three: Records) -> None:
    three.write(grant("user-ben", "p3"), audit=ACT)
    assert seen(three, BEN) == {"p1", "p2"}


@pytest.mark.parametrize("role", ["regulator", "privacy", "operator", "ethics"])
def test_roles_that_see_everybodys_studies_are_not_bound_by_members(three: Records, role: str) -> None:
    three.write(grant("user-ann"), audit=ACT)
    assert seen(three, Actor("user-x", role, "org-9")) == {"p1", "p2", "p3"}


@pytest.mark.parametrize("role", ["hospital", "security", "auditor", "", "admin"])
def test_roles_that_read_no_study_see_none(three: Records, role: str) -> None:
    assert seen(three, Actor("user-ann", role, "org-1")) == set()


# -- inspections -------------------------------------------------------------------------------------------


def test_an_inspector_sees_the_granted_project_and_no_other(three: Records) -> None:
    assert seen(three, INSPECTOR) == set()
    three.write(inspection(), audit=ACT)
    assert seen(three, INSPECTOR) == {"p1"} and inspected_project(three, INSPECTOR) == "p1"
    three.write(grant("user-ann"), audit=ACT)
    assert seen(three, INSPECTOR) == {"p1"}, "members or not"
    assert seen(three, INSPECTOR, "study.freeze") == set()


def test_an_inspection_ends_with_its_last_day_in_china(three: Records, clock: StandingClock) -> None:
    three.write(inspection(until="2026-11-02"), audit=ACT)
    clock.now = datetime(2026, 11, 2, 15, 59, 59, tzinfo=UTC)
    assert seen(three, INSPECTOR) == {"p1"}
    clock.advance(seconds=1)
    assert seen(three, INSPECTOR) == set()


def test_an_inspection_that_was_ended_or_is_to_come_opens_nothing(three: Records) -> None:
    three.write(inspection("p1", ended_at=T), inspection("p2", since="2026-11-03"), audit=ACT)
    assert seen(three, INSPECTOR) == set()


def test_an_inspection_is_its_inspectors_and_only_while_they_are_one(three: Records) -> None:
    three.write(inspection(), audit=ACT)
    assert seen(three, Actor("user-other", "inspector", "org-authority")) == set()
    assert inspected_project(three, Actor("user-ida", "researcher", "org-9")) == ""


def test_a_row_of_no_project_is_not_an_inspectors(three: Records) -> None:
    """An empty project is no project: not even an inspection that names none opens it."""
    three.write(inspection(""), audit=ACT)
    report = TransferRecord(
        id="t-1", organisation_id="org-1", project_id="", title_zh="题", title_en="t", recipient="r", asked_at=T,
        asked_by="x", verdict="HOLD", facts={}, decision={},
    )  # fmt: skip
    assert not visible_rows(three, INSPECTOR, "study.read", [report])
