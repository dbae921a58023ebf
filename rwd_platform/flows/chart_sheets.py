"""What a hospital does with its sheet: download it, fill it in from its charts, send it back.

A sheet is handed to people of its own hospital alone, and each time it is in the log: it names lines of patients. One
that cannot be used changes nothing; the hospital is told every problem with its line, and sends it again. Until the
round is closed a later sheet takes the place of an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session

from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import source_verification_problems as problems
from rwd_platform.flows.chart_agreement import kept_as, sample_for
from rwd_platform.flows.chart_hints import Hint, hints_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import forget, seal
from rwd_platform.flows.source_verification import limits
from rwd_platform.flows.study import frozen_protocol
from rwd_platform.flows.verification_rounds import SHEET_KIND, SheetSeen
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import SHEET, RoundState, SheetState, check_transition
from rwd_platform.records.tables import Study, VerificationRound, VerificationSheet
from rwd_platform.store.recording import until_recorded

if TYPE_CHECKING:
    from studies.evidence.sample.read_sheet import Returned
    from studies.evidence.sample.trace import Sample


@dataclass(frozen=True)
class Outcome:
    """What became of a sheet that came back.

    problems -- in the order of lines; none: it was accepted
    hints    -- of one that was accepted: values that can hardly be, for the hospital to look at once more
    """

    sheet: VerificationSheet
    problems: tuple[PlatformError, ...] = ()
    hints: tuple[Hint, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.problems


def sheet_seen(platform: Platform, actor: Actor, sheet_id: str) -> SheetSeen:
    """The record of one sheet of the actor's own hospital; another's is not there."""
    sheet = get_visible(platform.records, actor, Action.VERIFICATION_FILL, VerificationSheet, sheet_id)
    return SheetSeen(sheet, platform.records.get(VerificationRound, sheet.round_id))


def sheet_for(platform: Platform, actor: Actor, sheet_id: str) -> bytes:
    """The sheet as it was issued, CSV. The download is in the log.

    Raises `verification.round_closed`, and `verification.sheet_changed` where it would not be the same bytes.
    """
    from studies.evidence.sample.sheet import sheet

    seen = sheet_seen(platform, actor, sheet_id)
    with refusals_recorded(platform.records, actor, Action.VERIFICATION_FILL, SHEET_KIND, sheet_id):
        _check_open(seen.round, seen.sheet)
        content = sheet(_sample(platform, seen), seen.sheet.organisation_id)
        if sha256_hex(content) != seen.sheet.issued_sha256:
            raise problems.SHEET_CHANGED.error(sheet=sheet_id)
    issued = Object(SHEET_KIND, sheet_id, seen.sheet.issued_sha256)
    platform.records.record(Act(actor, "verification.sheet_read", issued))
    return content


def return_sheet(platform: Platform, actor: Actor, sheet_id: str, content: bytes) -> Outcome:
    """Accept the sheet, or say everything that is wrong with it. The same bytes again are the same sheet."""
    seen = sheet_seen(platform, actor, sheet_id)
    with refusals_recorded(platform.records, actor, Action.VERIFICATION_FILL, SHEET_KIND, sheet_id):
        _check_open(seen.round, seen.sheet)
        sample = _sample(platform, seen)
    read, wrong = _read(content, sample, seen.sheet)
    if read is None:
        return _refuse(platform, actor, sheet_id, wrong)
    study = platform.records.get(Study, seen.round.study_id)
    hints = hints_of(frozen_protocol(platform, study), read, limits().oldest_years)
    if seen.sheet.state == SheetState.ACCEPTED and seen.sheet.returned_sha256 == read.sha256:
        return Outcome(seen.sheet, hints=hints)
    return Outcome(_accept(platform, actor, seen, read, content), hints=hints)


def _sample(platform: Platform, seen: SheetSeen) -> Sample:
    from studies.evidence.sample.sheet import sheet_id

    sample = sample_for(platform, seen.round)
    hospital = seen.sheet.organisation_id
    if not sample.of(hospital) or sheet_id(sample, hospital) != seen.sheet.id:
        raise problems.SHEET_CHANGED.error(sheet=seen.sheet.id)
    return sample


def _read(
    content: bytes, sample: Sample, sheet: VerificationSheet
) -> tuple[Returned | None, tuple[PlatformError, ...]]:
    """The sheet where it can be used; else why not, whether of the file as a whole or line by line."""
    from studies.evidence.sample.read_sheet import read_sheet

    try:
        read = read_sheet(content, sample, sheet.organisation_id)
    except PlatformError as error:
        return None, (error,)
    if read.problems:
        return None, read.problems
    if not any(one.status != "unanswered" for one in read.answers):
        return None, (problems.NOTHING_ANSWERED.error(),)
    return read, ()


def _refuse(platform: Platform, actor: Actor, sheet_id: str, wrong: tuple[PlatformError, ...]) -> Outcome:
    """Nothing of it is kept. The log tells how many problems there were and of which kinds, by their codes."""
    act = Act(
        actor,
        "verification.sheet_refused",
        Object(SHEET_KIND, sheet_id),
        outcome="refused",
        decision={"problems": len(wrong), "codes": sorted({one.code for one in wrong})},
    )
    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        row = session.get_one(VerificationSheet, sheet_id)
        row.refused += 1
        session.add(row)
    return Outcome(row, wrong)


def _accept(
    platform: Platform, actor: Actor, seen: SheetSeen, read: Returned, content: bytes
) -> VerificationSheet:
    """Sealed beside the lock and put on record; what it replaces is removed afterwards."""
    replaced = ""
    answered = sum(one.status != "unanswered" for one in read.answers)

    def act() -> Act:
        said = {"round": seen.round.id, "answered": answered, "replaces": replaced}
        return Act(
            actor,
            "verification.sheet_accepted",
            Object(SHEET_KIND, seen.sheet.id, read.sha256),
            decision=said,
        )

    with until_recorded(platform.layout), platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        row = _to_accept(platform, session, seen.sheet.id)
        replaced = row.returned_sha256
        seal(platform, seen.round.lock_id, kept_as(row.id, read.sha256), content)
        row.returned_sha256, row.answered = read.sha256, answered
        row.returned_by, row.returned_at = actor.id, as_text(platform.clock())
        session.add(row)
    if replaced:
        forget(platform, seen.round.lock_id, kept_as(row.id, replaced))
    return row


def _to_accept(platform: Platform, session: Session, sheet_id: str) -> VerificationSheet:
    """The row as it is now: since it was looked at the round may have been closed, the lock erased, or somebody in it
    may have withdrawn.
    """
    row = session.get_one(VerificationSheet, sheet_id)
    round = session.get_one(VerificationRound, row.round_id)
    _check_open(round, row)
    check_lock_usable(platform, round.lock_id)
    row.state = check_transition(SHEET, SHEET_KIND, row.id, SheetState(row.state), SheetState.ACCEPTED)
    return row


def _check_open(round: VerificationRound, sheet: VerificationSheet) -> None:
    if round.state != RoundState.OPEN or sheet.state == SheetState.WITHDRAWN:
        raise problems.ROUND_CLOSED.error(until=round.known_until)
