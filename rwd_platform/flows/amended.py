"""Whether outcomes could be seen before a protocol was amended: what the records say beside the authors' word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AnalysisRun, Study

if TYPE_CHECKING:
    from studies.protocol import Protocol
    from studies.protocol_amendments import Seen


def seen_before_amending(platform: Platform, study: Study, protocol: Protocol) -> dict[str, Seen]:
    """By the SHA-256 of the text that was amended: whether results of a study under that text were open before this
    study was frozen. `unknown` where no study of the organisation was frozen with it: what was seen elsewhere no
    record here tells.
    """
    return {one.changes: _seen(platform, study, one.changes) for one in protocol.amendments}


def _seen(platform: Platform, study: Study, text: str) -> Seen:
    before = platform.records.all(
        select(Study).where(
            Study.protocol_sha256 == text,
            Study.organisation_id == study.organisation_id,
            Study.id != study.id,
            Study.frozen_at != "",
        )
    )
    if not before:
        return "unknown"
    runs = platform.records.all(
        select(AnalysisRun).where(col(AnalysisRun.study_id).in_([one.id for one in before]))
    )
    opened = [_opened_at(run) for run in runs]
    return "yes" if any(at and at <= study.frozen_at for at in opened) else "no"


def _opened_at(run: AnalysisRun) -> str:
    """When a run's results came to be readable; "" while they are sealed. Runs of before there were seals: at once."""
    if run.unsealed_at:
        return run.unsealed_at
    return "" if run.sealed_part is not None else run.made_at
