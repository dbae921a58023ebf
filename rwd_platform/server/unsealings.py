"""What a page and the API say of a study's seal: what waits, who asked, what the second person has to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.access.permissions import can, can_see
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import readable_runs
from rwd_platform.flows.sealed_results import is_sealed
from rwd_platform.flows.unseal_results import APPROVE, REQUEST, requests_of, votes_of
from rwd_platform.records.lifecycles import UnsealingState
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import AnalysisRun, Study, UnsealingRequest
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor
from rwd_platform.server.results import in_both


@dataclass(frozen=True)
class Vote:
    name: Bilingual
    agreed: bool
    reason: str
    voted_at: str


@dataclass(frozen=True)
class Checked:
    """One planned diagnostic as it stood when unsealing was asked for."""

    analysis: str
    reason: Bilingual | None  # why it could not be computed
    before: float | None
    after: float | None
    effective: tuple[tuple[str, float], ...]
    separation: float | None
    equipoise: float | None
    warnings: tuple[Bilingual, ...]


@dataclass(frozen=True)
class Asked:
    request: UnsealingRequest
    name: Bilingual
    diagnostics: tuple[Checked, ...]
    votes: tuple[Vote, ...]


@dataclass(frozen=True)
class Seal:
    """The newest run's seal.

    state    -- none (no run) | open (nothing sealed) | sealed | waiting | unsealed
    analyses -- the planned analyses that are sealed, or were
    asked    -- the newest request about this run, for whoever may know more than the state; None otherwise
    earlier  -- every older request of the study
    """

    state: str
    analyses: tuple[str, ...] = ()
    unsealed_at: str = ""
    asked: Asked | None = None
    earlier: tuple[UnsealingRequest, ...] = ()
    may_ask: bool = False
    may_vote: bool = False

    @property
    def is_sealed(self) -> bool:
        return self.state in ("sealed", "waiting")


def seal_of(platform: Platform, visitor: Visitor, study: Study) -> Seal:
    """Everybody who may see the study learns whether its results are sealed; who asked and what the diagnostics were,
    its own team, whoever may decide, and whoever its results were released to.
    """
    runs = queries.runs(platform.records, study.id)[:1]
    if not runs:
        return Seal("none")
    run, requests = runs[0], _requests(platform, visitor, study)
    newest = next((one for one in requests if one.run_id == run.id), None)
    state = _state(run, newest is not None and newest.state == UnsealingState.REQUESTED)
    waiting = newest if state == "waiting" else None
    return Seal(
        state=state,
        analyses=tuple(run.sealed_analyses),
        unsealed_at=run.unsealed_at,
        asked=_asked(platform, newest) if newest is not None else None,
        earlier=tuple(one for one in requests if newest is None or one.id != newest.id),
        may_ask=state == "sealed" and can(visitor.actor, REQUEST, study.organisation_id),
        may_vote=waiting is not None
        and waiting.requested_by != visitor.user.id
        and can(visitor.actor, APPROVE, study.organisation_id),
    )


def visible(platform: Platform, visitor: Visitor, study: Study) -> list[Asked]:
    """A study's requests, the newest first."""
    return [_asked(platform, one) for one in _requests(platform, visitor, study)]


def one(platform: Platform, visitor: Visitor, request_id: str) -> UnsealingRequest:
    """A request that the visitor may decide about, or NOT_FOUND."""
    found = platform.records.find(UnsealingRequest, request_id)
    if found is None or not can_see(platform.records, visitor.actor, APPROVE, found):
        raise NOT_FOUND.error(kind="unsealing_request", id=request_id if request_id.isascii() else "?")
    return found


def _state(run: AnalysisRun, is_waiting: bool) -> str:
    if is_sealed(run):
        return "waiting" if is_waiting else "sealed"
    return "unsealed" if run.unsealed_at else "open"


def _requests(platform: Platform, visitor: Visitor, study: Study) -> Sequence[UnsealingRequest]:
    """None for those to whom its diagnostics, numbers of the results, have not been released."""
    if can_see(platform.records, visitor.actor, APPROVE, study):
        return requests_of(platform, study.id)
    if not can_see(platform.records, visitor.actor, "results.read", study):
        return ()
    readable = {
        run.id for run in readable_runs(platform, visitor.actor, queries.runs(platform.records, study.id))
    }
    return [one for one in requests_of(platform, study.id) if one.run_id in readable]


def _asked(platform: Platform, request: UnsealingRequest) -> Asked:
    records = platform.records
    return Asked(
        request=request,
        name=queries.person_of(records, request.requested_by),
        diagnostics=tuple(map(_checked, request.diagnostics)),
        votes=tuple(
            Vote(queries.person_of(records, cast.voter_id), cast.agreed, cast.reason, cast.voted_at)
            for cast in votes_of(platform, request.id)
        ),
    )


def _checked(found: dict[str, Any]) -> Checked:
    return Checked(
        analysis=found["analysis"],
        reason=in_both(found["reason"]) if found["reason"] else None,
        before=found["largest_before"],
        after=found["largest_after"],
        effective=tuple((found["effective"] or {}).items()),
        separation=found["separation"],
        equipoise=found["equipoise"],
        warnings=tuple(in_both(warning) for warning in found["warnings"]),
    )
