"""What the records say of source verification: rounds, sheets, and which of them a package is told of.

Nothing here reads a lock or a sheet, so pages and the choice of a package's version may ask at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from rwd_platform.access.permissions import Action, check_may, visible_rows
from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.lifecycles import (
    ROUND,
    SHEET,
    RoundState,
    SheetState,
    check_transition,
)
from rwd_platform.records.state_words import state
from rwd_platform.records.tables import Study, VerificationRound, VerificationSheet

ROUND_KIND, SHEET_KIND = "verification_round", "verification_sheet"


@dataclass(frozen=True)
class RoundSeen:
    """A round with its sheets, by hospital."""

    round: VerificationRound
    sheets: tuple[VerificationSheet, ...]

    @property
    def accepted(self) -> tuple[VerificationSheet, ...]:
        return tuple(one for one in self.sheets if one.state == SheetState.ACCEPTED)

    @property
    def is_open(self) -> bool:
        return self.round.state == RoundState.OPEN


@dataclass(frozen=True)
class SheetSeen:
    """A hospital's sheet with its round. `can_return`: the round is open and the sheet stands."""

    sheet: VerificationSheet
    round: VerificationRound

    @property
    def can_return(self) -> bool:
        return self.round.state == RoundState.OPEN and self.sheet.state != SheetState.WITHDRAWN

    @property
    def standing(self) -> Bilingual:
        return sheet_standing(self.round, self.sheet)


NOT_RETURNED = Bilingual("本轮已关闭，未交回", "Not returned: the round is closed")


def sheet_standing(round: VerificationRound, sheet: VerificationSheet) -> Bilingual:
    """A sheet's state in words. One that nobody returned waits for no hospital any more once its round is closed."""
    if sheet.state == SheetState.ISSUED and round.state != RoundState.OPEN:
        return NOT_RETURNED
    return state(sheet.state)


def titles_of(study: Study) -> dict[str, Bilingual]:
    """The protocol's titles of what is verified, by the name of the variable."""
    from studies.evidence.sample.variables import variables_of
    from studies.protocol import load_protocol

    return {one.name: one.title for one in variables_of(load_protocol(study.protocol))}


def rounds_of(platform: Platform, study_id: str) -> list[RoundSeen]:
    """Of one study, the newest first. Whether somebody may see the study is the caller's question."""
    return _with_sheets(platform, _rounds(platform, VerificationRound.study_id == study_id))


def sheets_of(platform: Platform, actor: Actor) -> list[SheetSeen]:
    """The sheets of the actor's own hospital: those that wait first, then the newest."""
    check_may(actor, Action.VERIFICATION_FILL)
    own = platform.records.all(
        select(VerificationSheet)
        .where(VerificationSheet.organisation_id == actor.organisation)
        .order_by(col(VerificationSheet.id))
    )
    sheets = visible_rows(platform.records, actor, Action.VERIFICATION_FILL, own)
    found = [SheetSeen(one, platform.records.get(VerificationRound, one.round_id)) for one in sheets]
    found.sort(key=lambda one: one.round.drawn_at, reverse=True)
    return sorted(found, key=lambda one: not is_waiting(one))


def is_waiting(one: SheetSeen) -> bool:
    return one.can_return and one.sheet.state == SheetState.ISSUED


def returned_of(platform: Platform, lock_id: str) -> dict[str, Any] | None:
    """What came back of a lock's rows, as facts that make one version of a package other than another; None: nothing.

    Every closed round from which a sheet was accepted, the newest first: none hides another. Of an open one it is told
    that sheets came back, and which they are only once it is closed.
    """
    every = _with_sheets(platform, _rounds(platform, VerificationRound.lock_id == lock_id))
    numbered = [(len(every) - place, one) for place, one in enumerate(every) if one.accepted]
    if not numbered:
        return None
    return {
        "rounds": [_closed(number, one) for number, one in numbered if not one.is_open],
        "open": next((_open(number, one) for number, one in numbered if one.is_open), None),
    }


def _closed(number: int, one: RoundSeen) -> dict[str, Any]:
    return {
        **_drawn(number, one),
        "closed_because": one.round.closed_because,
        "sheets": [
            {"hospital": sheet.organisation_id, "sheet": sheet.id, "sha256": sheet.returned_sha256}
            for sheet in one.accepted
        ],
        "outstanding": [sheet.organisation_id for sheet in one.sheets if sheet.state != SheetState.ACCEPTED],
    }


def _open(number: int, one: RoundSeen) -> dict[str, Any]:
    return {**_drawn(number, one), "issued": len(one.sheets), "returned": len(one.accepted)}


def _drawn(number: int, one: RoundSeen) -> dict[str, Any]:
    return {
        "round": one.round.id,
        "number": number,
        "known_until": one.round.known_until,
        "policy_sha256": one.round.policy_sha256,
    }


def withdraw_sheets(platform: Platform, session: Session, lock_id: str) -> None:
    """The lock is erased: its rounds end, and what came back counts no more. Hashes and counts stay. Safe to do again.

    The bytes lie beside the lock and go with it (erase_locks.destroy_old_locks).
    """
    rounds = session.exec(select(VerificationRound).where(VerificationRound.lock_id == lock_id)).all()
    for one in rounds:
        if one.state == RoundState.OPEN:
            one.state = check_transition(ROUND, ROUND_KIND, one.id, RoundState.OPEN, RoundState.CLOSED)
            one.closed_at = as_text(platform.clock())
            session.add(one)
        sheets = session.exec(select(VerificationSheet).where(VerificationSheet.round_id == one.id)).all()
        for sheet in sheets:
            if sheet.state != SheetState.WITHDRAWN:
                now = SheetState(sheet.state)
                sheet.state = check_transition(SHEET, SHEET_KIND, sheet.id, now, SheetState.WITHDRAWN)
                session.add(sheet)


def _rounds(platform: Platform, condition: Any) -> Sequence[VerificationRound]:
    newest = (col(VerificationRound.drawn_at).desc(), col(VerificationRound.id).desc())
    return platform.records.all(select(VerificationRound).where(condition).order_by(*newest))


def _with_sheets(platform: Platform, rounds: Sequence[VerificationRound]) -> list[RoundSeen]:
    wanted = [one.id for one in rounds]
    sheets = platform.records.all(
        select(VerificationSheet)
        .where(col(VerificationSheet.round_id).in_(wanted))
        .order_by(col(VerificationSheet.organisation_id))
    )
    return [RoundSeen(one, tuple(each for each in sheets if each.round_id == one.id)) for one in rounds]
