"""Rows of a lock are verified against the charts: drawn by a published rule, one sheet for each hospital.

    draw_round   the study's team asks; who is drawn follows from the frozen protocol and the lock, and nobody chooses.
                 It needs no results: what charts say is best asked before outcomes are seen
    close_round  no more sheets are taken; what came back, and why it was closed, is told by every later package
    (flows/chart_sheets.py: what the hospitals do; flows/chart_agreement.py: what came of it)

An open round blocks nothing. The same lock and day are the same round.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import is_reason
from deidentify.identifiers_cn.kind_names import kind_in
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import is_shown
from rwd_platform.flows import source_verification_problems as problems
from rwd_platform.flows.chart_agreement import drawn_for
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import newest_lock
from rwd_platform.flows.verification_rounds import ROUND_KIND, RoundSeen, rounds_of
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import ROUND, RoundState, SheetState, check_transition
from rwd_platform.records.tables import AnalysisRun, Study, VerificationRound, VerificationSheet

if TYPE_CHECKING:
    from studies.evidence.sample.trace import Sample


@dataclass(frozen=True)
class Limits:
    """What source_verification.toml says."""

    reason_characters: int
    longest_text: int
    oldest_years: int
    problems_told: int


@lru_cache(maxsize=1)
def limits() -> Limits:
    return Limits(**tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")))


def draw_round(platform: Platform, actor: Actor, study_id: str, known_until: str) -> RoundSeen:
    """Draw the rows of the newest lock and issue a sheet to each hospital. Drawn again it is the same round.

    known_until -- YYYY-MM-DD up to which the hospitals read their charts
    Raises `verification.day_unfit`, `.day_too_early`, `.lock_not_analysed`, `.round_open`, `.round_closed`,
    `.nothing_to_draw`.
    """
    study = get_visible(platform.records, actor, Action.VERIFICATION_DRAW, Study, study_id)
    with refusals_recorded(platform.records, actor, Action.VERIFICATION_DRAW, "study", study_id):
        existing, run = check_draw(platform, study, known_until)
    if existing is not None:
        return existing
    round = _round_of(platform, actor, study, run, known_until)
    sample, first = drawn_for(platform, round)
    sheets = _sheets_of(sample, round)
    if not sheets:
        raise problems.NOTHING_TO_DRAW.error(study=study_id)
    if known_until < first:  # nobody may take a round back, so it does not begin with charts that cannot tell
        raise problems.DAY_TOO_EARLY.error(until=known_until, first=first, last=_today(platform))
    act = Act(
        actor,
        "verification.drawn",
        Object(ROUND_KIND, round.id),
        purpose=study.project_id,
        decision={
            "lock": round.lock_id,
            "known_until": known_until,
            "policy_sha256": round.policy_sha256,
            "sheets": {one.id: one.issued_sha256 for one in sheets},
        },
    )
    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        check_lock_usable(platform, round.lock_id)  # somebody may have withdrawn while the rows were drawn
        _check_none_open(session, study_id)
        session.add(round)
        session.flush()  # the sheets name it
        session.add_all(sheets)
    return RoundSeen(round, tuple(sheets))


def check_draw(platform: Platform, study: Study, known_until: str) -> tuple[RoundSeen | None, AnalysisRun]:
    """The round that there is already, and the run whose rows are drawn. A page asks it before it queues the job."""
    check_day(platform, known_until)
    lock = newest_lock(platform, study)
    run = _run_of(platform, study, lock.id)
    check_lock_usable(platform, lock.id)
    for one in rounds_of(platform, study.id):
        if (one.round.lock_id, one.round.known_until) == (lock.id, known_until):
            if not one.is_open:
                raise problems.ROUND_CLOSED.error(until=known_until)
            return one, run
        if one.is_open:
            raise problems.ROUND_OPEN.error(study=study.id, until=one.round.known_until)
    return None, run


def close_round(platform: Platform, actor: Actor, study_id: str, reason: str) -> VerificationRound:
    """Take no more sheets. What came back stays, counts, and is told from now on.

    Raises `verification.no_round`, `.reason_unfit`, `.reason_identifies`.
    """
    reason = reason.strip()
    study = get_visible(platform.records, actor, Action.VERIFICATION_DRAW, Study, study_id)
    with refusals_recorded(platform.records, actor, Action.VERIFICATION_DRAW, "study", study_id):
        _check_reason(reason)
        open_one = next((one for one in rounds_of(platform, study.id) if one.is_open), None)
        if open_one is None:
            raise problems.NO_ROUND.error(study=study_id)
    act = Act(
        actor,
        "verification.closed",
        Object(ROUND_KIND, open_one.round.id),
        purpose=study.project_id,
        decision={"returned": len(open_one.accepted), "sheets": len(open_one.sheets)},
        detail={"reason": reason},
    )
    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        row = session.get_one(VerificationRound, open_one.round.id)
        row.state = check_transition(ROUND, ROUND_KIND, row.id, RoundState(row.state), RoundState.CLOSED)
        row.closed_by, row.closed_at = actor.id, as_text(platform.clock())
        row.closed_because = reason
        session.add(row)
    return row


def check_day(platform: Platform, known_until: str) -> None:
    """Raises `verification.day_unfit`."""
    unfit, today = problems.DAY_UNFIT, _today(platform)
    try:
        day = date.fromisoformat(known_until).isoformat()
    except ValueError:
        raise unfit.error(last=today) from None
    # `fromisoformat` also reads 20241231 and 2024-W52-2, which no sheet should print.
    if day != known_until or day > today:
        raise unfit.error(last=today)


def _today(platform: Platform) -> str:
    return shanghai_date(platform.clock()).isoformat()


def _run_of(platform: Platform, study: Study, lock_id: str) -> AnalysisRun:
    runs = platform.records.all(
        select(AnalysisRun)
        .where(AnalysisRun.study_id == study.id, AnalysisRun.lock_id == lock_id)
        .order_by(col(AnalysisRun.made_at).desc())
        .limit(1)
    )
    if not runs:
        raise problems.LOCK_NOT_ANALYSED.error(study=study.id)
    return runs[0]


def _round_of(
    platform: Platform, actor: Actor, study: Study, run: AnalysisRun, known_until: str
) -> VerificationRound:
    from studies.evidence.sample.policy import policy_text, read_policy

    text = policy_text()
    now = platform.clock()
    return VerificationRound(
        id=new_id("round", now),
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        study_id=study.id,
        run_id=run.id,
        lock_id=run.lock_id,
        protocol_sha256=study.protocol_sha256,
        policy=text,
        policy_version=read_policy(text).version,
        policy_sha256=sha256_hex(text.encode()),
        known_until=known_until,
        state=RoundState.OPEN,
        drawn_by=actor.id,
        drawn_at=as_text(now),
        closed_by="",
        closed_at="",
        closed_because="",
    )


def _sheets_of(sample: Sample, round: VerificationRound) -> list[VerificationSheet]:
    from studies.evidence.sample.sheet import sheet, sheet_id, sheet_lines

    return [
        VerificationSheet(
            id=sheet_id(sample, one.hospital),
            round_id=round.id,
            organisation_id=one.hospital,
            items=len(sheet_lines(sample, one.hospital)),
            issued_sha256=sha256_hex(sheet(sample, one.hospital)),
            state=SheetState.ISSUED,
            returned_sha256="",
            returned_by="",
            returned_at="",
            answered=0,
            refused=0,
        )
        for one in sample.draw.hospitals
    ]


def _check_none_open(session: Session, study_id: str) -> None:
    """Somebody may have been quicker while the rows were drawn."""
    query = select(VerificationRound).where(
        VerificationRound.study_id == study_id, VerificationRound.state == RoundState.OPEN
    )
    for existing in session.exec(query):
        raise problems.ROUND_OPEN.error(study=study_id, until=existing.known_until)


def _check_reason(reason: str) -> None:
    bounds = limits()
    fits = len(reason) <= bounds.longest_text and is_reason(reason, bounds.reason_characters)
    if not fits or not all(is_shown(sign) or sign == "\r" for sign in reason):
        raise problems.REASON_UNFIT.error(shortest=bounds.reason_characters, longest=bounds.longest_text)
    kind = kind_in(reason)
    if kind is not None:
        raise problems.REASON_IDENTIFIES.error(kind_zh=kind.zh, kind_en=kind.en)
