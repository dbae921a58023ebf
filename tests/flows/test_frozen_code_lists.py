"""A frozen protocol's code lists cannot change under their version: not between two locks, nor before a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.freeze_lists import check_lists, check_lists_of_lock
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, frozen_protocol, lock_data, register_study, run_study
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AuditEntry, DataLockRecord, QualityRun, Study
from studies.code_lists import CodeList, unknown_list
from tests.flows.sending import RESEARCHER, actions
from tests.flows.test_lock_code_lists import SIGNED, text_with
from tests.flows.test_study import PROTOCOL, refusal

NAME = SIGNED.reference
CHANGED = replace(SIGNED, entries=(replace(SIGNED.entries[0], code="85.41"),))


@pytest.fixture
def study(platform: Platform, shelf: dict[str, CodeList]) -> Study:
    found = register_study(platform, RESEARCHER, text_with(NAME))
    return freeze_protocol(platform, RESEARCHER, found.id, "方案经审定")


def locked(platform: Platform, study: Study, sha256: str) -> DataLockRecord:
    """A lock on record whose rows were chosen by a list of this hash."""
    lock_of = Act(RESEARCHER, "study.locked", Object("lock", "L-1"))
    run = QualityRun(id="q", organisation_id=study.organisation_id, made_at="", verdict="admit", report={})
    platform.records.write(run, audit=Act(RESEARCHER, "quality.checked", Object("quality_run", "q")))
    manifest = {"content": {"facts": {"code_lists": {NAME: sha256}, "sites": {}}}}
    lock = DataLockRecord(
        id="L-1", organisation_id=study.organisation_id, project_id=study.project_id, study_id=study.id,
        quality_run_id="q", made_at="2026-11-01", manifest=manifest,
    )  # fmt: skip
    platform.records.write(lock, audit=lock_of)
    return platform.records.get(DataLockRecord, "L-1")


def test_the_freeze_puts_each_lists_hash_into_the_log(platform: Platform, study: Study) -> None:
    entry = platform.records.all(select(AuditEntry).where(AuditEntry.action == "study.frozen"))[0]
    assert json.loads(entry.body)["decision"]["code_lists"] == {NAME: SIGNED.sha256}
    assert frozen_protocol(platform, study).id == study.project_id


@pytest.mark.parametrize("now", [CHANGED, None], ids=["another code", "no file"])
def test_a_list_that_changed_under_its_version_stops_the_lock(
    platform: Platform,
    study: Study,
    shelf: dict[str, CodeList],
    monkeypatch: pytest.MonkeyPatch,
    now: CodeList | None,
) -> None:
    """Nothing is read: the second lock would be of another cohort under the frozen text."""
    if now is not None:
        shelf[NAME] = now
    else:
        monkeypatch.setattr("studies.code_lists.load", lambda reference: _missing(reference))
    error = refusal(lambda: lock_data(platform, RESEARCHER, study.id))
    assert (error.code, error.exit) == ("study.code_list_changed", 3)
    assert NAME in error.en and NAME in error.zh and "new version" in error.next_en
    assert "study.lock_started" not in actions(platform) and "access.refused" in actions(platform)


def _missing(reference: str) -> CodeList:
    raise unknown_list(reference, ())


def test_a_freeze_of_before_the_hashes_is_held_to_its_first_lock(
    platform: Platform,
    study: Study,
    shelf: dict[str, CodeList],
) -> None:
    old: list[AuditEntry] = []
    check_lists(platform, study, old)
    locked(platform, study, SIGNED.sha256)
    check_lists(platform, study, old)
    shelf[NAME] = CHANGED
    with pytest.raises(PlatformError, match=NAME):
        check_lists(platform, study, old)


@pytest.mark.parametrize("then", [SIGNED, CHANGED], ids=["as it was", "another"])
def test_a_run_is_held_to_the_lists_of_its_lock(platform: Platform, study: Study, then: CodeList) -> None:
    """A lock of another list than the present one is not run, whatever the log says of the freeze."""
    lock = locked(platform, study, then.sha256)
    with platform.records.transaction(
        audit=Act(RESEARCHER, "study.locked", Object("lock", "L-1"))
    ) as session:
        session.get_one(Study, study.id).state = "locked"
    if then is SIGNED:
        check_lists_of_lock(study, lock)
        return
    error = refusal(lambda: run_study(platform, RESEARCHER, study.id))
    assert error.code == "study.code_list_changed" and "study.run_started" not in actions(platform)


def test_a_protocol_without_lists_freezes_as_before(platform: Platform) -> None:
    found = register_study(platform, RESEARCHER, PROTOCOL)
    frozen_protocol(platform, freeze_protocol(platform, RESEARCHER, found.id, "方案经审定"))
