"""Break-glass: somebody needs to know who one patient is, and two others agree.

A request names one pseudonym, of the lake or of a study's subject, and a reason. Two approvers, neither of them
the requester, say yes; then the requester alone may look, once, within the time asked for. Every step and every
refusal is in the log; reasons are personal detail, sealed beside the log and kept in the request. How many, how
long and how soon is data: break_glass.toml.

The clock is not trusted to go forward: time is never before the newest instant on record, and a clock that
lies further behind it than allowed stops everything here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sqlalchemy import func
from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import is_reason, one_person
from deidentify.disclosure.rules.texts import identifies
from deidentify.pseudonym import parse_token
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, Scope, check_may, visible_organisation
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.ids import new_id
from rwd_platform.flows import break_glass_problems as problems
from rwd_platform.flows.first_names import current_name
from rwd_platform.flows.ledger_map import lake_names
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.vault import Identity, holder_of, open_entry
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import BREAK_GLASS, BreakGlassState, check_transition
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import AuditEntry, BreakGlassRequest, BreakGlassVote, User

KIND = "break_glass_request"
_REQUESTED, _APPROVED = BreakGlassState.REQUESTED, BreakGlassState.APPROVED
_MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Limits:
    """What break_glass.toml says."""

    reason_characters: int
    vote_reason_characters: int
    longest_reason: int
    approvals: int
    most_minutes: int
    decide_within_hours: int
    open_requests: int
    requests_in_30_days: int
    clock_behind_seconds: int


@lru_cache(maxsize=1)
def limits() -> Limits:
    return Limits(**tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")))


def request(
    platform: Platform, actor: Actor, patient_id: str, reason: str, minutes: int
) -> BreakGlassRequest:
    """Ask who a patient is. `minutes`: how long it may be looked at after the second approval.

    `patient_id` is the pseudonym of the lake, or that of a subject of a study as a lock or a package has it.
    """
    reason, patient_id = reason.strip(), patient_id.strip()
    row: BreakGlassRequest

    def act() -> Act:
        detail = {"reason": reason, "patient_id": row.patient_id}
        return Act(actor, "break_glass.requested", Object(KIND, row.id), detail=detail)

    with refusals_recorded(platform.records, actor, Action.BREAK_GLASS_REQUEST, "patient", ""):
        scope = check_may(actor, Action.BREAK_GLASS_REQUEST)
        _check_reason(reason, limits().reason_characters)
        if not 1 <= minutes <= limits().most_minutes:
            raise problems.MINUTES.error(most=limits().most_minutes)
        _check_pseudonym(patient_id)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            now = _now(platform, session, None)
            _check_not_too_many(session, actor, now)
            own = None if scope is Scope.ANY else actor.organisation
            holder, patient_id = _in_the_lake(platform, session, patient_id, own)
            row = BreakGlassRequest(
                id=new_id("bg", now),
                organisation_id=holder,
                patient_id=patient_id,
                requested_by=actor.id,
                requester_organisation_id=actor.organisation,
                reason=reason,
                minutes=minutes,
                state=_REQUESTED,
                requested_at=as_text(now),
            )
            session.add(row)
    return row


def vote(platform: Platform, actor: Actor, request_id: str, approved: bool, reason: str) -> BreakGlassRequest:
    """One approver's word. One no refuses the request; the last yes that is needed starts the time to look."""
    reason, told = reason.strip(), _Told()

    def act() -> Act:
        if told.refusal:
            return _expired(actor, request_id)
        decision = {"approved": approved, "state": told.row.state}
        return Act(
            actor, "break_glass.voted", Object(KIND, request_id), decision=decision, detail={"reason": reason}
        )

    with refusals_recorded(platform.records, actor, Action.BREAK_GLASS_APPROVE, KIND, request_id):
        visible_request(platform, actor, request_id, Action.BREAK_GLASS_APPROVE)
        _check_reason(reason, limits().vote_reason_characters)
        with platform.records.transaction(audit=act) as session:
            told.row = row = session.get_one(BreakGlassRequest, request_id)
            check_account(session, actor, platform.clock)
            now = _now(platform, session, row)
            if row.requested_by == actor.id:
                raise problems.OWN_REQUEST.error()
            if not _ends_here(row, now, told):
                _count_vote(session, row, actor, approved, reason, now)
        told.raise_refusal()
    return told.row


def open_identity(platform: Platform, actor: Actor, request_id: str) -> Identity:
    """Who it is: for the requester alone, once, in time. Of two who open at once one gets the answer.

    The approvals are counted again: one by somebody whose account was disabled or changed since is none.
    """
    told = _Told()

    def act() -> Act:
        if told.refusal:
            return _expired(actor, request_id)
        return Act(actor, "break_glass.opened", Object(KIND, request_id), purpose="identity of one patient")

    with refusals_recorded(platform.records, actor, Action.BREAK_GLASS_OPEN, KIND, request_id):
        visible_request(platform, actor, request_id, Action.BREAK_GLASS_OPEN)
        with platform.records.transaction(audit=act) as session:
            row = session.get_one(BreakGlassRequest, request_id)
            check_account(session, actor, platform.clock)
            now = _now(platform, session, row)
            if row.requested_by != actor.id:
                raise problems.REQUESTER_ONLY.error()
            if not _ends_here(row, now, told):
                _check_openable(session, row)
                row.state, row.opened_at = _next(row, BreakGlassState.OPENED), as_text(now)
                session.add(row)
                identity = open_entry(platform, session, row.organisation_id, row.patient_id)
        told.raise_refusal()
    return identity


# -- reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RequestSeen:
    """A request as people see it. `state` is what it is now: one whose time has passed is expired."""

    row: BreakGlassRequest
    state: BreakGlassState
    votes: tuple[BreakGlassVote, ...]
    seconds_left: int  # to decide, or to look; 0 when it is over


def visible_request(
    platform: Platform, actor: Actor, request_id: str, action: Action = Action.BREAK_GLASS_READ
) -> BreakGlassRequest:
    """The request, if the actor may do this to it. A request belongs to whoever made it, not to the patient's
    hospital; somebody else's looks like none.
    """
    with refusals_recorded(platform.records, actor, action, KIND, request_id):
        organisation = visible_organisation(actor, action)
        row = platform.records.get(BreakGlassRequest, request_id)
        if organisation is not None and row.requester_organisation_id != organisation:
            raise NOT_FOUND.error(kind=KIND, id=request_id)
    return row


def requests_seen(platform: Platform, actor: Actor) -> list[RequestSeen]:
    """The requests that the actor may read, the newest first."""
    organisation = visible_organisation(actor, Action.BREAK_GLASS_READ)
    query = select(BreakGlassRequest).order_by(col(BreakGlassRequest.requested_at).desc())
    if organisation is not None:
        query = query.where(BreakGlassRequest.requester_organisation_id == organisation)
    rows = platform.records.all(query.limit(200))
    votes = platform.records.all(
        select(BreakGlassVote)
        .where(col(BreakGlassVote.request_id).in_([row.id for row in rows]))
        .order_by(col(BreakGlassVote.voted_at))
    )
    return [_seen(platform, row, [vote for vote in votes if vote.request_id == row.id]) for row in rows]


def request_seen(platform: Platform, actor: Actor, request_id: str) -> RequestSeen:
    row = visible_request(platform, actor, request_id)
    with platform.records.reading() as session:
        return _seen(platform, row, _votes(session, request_id))


def _seen(platform: Platform, row: BreakGlassRequest, votes: Sequence[BreakGlassVote]) -> RequestSeen:
    now, ends = platform.clock(), _ends(row)
    over = ends is not None and now > ends
    state = BreakGlassState.EXPIRED if over else BreakGlassState(row.state)
    left = 0 if ends is None or over else int((ends - now).total_seconds())
    return RequestSeen(row, state, tuple(votes), left)


# -- the rules ----------------------------------------------------------------------------------------


class _Told:
    """What a transaction found, for its own entry and for what comes after it."""

    row: BreakGlassRequest
    refusal: PlatformError | None = None

    def raise_refusal(self) -> None:
        if self.refusal is not None:
            raise self.refusal


def _check_reason(reason: str, shortest: int) -> None:
    """`shortest` is in letters: signs, digits and what is not seen are no reason."""
    if len(reason) > limits().longest_reason or not is_reason(reason, shortest):
        raise problems.REASON.error(shortest=shortest, longest=limits().longest_reason)
    if identifies(reason):
        raise problems.REASON_IDENTIFIES.error()


def _check_pseudonym(text: str) -> None:
    """What was typed may be a name or a number of a real person, so it is refused without being repeated."""
    try:
        parse_token(text)
    except PlatformError:
        raise problems.NO_PSEUDONYM.error() from None


def _in_the_lake(
    platform: Platform, session: Session, pseudonym: str, organisation: str | None
) -> tuple[str, str]:
    """The hospital and its lake pseudonym; of a subject at several hospitals the first that may be asked about."""
    # A lock keeps the names of its day; the hospital's key may have been rotated since.
    places = lake_names(platform, session, pseudonym)
    names = [current_name(platform, hospital, patient) for hospital, patient in places]
    for patient in names or [pseudonym]:
        holder = holder_of(session, patient, organisation)
        if holder is not None:
            return holder, patient
    raise NOT_FOUND.error(kind="patient", id=pseudonym)


def _check_not_too_many(session: Session, actor: Actor, now: datetime) -> None:
    own = session.exec(
        select(BreakGlassRequest).where(
            BreakGlassRequest.requested_by == actor.id,
            BreakGlassRequest.requested_at > as_text(now - _MONTH),
        )
    ).all()
    waiting = [row for row in own if (ends := _ends(row)) is not None and now <= ends]
    if len(waiting) >= limits().open_requests:
        raise problems.TOO_MANY_OPEN.error(limit=limits().open_requests)
    if len(own) >= limits().requests_in_30_days:
        raise problems.TOO_MANY.error(limit=limits().requests_in_30_days)


def _check_openable(session: Session, row: BreakGlassRequest) -> None:
    if row.state == BreakGlassState.OPENED:
        raise problems.ALREADY_OPENED.error()
    if row.state == BreakGlassState.EXPIRED:
        raise problems.EXPIRED.error()
    standing = sum(_stands(session, vote) for vote in _votes(session, row.id))
    if row.state != _APPROVED or standing < limits().approvals:
        raise problems.NOT_APPROVED.error(approvals=limits().approvals)


def _stands(session: Session, vote: BreakGlassVote) -> bool:
    """Whether it is a yes of somebody who could still say it."""
    user = session.get(User, vote.approver_id)
    if user is None or not vote.approved:
        return False
    approver = Actor(user.id, user.role, vote.organisation_id)
    try:
        check_account(session, approver)
        check_may(approver, Action.BREAK_GLASS_APPROVE)
    except PlatformError:
        return False
    return True


def _count_vote(
    session: Session, row: BreakGlassRequest, actor: Actor, approved: bool, reason: str, now: datetime
) -> None:
    if row.state == BreakGlassState.EXPIRED:
        raise problems.EXPIRED.error()
    if row.state != _REQUESTED:
        raise problems.DECIDED.error()
    votes = _votes(session, row.id)
    if any(one.approver_id == actor.id for one in votes):
        raise problems.VOTED.error()
    if _name(session, actor.id) in {
        _name(session, one) for one in (row.requested_by, *(v.approver_id for v in votes))
    }:
        raise problems.SAME_PERSON.error()
    session.add(
        BreakGlassVote(
            request_id=row.id,
            approver_id=actor.id,
            organisation_id=actor.organisation,
            approved=approved,
            reason=reason,
            voted_at=as_text(now),
        )
    )
    if not approved:
        row.state = _next(row, BreakGlassState.REFUSED)
    elif len(votes) + 1 >= limits().approvals:
        row.state = _next(row, _APPROVED)
        row.open_until = as_text(now + timedelta(minutes=row.minutes))
    session.add(row)


def _name(session: Session, user_id: str) -> str:
    """Whoever the account is of, as names are compared: two accounts of one name are one person."""
    user = session.get(User, user_id)
    return (one_person(user.name) if user is not None else "") or f"account {user_id}"


def _ends(row: BreakGlassRequest) -> datetime | None:
    """Until when it waits for a decision or for the look; None when it waits for nothing."""
    if row.state == _REQUESTED:
        return datetime.fromisoformat(row.requested_at) + timedelta(hours=limits().decide_within_hours)
    return datetime.fromisoformat(row.open_until) if row.state == _APPROVED else None


def _ends_here(row: BreakGlassRequest, now: datetime, told: _Told) -> bool:
    """Whether its time has passed: then that is what goes on record, and the attempt is refused."""
    ends = _ends(row)
    if ends is None or now <= ends:
        return False
    row.state = _next(row, BreakGlassState.EXPIRED)
    told.refusal = problems.EXPIRED.error()
    return True


def _expired(actor: Actor, request_id: str) -> Act:
    return Act(actor, "break_glass.expired", Object(KIND, request_id))


def _now(platform: Platform, session: Session, row: BreakGlassRequest | None) -> datetime:
    """Not before anything on record. Raises `break_glass.clock_moved_back` for a clock that lies behind that."""
    told = platform.clock()
    known = [session.exec(select(func.max(AuditEntry.at))).one() or ""]
    if row is not None:
        known += [row.requested_at, *(one.voted_at for one in _votes(session, row.id))]
    newest = datetime.fromisoformat(max(known)) if any(known) else told
    if newest - told > timedelta(seconds=limits().clock_behind_seconds):
        raise problems.CLOCK_MOVED_BACK.error(seconds=int((newest - told).total_seconds()))
    return max(told, newest)


def _votes(session: Session, request_id: str) -> list[BreakGlassVote]:
    query = select(BreakGlassVote).where(BreakGlassVote.request_id == request_id)
    return list(session.exec(query.order_by(col(BreakGlassVote.voted_at))).all())


def _next(row: BreakGlassRequest, wanted: BreakGlassState) -> BreakGlassState:
    return check_transition(BREAK_GLASS, KIND, row.id, BreakGlassState(row.state), wanted)
