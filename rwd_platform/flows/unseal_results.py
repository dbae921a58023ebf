"""A run's estimates are unsealed by two people: one asks, when the diagnostics are there, and another agrees.

    request_unsealing   the protocol is the frozen one, the planned diagnostics of this very run are computed, and
                        the requester declares what they know of the outcomes already
    decide_unsealing    somebody else agrees or refuses; agreed, the run's results become whole, provably those that
                        were computed

Every run is sealed, the next one too: what was seen of an earlier one the request says by itself. Who may not agree
is whoever asked; whether the other person looked at the diagnostics nobody can prove, and so they sign for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import LETTERS, is_reason, one_person
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.ids import new_id
from rwd_platform.flows import unseal_problems as problems
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import is_sealed, opened_results
from rwd_platform.flows.study import frozen_protocol, newest_run
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import UNSEALING, UnsealingState, check_transition
from rwd_platform.records.tables import AnalysisRun, Study, UnsealingRequest, UnsealingVote, User

if TYPE_CHECKING:
    from studies.before_unsealing import Diagnostic
    from studies.protocol import Protocol

REQUEST, APPROVE = "results.unseal_request", "results.unseal_approve"
KIND = "unsealing_request"
KNOWLEDGE = ("none", "registered", "seen")
LONGEST_REASON = 2000
_SEEN = "seen"


@dataclass(frozen=True)
class Knowledge:
    """What the requester knows of the outcomes at this moment.

    kind -- none | registered (as the protocol's `prior_knowledge` says) | seen
    seen -- what was seen, when and where; for `seen` alone
    """

    kind: str
    seen: str = ""


# -- asking --------------------------------------------------------------------------------------------------------


def request_unsealing(
    platform: Platform, actor: Actor, study_id: str, reason: str, knowledge: Knowledge
) -> UnsealingRequest:
    """Ask for the newest run's results to be unsealed.

    Raises `study.not_analysed`, `unsealing.nothing_sealed`, `study.protocol_changed`, `study.code_list_changed`,
    `withdrawal.lock_frozen`, `withdrawal.lock_reissued`, `unsealing.diagnostics_missing`, `unsealing.waiting`,
    `study.results_changed`,
    `unsealing.knowledge_unclear`, `unsealing.reason_missing`, `unsealing.reason_identifies`, `access.no_account`.
    """
    with refusals_recorded(platform.records, actor, REQUEST, "study", study_id):
        study = get_visible(platform.records, actor, REQUEST, Study, study_id)
        reason, seen = reason.strip(), knowledge.seen.strip()
        _check_words(reason)
        _check_knowledge(knowledge.kind, seen)
        run = newest_run(platform, study)
        protocol = _may_be_unsealed(platform, study, run)
        found = _diagnostics(platform, run, protocol)
        now = platform.clock()
        asked = UnsealingRequest(
            id=new_id("unsealing", now),
            organisation_id=study.organisation_id,
            project_id=study.project_id,
            study_id=study_id,
            run_id=run.id,
            knowledge=knowledge.kind,
            seen=seen,
            seen_before=_seen_before(platform, study_id),
            reason=reason,
            diagnostics=[one.as_dict() for one in found],
            state=UnsealingState.REQUESTED,
            requested_by=actor.id,
            requested_at=as_text(now),
        )
        act = _act(actor, "results.unsealing_requested", asked, run, reason)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            _check_still(session, run)
            _check_none_waits(session, study_id)
            session.add(asked)
    return asked


def _may_be_unsealed(platform: Platform, study: Study, run: AnalysisRun) -> Protocol:
    """The frozen protocol of a run that is sealed and whose lock may be used."""
    if not is_sealed(run):
        raise problems.NOTHING_SEALED.error(study=study.id)
    check_lock_usable(platform, run.lock_id)
    return frozen_protocol(platform, study)


def _diagnostics(platform: Platform, run: AnalysisRun, protocol: Protocol) -> tuple[Diagnostic, ...]:
    """The planned diagnostics of this run, if every population with a sealed estimate has those that it needs.

    Of the sealed part it is asked whether diagnostics are there, never what they found, nor whether an estimate could
    be made. Raises `unsealing.diagnostics_missing`.
    """
    from studies.before_unsealing import diagnostics_of, missing_diagnostics
    from studies.results import ResultSet
    from studies.sealing import planned_methods

    found = diagnostics_of(ResultSet.from_dict(run.results, {}), planned_methods(protocol))
    absent = [one.analysis for one in found if not one.is_there]
    if absent:
        raise problems.DIAGNOSTICS_MISSING.error(
            study=run.study_id, missing=", ".join(absent), missing_zh="、".join(absent)
        )
    missing = missing_diagnostics(ResultSet.from_dict(opened_results(platform, run), {}), protocol)
    if missing:
        raise problems.DIAGNOSTICS_MISSING.error(
            study=run.study_id,
            missing="; ".join(one.text.en for one in missing),
            missing_zh="；".join(one.text.zh for one in missing),
        )
    return found


def _seen_before(platform: Platform, study_id: str) -> str:
    """The day on which an earlier run first showed outcomes of this study; "" if none ever did."""
    runs = platform.records.all(select(AnalysisRun).where(AnalysisRun.study_id == study_id))
    shown = [run.unsealed_at or run.made_at for run in runs if not is_sealed(run)]
    return shanghai_date(datetime.fromisoformat(min(shown))).isoformat() if shown else ""


def _check_still(session: Session, run: AnalysisRun) -> None:
    """Between looking and writing nobody ran the study again or unsealed it."""
    newest = session.exec(
        select(AnalysisRun)
        .where(AnalysisRun.study_id == run.study_id)
        .order_by(col(AnalysisRun.made_at).desc())
        .limit(1)
    ).one()
    if newest.id != run.id or not is_sealed(newest):
        raise problems.NOTHING_SEALED.error(study=run.study_id)


def _check_none_waits(session: Session, study_id: str) -> None:
    for one in session.exec(
        select(UnsealingRequest).where(
            UnsealingRequest.study_id == study_id, UnsealingRequest.state == UnsealingState.REQUESTED
        )
    ):
        raise problems.WAITING.error(study=study_id, request=one.id)


def _check_knowledge(kind: str, seen: str) -> None:
    if kind not in KNOWLEDGE or bool(seen) != (kind == _SEEN):
        raise problems.KNOWLEDGE_UNCLEAR.error()
    if seen:
        _check_words(seen)


def _check_words(text: str) -> None:
    if len(text) > LONGEST_REASON or not is_reason(text):
        raise problems.REASON_MISSING.error(letters=LETTERS, longest=LONGEST_REASON)
    if identifies(text):
        raise problems.REASON_IDENTIFIES.error()


# -- deciding ------------------------------------------------------------------------------------------------------


def decide_unsealing(
    platform: Platform, actor: Actor, request_id: str, agree: bool, reason: str
) -> UnsealingRequest:
    """The second person's word. Agreed, the results are whole and open from now on; refused, they stay sealed.

    Raises `unsealing.not_a_voter`, `unsealing.same_person`, `unsealing.reason_missing`, `lifecycle.not_allowed` for a
    request that is decided or outdated, `study.results_changed`, and what `request_unsealing` raises about protocol
    and lock.
    """
    with refusals_recorded(platform.records, actor, APPROVE, KIND, request_id):
        asked = get_visible(platform.records, actor, APPROVE, UnsealingRequest, request_id)
        if actor.id == asked.requested_by:
            raise problems.NOT_A_VOTER.error(request=request_id)
        reason = reason.strip()
        _check_words(reason)
        wanted = UnsealingState.UNSEALED if agree else UnsealingState.REFUSED
        check_transition(UNSEALING, "unsealing", request_id, UnsealingState(asked.state), wanted)
        run = platform.records.get(AnalysisRun, asked.run_id)
        whole = _whole(platform, asked, run) if agree else None
        _decide(platform, actor, asked, run, whole, reason)
    if agree:
        _checkpoint(platform)
    return platform.records.get(UnsealingRequest, request_id)


def _whole(platform: Platform, asked: UnsealingRequest, run: AnalysisRun) -> dict[str, Any]:
    """The results as they were computed, if what was asked for still holds."""
    _may_be_unsealed(platform, platform.records.get(Study, asked.study_id), run)
    return opened_results(platform, run)


def _decide(
    platform: Platform,
    actor: Actor,
    asked: UnsealingRequest,
    run: AnalysisRun,
    whole: Mapping[str, Any] | None,
    reason: str,
) -> None:
    """Vote, state and results in one transaction with the log's entry. `whole` is None where it was refused."""
    now = as_text(platform.clock())
    wanted = UnsealingState.REFUSED if whole is None else UnsealingState.UNSEALED
    done = "results.unsealing_refused" if whole is None else "results.unsealed"
    with platform.records.transaction(audit=_act(actor, done, asked, run, reason)) as session:
        check_account(session, actor, platform.clock)
        current = session.get_one(UnsealingRequest, asked.id)
        if _person(session, actor.id) == _person(session, current.requested_by):
            raise problems.SAME_PERSON.error(request=asked.id)
        state = UnsealingState(current.state)
        current.state = check_transition(UNSEALING, "unsealing", asked.id, state, wanted)
        current.decided_at = now
        session.add(
            UnsealingVote(
                request_id=asked.id,
                voter_id=actor.id,
                organisation_id=actor.organisation,
                agreed=whole is not None,
                reason=reason,
                voted_at=now,
            )
        )
        if whole is not None:
            _check_still(session, run)
            shown = session.get_one(AnalysisRun, run.id)
            shown.results, shown.sealed_part, shown.unsealed_at = dict(whole), None, now


def _person(session: Session, user_id: str) -> str:
    """Whoever the account is of, as names are compared; the account itself where nobody stands in it."""
    user = session.get(User, user_id)
    return (one_person(user.name) if user is not None else "") or f"account {user_id}"


def _act(actor: Actor, action: str, asked: UnsealingRequest, run: AnalysisRun, reason: str) -> Act:
    """The log's entry: what was declared and what the diagnostics warned of; never a number of the results."""
    return Act(
        actor,
        action,
        Object("run", run.id, run.results_sha256),
        reason=reason,
        purpose=asked.project_id,
        decision={
            "request": asked.id,
            "knowledge": asked.knowledge,
            "seen": asked.seen,
            "seen_before": asked.seen_before,
            "diagnostics": [one["analysis"] for one in asked.diagnostics],
            "warnings": sum(len(one["warnings"]) for one in asked.diagnostics),
        },
    )


def _checkpoint(platform: Platform) -> None:
    from rwd_platform.audit.checkpoints import make_checkpoint

    make_checkpoint(platform.records, platform.log_signer, "unsealing")


# -- reading -------------------------------------------------------------------------------------------------------


def requests_of(platform: Platform, study_id: str) -> Sequence[UnsealingRequest]:
    """Every request of a study, the newest first."""
    return platform.records.all(
        select(UnsealingRequest)
        .where(UnsealingRequest.study_id == study_id)
        .order_by(col(UnsealingRequest.requested_at).desc(), col(UnsealingRequest.id).desc())
    )


def votes_of(platform: Platform, request_id: str) -> Sequence[UnsealingVote]:
    return platform.records.all(
        select(UnsealingVote)
        .where(UnsealingVote.request_id == request_id)
        .order_by(col(UnsealingVote.voted_at))
    )
