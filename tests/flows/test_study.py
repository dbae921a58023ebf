"""A study's gates: outcomes are sealed until the freeze, and quality must have seen the lake as it is now."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.resources import resources
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.lock_rows import OUTCOME_TABLES
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import (
    freeze_protocol,
    lock_data,
    newest_lock,
    newest_run,
    register_study,
    run_study,
)
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry, DataLockRecord, Study
from rwd_platform.store.lock import open_lock
from tests.conftest import StandingClock
from tests.flows.log_reading import whole_log
from tests.flows.passing_quality import pass_quality
from tests.flows.sending import (
    CLERK,
    REGULATOR,
    RESEARCHER,
    actions,
    ndjson,
    patient,
    received,
    sent,
)

PROTOCOL = (Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml").read_text(
    encoding="utf-8"
)
STRANGER = Actor("other", "researcher", "org-somewhere")


class Naming:
    """Ids of one patient: `vital-status.7`."""

    def __init__(self, number: int) -> None:
        self._number = number

    def id(self, role: str) -> str:
        return f"{role}.{self._number}"

    def reference(self, resource_type: str, role: str) -> str:
        return f"{resource_type}/{self.id(role)}"


@cache
def thirty_patients() -> bytes:
    """The first thirty of the demo's patients, as one hospital would send them."""
    chosen = demo_patients(1)[:30]
    return ndjson(*(one for n, who in enumerate(chosen) for _, one in resources(who, Naming(n))))


def frozen(platform: Platform) -> Study:
    study = register_study(platform, RESEARCHER, PROTOCOL)
    return freeze_protocol(platform, RESEARCHER, study.id, "approved")


def checked(platform: Platform) -> None:
    pass_quality(platform, RESEARCHER)


def refusal(act: Any) -> PlatformError:
    with pytest.raises(PlatformError) as raised:
        act()
    return raised.value


# -- registering and freezing ----------------------------------------------------------------------


def test_a_project_is_registered_once(platform: Platform) -> None:
    study = register_study(platform, RESEARCHER, PROTOCOL)
    assert (study.state, study.organisation_id) == ("registered", RESEARCHER.organisation)
    error = refusal(lambda: register_study(platform, RESEARCHER, PROTOCOL))
    assert (error.code, study.id in error.en) == ("study.already_registered", True)


def test_a_wrong_protocol_leaves_nothing_on_record(platform: Platform) -> None:
    assert refusal(lambda: register_study(platform, RESEARCHER, "id: x\n")).code.startswith("protocol.")
    assert not platform.records.all(select(Study))


@pytest.mark.parametrize("actor", [CLERK, REGULATOR, STRANGER], ids=lambda actor: actor.id)
def test_nobody_else_moves_a_study(platform: Platform, actor: Actor) -> None:
    study = register_study(platform, RESEARCHER, PROTOCOL)
    for act in (
        lambda: freeze_protocol(platform, actor, study.id, "x"),
        lambda: lock_data(platform, actor, study.id),
        lambda: run_study(platform, actor, study.id),
    ):
        assert refusal(act).code in ("access.not_allowed", "records.not_found")
    assert platform.records.get(Study, study.id).state == "registered"


def test_a_frozen_protocol_is_not_frozen_twice(platform: Platform) -> None:
    study = frozen(platform)
    assert (
        refusal(lambda: freeze_protocol(platform, RESEARCHER, study.id, "again")).code
        == "lifecycle.not_allowed"
    )
    assert study.frozen_by == RESEARCHER.id and study.frozen_at


def test_a_reason_that_identifies_somebody_freezes_nothing(platform: Platform) -> None:
    study = register_study(platform, RESEARCHER, PROTOCOL)
    named = "经患者王小明 110101199003070011 同意"
    error = refusal(lambda: freeze_protocol(platform, RESEARCHER, study.id, named))
    assert (error.code, error.http) == ("people.reason_identifies", 422)
    assert platform.records.get(Study, study.id).state == "registered" and "110101" not in whole_log(platform)


def test_a_plan_that_could_never_be_unsealed_is_not_frozen(platform: Platform) -> None:
    """Without its overlap nobody could look before unsealing: it is said while the plan can still be mended."""
    plan = yaml.safe_load(PROTOCOL)
    plan["analyses"] = [one for one in plan["analyses"] if one["method"] != "overlap"]
    study = register_study(platform, RESEARCHER, yaml.safe_dump(plan, allow_unicode=True))
    error = refusal(lambda: freeze_protocol(platform, RESEARCHER, study.id, "approved"))
    assert error.code == "study.diagnostics_unplanned"
    assert "overlap" in error.en and "方案没有为其计划" in error.zh
    assert platform.records.get(Study, study.id).state == "registered"
    assert actions(platform)[-1] == "access.refused"


# -- the gates of a lock ---------------------------------------------------------------------------


def test_outcomes_are_sealed_until_the_freeze_and_the_attempt_is_in_the_log(platform: Platform) -> None:
    """Whoever asks, and before anything else is looked at: without a frozen protocol nobody reads an outcome."""
    study = register_study(platform, RESEARCHER, PROTOCOL)
    error = refusal(lambda: lock_data(platform, RESEARCHER, study.id))
    assert (error.code, error.exit) == ("study.outcomes_sealed", 3)
    assert actions(platform)[-1] == "study.lock_refused"
    assert not platform.records.all(select(DataLockRecord))
    assert {"outcome_event"} == OUTCOME_TABLES


def test_without_a_quality_check_there_is_no_lock(platform: Platform) -> None:
    sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    study = frozen(platform)
    assert refusal(lambda: lock_data(platform, RESEARCHER, study.id)).code == "study.quality_missing"


def test_a_quality_check_of_before_the_last_upload_does_not_count(platform: Platform) -> None:
    sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    checked(platform)
    sent(platform, {"more.ndjson": ndjson(patient("late"))})
    study = frozen(platform)
    assert refusal(lambda: lock_data(platform, RESEARCHER, study.id)).code == "study.quality_missing"


def test_a_table_that_the_gate_holds_back_stops_the_lock(platform: Platform) -> None:
    """A lake in which nobody has a birth date is not used: the gate says which table it holds back."""
    sent(platform, {"only.ndjson": ndjson({"resourceType": "Patient", "id": "p1", "gender": "female"})})
    assert check_quality(platform, RESEARCHER).verdict == "quarantine"
    study = frozen(platform)
    error = refusal(lambda: lock_data(platform, RESEARCHER, study.id))
    assert (error.code, error.exit) == ("study.quality_gate", 3)
    assert "patient" in error.en and "patient" in error.zh


# -- locking and running ---------------------------------------------------------------------------


def test_a_lock_holds_the_study_and_the_planned_analyses_run_on_it(
    platform: Platform, clock: StandingClock
) -> None:
    """The whole way on thirty patients, and each refusal on it."""
    sent(platform, {"all.ndjson": thirty_patients()})
    check_quality(platform, RESEARCHER)
    study = frozen(platform)
    assert refusal(lambda: run_study(platform, RESEARCHER, study.id)).code == "study.not_locked"
    lock = lock_data(platform, RESEARCHER, study.id)
    opened = open_lock(platform.layout.lock(lock.id))
    assert len(opened.tables["subject"]) == 30
    assert all("patient_id" not in table.columns for table in opened.tables.values())
    assert opened.facts["protocol_sha256"] == study.protocol_sha256

    assert refusal(lambda: newest_run(platform, study)).code == "study.not_analysed"
    run = run_study(platform, RESEARCHER, study.id)
    assert run.lock_id == lock.id and run.results["rows"]
    assert newest_run(platform, study).id == run.id

    clock.advance(hours=1)
    again = lock_data(platform, RESEARCHER, study.id)
    assert again.id == lock.id, "the same content is the same lock"
    assert newest_lock(platform, study).id == lock.id
    assert platform.records.get(Study, study.id).state == "locked", (
        "results of before are not the lock's any more"
    )
    assert actions(platform)[-1] == "study.locked"


def test_the_thirty_patients_come_in_without_any_reject(platform: Platform) -> None:
    """Otherwise the tests above would prove less than they say."""
    account = admit_upload(platform, CLERK, received(platform, {"all.ndjson": thirty_patients()}))
    assert account.accepted == account.received > 30 * 10


def test_a_freeze_and_a_lock_are_under_a_signed_head_at_once(platform: Platform) -> None:
    def heads() -> dict[int, str]:
        return {one.size: one.why for one in platform.records.all(select(AuditCheckpoint))}

    def end_of(action: str) -> int:
        """How many entries the log has with the act's own."""
        (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
        return entry.sequence + 1

    study = frozen(platform)
    assert heads()[end_of("study.frozen")] == "freeze"
    sent(platform, {"all.ndjson": thirty_patients()})
    check_quality(platform, RESEARCHER)
    lock_data(platform, RESEARCHER, study.id)
    assert heads()[end_of("study.locked")] == "lock"
