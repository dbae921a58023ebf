"""Two locks of a study compared: exact for its team, small counts withheld from others, always on record."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from sqlmodel import select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.lock_difference import lock_difference
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, DataLockRecord, QualityRun, Study
from rwd_platform.store.lock import write_lock
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER, actions

PRIVACY = Actor("privacy", "privacy", "org-operator")
STRANGER = Actor("other", "researcher", "org-somewhere")


def seeded(platform: Platform, *people: int, study_id: str = "study-1") -> list[str]:
    """A study with a lock for each number of people: the ids of the locks."""
    at = as_text(platform.clock())
    rows: list[Study | QualityRun | DataLockRecord] = [
        Study(id=study_id, organisation_id="org-operator", project_id=study_id, title_zh="研究", title_en="Study",
              protocol="", protocol_sha256="0" * 64, state="locked", registered_at=at),
        QualityRun(id=f"q-{study_id}", organisation_id="org-operator", made_at=at, verdict="admit", report={}),
    ]  # fmt: skip
    locks = []
    for count in people:
        frame = pd.DataFrame({"subject_id": [f"s{n:03}" for n in range(count)], "gender": "female"})
        lock = write_lock(platform.layout, {"subject": frame}, {"project": study_id, "attrition": []})
        locks.append(lock.id)
        rows.append(
            DataLockRecord(id=lock.id, organisation_id="org-operator", project_id=study_id, study_id=study_id,
                           quality_run_id=f"q-{study_id}", made_at=at, manifest=dict(lock.manifest))
        )  # fmt: skip
    for row in rows:
        platform.records.write(row, audit=Act(RESEARCHER, "seed.written", Object("seed", row.id)))
    return locks


def test_the_team_and_the_regulator_see_exact_counts_and_others_no_small_one(platform: Platform) -> None:
    """Whoever may read a study's results may know that two patients came; the privacy officer need not."""
    before, after = seeded(platform, 40, 42)
    for actor in (RESEARCHER, REGULATOR):
        (subject,) = lock_difference(platform, actor, "study-1", before, after).tables
        assert (subject.rows_before, subject.rows_after, subject.added) == (40, 42, 2)
    found = lock_difference(platform, PRIVACY, "study-1", before, after)
    assert found.withheld_below >= 10 and found.rounded_to > 0
    (subject,) = found.tables
    assert (subject.rows_before, subject.rows_after) == (40, 40)
    assert (subject.added, subject.subjects_added, subject.removed) == (None, None, 0)


def test_that_two_locks_were_compared_is_in_the_log(platform: Platform) -> None:
    """Patients' rows were read for it."""
    before, after = seeded(platform, 3, 4)
    lock_difference(platform, RESEARCHER, "study-1", before, after)
    (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "study.locks_compared"))
    body = json.loads(entry.body)
    assert (body["object"]["id"], body["purpose"], body["actor"]["id"]) == (after, before, RESEARCHER.id)


@pytest.mark.parametrize("actor", [STRANGER, CLERK])
def test_a_study_of_somebody_else_is_not_compared(platform: Platform, actor: Actor) -> None:
    """And the refusal is in the log."""
    before, after = seeded(platform, 3, 4)
    with pytest.raises(PlatformError) as refused:
        lock_difference(platform, actor, "study-1", before, after)
    assert refused.value.code in ("records.not_found", "access.not_allowed")
    assert "access.refused" in actions(platform) and "study.locks_compared" not in actions(platform)


@pytest.mark.parametrize("other", ["L-nobody", "", "../../records.db", "another study's"])
def test_a_lock_that_is_not_of_this_study_looks_like_none(platform: Platform, other: str) -> None:
    """One of another study, one that is not there, and what is no id at all: the same answer."""
    (one,) = seeded(platform, 3)
    (foreign,) = seeded(platform, 5, study_id="study-2")
    asked = foreign if other == "another study's" else other
    with pytest.raises(PlatformError) as refused:
        lock_difference(platform, RESEARCHER, "study-1", one, asked)
    assert refused.value.code == "records.not_found"
    assert actions(platform)[-1] == "access.refused"


def test_a_lock_that_was_changed_is_not_compared(platform: Platform) -> None:
    """Every hash is checked first."""
    before, after = seeded(platform, 3, 4)
    file = platform.layout.lock(after) / "subject.parquet"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(PlatformError, match=r"lock\.damaged"):
        lock_difference(platform, RESEARCHER, "study-1", before, after)
