"""A round of source verification in a home of thirty patients, and sheets filled in as a hospital would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.chart_agreement import sample_for
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.source_verification import draw_round
from rwd_platform.flows.verification_rounds import RoundSeen
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Study, VerificationSheet
from studies.evidence.sample.sheet import SheetLine
from studies.evidence.sample.trace import Sample
from tests.evidence.sample.made import FilledBy, as_platform, filled
from tests.flows.sending import RESEARCHER

UNTIL = "2026-10-31"
NIGHT_SHIFT = "夜班转录有误，三处数值改回"  # nothing of it may come back


def study_of(platform: Platform) -> Study:
    (study,) = platform.records.all(select(Study))
    return study


def drawn(platform: Platform, actor: Actor = RESEARCHER, until: str = UNTIL) -> RoundSeen:
    return draw_round(platform, actor, study_of(platform).id, until)


def only_sheet(platform: Platform) -> VerificationSheet:
    (sheet,) = platform.records.all(select(VerificationSheet))
    return sheet


def sample(platform: Platform, seen: RoundSeen) -> Sample:
    return sample_for(platform, seen.round)


def chart(
    platform: Platform, seen: RoundSeen, by: FilledBy = as_platform, encoding: str = "utf-8-sig"
) -> bytes:
    """The round's one sheet as it comes back; usually the charts say what the platform has."""
    return filled(sample(platform, seen), seen.sheets[0].organisation_id, by, encoding)


def every_third_differs(line: SheetLine) -> tuple[str, str, str]:
    """Of the menopausal status every third chart says the other, and the first of those does not say it at all."""
    usual = as_platform(line)
    if line.variable.name != "meno" or line.row.drawn.place % 3:
        return usual
    if line.row.drawn.place == 3:
        return "", "否", "病历未记载"
    other = next(code for code, _ in line.variable.answers if code != usual[0])
    return other, "否", "转录错误"


def refused(doing: Callable[[], Any]) -> PlatformError:
    try:
        doing()
    except PlatformError as error:
        return error
    raise AssertionError("it was not refused")
