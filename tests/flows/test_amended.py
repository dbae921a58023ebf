"""What the records say of an amendment: whether results of the study before were open when this one was frozen."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.flows.amended import seen_before_amending
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, frozen_protocol, register_study
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, QualityRun, Study
from tests.conftest import StandingClock
from tests.flows.sending import RESEARCHER
from tests.flows.test_study import PROTOCOL, frozen

SEED = Act(RESEARCHER, "seed.written", Object("analysis_run", "run-1"))


def amending(text: str) -> str:
    named = PROTOCOL.replace("id: rotterdam-hormon", "id: rotterdam-amended", 1)
    assert named != PROTOCOL
    return (
        named
        + f"""
amendments:
  - number: "1"
    changes: {text}
    dated: "2026-01-01"
    section: {{zh: 结局, en: Outcome}}
    change: {{zh: 另一窗口, en: Another window}}
    reason: {{zh: 录入错误, en: A slip}}
    outcomes_seen: "no"
"""
    )


def amended(platform: Platform, text: str) -> dict[str, str]:
    study = register_study(platform, RESEARCHER, amending(text))
    study = freeze_protocol(platform, RESEARCHER, study.id, "amended")
    return dict(seen_before_amending(platform, study, frozen_protocol(platform, study)))


def run_of(platform: Platform, study: Study, *, sealed: bytes | None, unsealed_at: str = "") -> None:
    """A run on record; nothing is computed here."""
    quality = QualityRun(
        id="q-1", organisation_id=study.organisation_id, made_at="2026-01-05T00:00:00.000000Z", report={},
        ruleset_sha256="", verdict="",
    )  # fmt: skip
    lock = DataLockRecord(
        id="L-1", organisation_id=study.organisation_id, project_id=study.project_id, study_id=study.id,
        quality_run_id="q-1", made_at="2026-01-05T00:00:00.000000Z", manifest={},
    )  # fmt: skip
    run = AnalysisRun(
        id="run-1", organisation_id=study.organisation_id, project_id=study.project_id, study_id=study.id,
        lock_id="L-1", made_at="2026-01-05T00:00:00.000000Z", results_sha256="", results={}, sealed_part=sealed,
        unsealed_at=unsealed_at,
    )  # fmt: skip
    for row in (quality, lock, run):
        platform.records.write(row, audit=SEED)


def test_a_text_that_was_never_frozen_here_is_unknown(platform: Platform) -> None:
    assert amended(platform, "ab" * 32) == {"ab" * 32: "unknown"}


def test_a_study_that_was_only_registered_is_no_frozen_text(platform: Platform) -> None:
    study = register_study(platform, RESEARCHER, PROTOCOL)
    assert amended(platform, study.protocol_sha256) == {study.protocol_sha256: "unknown"}


@pytest.mark.parametrize(
    ("sealed", "unsealed_at", "seen"),
    [
        (b"sealed", "", "no"),
        (None, "2000-01-01T00:00:00.000000Z", "yes"),
        (None, "2999-01-01T00:00:00.000000Z", "no"),
        (None, "", "yes"),
    ],
    ids=["sealed still", "unsealed before", "unsealed afterwards", "never sealed"],
)
def test_results_that_were_open_when_the_amended_protocol_was_frozen_were_seen(
    platform: Platform, clock: StandingClock, sealed: bytes | None, unsealed_at: str, seen: str
) -> None:
    study = frozen(platform)
    run_of(platform, study, sealed=sealed, unsealed_at=unsealed_at)
    clock.advance(hours=24 * 400)
    text = sha256_hex(PROTOCOL.encode())
    assert study.protocol_sha256 == text and amended(platform, text) == {text: seen}


def test_a_study_without_a_run_was_not_seen(platform: Platform, clock: StandingClock) -> None:
    study = frozen(platform)
    clock.advance(hours=1)
    assert amended(platform, study.protocol_sha256) == {study.protocol_sha256: "no"}
    assert len(platform.records.all(select(Study))) == 2
