"""Asking that a patient's data be erased, and deciding it: who, why, which duties, two approvers.

A request that a legal hold or a duty to retain refuses is on record as refused, and freezes the use all the
same (Personal Information Protection Law, article 47 (2)). The second approval queues the erasure
(erase_patient.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import one_person
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, check_may, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.ids import new_id
from rwd_platform.flows import withdraw_problems as problems
from rwd_platform.flows.erase_duties import named, platform_sees, read_answers, still_hold
from rwd_platform.flows.first_names import current_name
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import (
    check_may_read,
    check_reason_code,
    check_text,
    hold_on,
    hospital_of,
    record_withdrawal,
    retention,
)
from rwd_platform.flows.withdraw_charts import Place, charts_of, every_chart, find_patient
from rwd_platform.jobs import queue
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import ERASURE, ErasureState, check_transition
from rwd_platform.records.tables import ErasureRequest, ErasureVote, LegalHold, User, Withdrawal

KIND = "erasure_request"
JOB = "erase"
_OPEN = (ErasureState.REQUESTED, ErasureState.APPROVED, ErasureState.ERASING)


def request_erasure(
    platform: Platform,
    actor: Actor,
    patient: str,
    *,
    reason: str,
    duties: dict[str, str],
    source_system: str = "",
    charts_seen: int = 0,
) -> ErasureRequest:
    """Ask that one patient's data be destroyed. `duties`: rule -> `no`, or the last day on which it holds.

    All charts of the person at the hospital go; `charts_seen` says how many, where there are several.
    Raises `withdrawal.patient_ambiguous` and `withdrawal.charts_unseen` before anything is on record, `erasure.held`
    and `erasure.retained` after the refused request and the frozen use are.
    """
    with refusals_recorded(platform.records, actor, Action.ERASURE_REQUEST, "patient", ""):
        hospital = hospital_of(actor, Action.ERASURE_REQUEST, "")
        check_reason_code(reason)
        today = shanghai_date(platform.clock())
        answered = read_answers(duties, today)
        place = hospital, find_patient(platform, hospital, patient, source_system)
        person = charts_of(platform, place)
        person.check_seen(charts_seen)
        answered["charts"] = [chart.patient_id for chart in person.charts]
        answered["platform_sees"] = platform_sees(platform, *place)
        # Whoever asks for erasure takes no further part, also where nothing may be erased yet.
        record_withdrawal(platform, actor, place, reason, today.isoformat(), "")
        row = _put(platform, actor, place, reason, answered)
        _raise_refusal(platform, row)
    return row


def _put(
    platform: Platform, actor: Actor, place: Place, reason: str, duties: dict[str, object]
) -> ErasureRequest:
    now = platform.clock()
    row = ErasureRequest(
        id=new_id("erasure", now),
        organisation_id=place[0],
        patient_id=place[1],
        reason=reason,
        state=ErasureState.REQUESTED,
        requested_by=actor.id,
        requester_organisation_id=actor.organisation,
        requested_at=as_text(now),
        duties=duties,
        counts={},
    )

    def act() -> Act:
        decision = {"state": row.state, "refused": row.duties.get("refused", "")}
        return Act(actor, "erasure.requested", Object(KIND, row.id), reason=reason, decision=decision)

    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        charts = {patient for _, patient in every_chart(session, [place])}
        for other in session.exec(select(ErasureRequest).where(ErasureRequest.organisation_id == place[0])):
            is_same = current_name(platform, place[0], other.patient_id) in charts
            if is_same and other.state in (*_OPEN, ErasureState.ERASED):
                raise problems.OPEN_ALREADY.error(request=other.id, state=other.state)
        why = _why_not(platform, session, row)
        if why:
            row.state, row.decided_at = ErasureState.REFUSED, as_text(now)
            row.duties = {**row.duties, "refused": why}
        session.add(row)
    return row


def _why_not(platform: Platform, session: Session, row: ErasureRequest) -> str:
    """`hold`, `retention`, or nothing that stands against it."""
    if hold_on(platform, session, place_of(platform, row)) is not None:
        return "hold"
    return "retention" if still_hold(row.duties, shanghai_date(platform.clock())) else ""


def _raise_refusal(platform: Platform, row: ErasureRequest) -> None:
    why = row.duties.get("refused", "")
    if why == "hold":
        with platform.records.reading() as session:
            hold = hold_on(platform, session, place_of(platform, row))
        if hold is not None:
            raise problems.HELD.error(at=hold.placed_at, reason=hold.reason)
    if why == "retention":
        rules = still_hold(row.duties, shanghai_date(platform.clock()))
        raise problems.RETAINED.error(rules=named(row.duties, rules))


def vote(platform: Platform, actor: Actor, request_id: str, approved: bool, reason: str) -> ErasureRequest:
    """One approver's word. One no refuses; the last yes that is needed queues the erasure.

    A hold or a duty that came up since refuses the request in place of the vote.
    """
    get_visible(platform.records, actor, Action.ERASURE_APPROVE, ErasureRequest, request_id)
    row: ErasureRequest

    def act() -> Act:
        decision = {"approved": approved, "state": row.state, "refused": row.duties.get("refused", "")}
        return Act(
            actor, "erasure.voted", Object(KIND, request_id), decision=decision, detail={"reason": reason}
        )

    with refusals_recorded(platform.records, actor, Action.ERASURE_APPROVE, KIND, request_id):
        check_text(reason)
        with platform.records.transaction(audit=act) as session:
            row = session.get_one(ErasureRequest, request_id)
            check_account(session, actor, platform.clock)
            _check_voter(session, row, actor)
            why = _why_not(platform, session, row) if approved else ""
            _count_vote(platform, session, row, actor, approved, reason.strip(), why)
        _raise_refusal(platform, row)
    if row.state == ErasureState.APPROVED:
        queue.enqueue(platform.records, actor, JOB, {"request_id": row.id}, f"{JOB}/{row.id}")
    return row


def _check_voter(session: Session, row: ErasureRequest, actor: Actor) -> None:
    votes = _votes(session, row.id)
    if any(one.approver_id == actor.id for one in votes):
        raise problems.VOTED.error(request=row.id)
    if row.state != ErasureState.REQUESTED:
        raise problems.DECIDED.error(request=row.id)
    others = {_name(session, one) for one in (row.requested_by, *(v.approver_id for v in votes))}
    if row.requested_by == actor.id or _name(session, actor.id) in others:
        raise problems.OWN_REQUEST.error()


def _count_vote(
    platform: Platform,
    session: Session,
    row: ErasureRequest,
    actor: Actor,
    approved: bool,
    reason: str,
    why_not: str,
) -> None:
    now = as_text(platform.clock())
    session.add(
        ErasureVote(
            request_id=row.id,
            approver_id=actor.id,
            organisation_id=actor.organisation,
            approved=approved,
            reason=reason,
            voted_at=now,
        )
    )
    session.flush()
    if why_not or not approved:
        row.state, row.decided_at = _next(row, ErasureState.REFUSED), now
        row.duties = {**row.duties, "refused": why_not or "vote"}
    elif len(_votes(session, row.id)) >= retention().approvals:
        row.state, row.decided_at = _next(row, ErasureState.APPROVED), now
    session.add(row)


def standing_approvals(session: Session, request_id: str) -> list[str]:
    """Approvers who could still say yes: one whose account was disabled or changed since counts no more."""
    standing = []
    for one in _votes(session, request_id):
        user = session.get(User, one.approver_id)
        if user is None or not one.approved:
            continue
        approver = Actor(user.id, user.role, one.organisation_id)
        try:
            check_account(session, approver)
            check_may(approver, Action.ERASURE_APPROVE)
        except PlatformError:
            continue
        standing.append(one.approver_id)
    return standing


def _name(session: Session, user_id: str) -> str:
    """Two accounts of one name are one person."""
    user = session.get(User, user_id)
    return (one_person(user.name) if user is not None else "") or f"account {user_id}"


def _votes(session: Session, request_id: str) -> list[ErasureVote]:
    query = select(ErasureVote).where(ErasureVote.request_id == request_id)
    return list(session.exec(query.order_by(col(ErasureVote.voted_at))).all())


def _next(row: ErasureRequest, wanted: ErasureState) -> ErasureState:
    return check_transition(ERASURE, KIND, row.id, ErasureState(row.state), wanted)


def place_of(platform: Platform, row: ErasureRequest | Withdrawal | LegalHold) -> Place:
    """Whose data: the hospital and the pseudonym as it is now. Of an erased patient it stays as it was."""
    return row.organisation_id, current_name(platform, row.organisation_id, row.patient_id)


# -- reading -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CaseSeen:
    """Everything on record about one patient who withdrew, is held, or is to be erased.

    charts          -- how many the person has at this hospital: what freezes one freezes all
    other_hospitals -- how many others have records of the person, where nothing is done by itself
    """

    organisation_id: str
    patient_id: str
    withdrawals: tuple[Withdrawal, ...]
    holds: tuple[LegalHold, ...]
    requests: tuple[ErasureRequest, ...]
    charts: int = 1
    other_hospitals: int = 0

    @property
    def is_frozen(self) -> bool:
        return bool(self.withdrawals) or any(not hold.lifted_at for hold in self.holds)


def cases_seen(platform: Platform, actor: Actor) -> list[CaseSeen]:
    """By patient, the newest first; a hospital sees its own patients alone."""
    organisation = check_may_read(actor)
    found: dict[Place, list[Withdrawal | LegalHold | ErasureRequest]] = {}
    rows: list[Withdrawal | LegalHold | ErasureRequest] = [*platform.records.all(select(Withdrawal))]
    rows += [*platform.records.all(select(LegalHold)), *platform.records.all(select(ErasureRequest))]
    for row in rows:
        if organisation in (None, row.organisation_id):
            found.setdefault(place_of(platform, row), []).append(row)
    cases = [_case(platform, place, rows) for place, rows in found.items()]
    return sorted(cases, key=_newest, reverse=True)


def _case(platform: Platform, place: Place, rows: list[Withdrawal | LegalHold | ErasureRequest]) -> CaseSeen:
    person = charts_of(platform, place)
    return CaseSeen(
        *place,
        withdrawals=tuple(row for row in rows if isinstance(row, Withdrawal)),
        holds=tuple(row for row in rows if isinstance(row, LegalHold)),
        requests=tuple(row for row in rows if isinstance(row, ErasureRequest)),
        charts=len(person.charts),
        other_hospitals=person.other_hospitals,
    )


def _newest(case: CaseSeen) -> str:
    return max(
        *(row.recorded_at for row in case.withdrawals),
        *(row.placed_at for row in case.holds),
        *(row.requested_at for row in case.requests),
        "",
        "",
    )


@dataclass(frozen=True)
class RequestSeen:
    row: ErasureRequest
    votes: tuple[ErasureVote, ...]
    hold: LegalHold | None


def request_seen(platform: Platform, actor: Actor, request_id: str) -> RequestSeen:
    row = get_visible(platform.records, actor, Action.WITHDRAWAL_READ, ErasureRequest, request_id)
    with platform.records.reading() as session:
        hold = hold_on(platform, session, place_of(platform, row))
        return RequestSeen(row, tuple(_votes(session, request_id)), hold)
