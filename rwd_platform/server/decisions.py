"""What waits for one officer's word: releases, break-glass requests and erasures without their vote, texts to review.

Nobody votes on what they asked for themselves, and nobody votes twice: neither is offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from rwd_platform.access.permissions import can, visible_rows
from rwd_platform.records.lifecycles import (
    BreakGlassState,
    ErasureState,
    ReleaseState,
    TextState,
    UnsealingState,
)
from rwd_platform.records.records import Records
from rwd_platform.records.tables import (
    BreakGlassRequest,
    BreakGlassVote,
    DataLockRecord,
    ErasureRequest,
    ErasureVote,
    OutputRelease,
    ReleaseVote,
    RiskRun,
    TextReview,
    UnsealingRequest,
    UnsealingVote,
)
from rwd_platform.server.deps import Visitor

Asked = TypeVar("Asked", OutputRelease, BreakGlassRequest, ErasureRequest, UnsealingRequest)


def releases_to_vote(records: Records, visitor: Visitor) -> list[OutputRelease]:
    """The oldest first."""
    voted = select(ReleaseVote.release_id).where(ReleaseVote.approver_id == visitor.user.id)
    return _to_vote(records, visitor, "release.approve", OutputRelease, ReleaseState.REQUESTED, voted)


def break_glass_to_vote(records: Records, visitor: Visitor) -> list[BreakGlassRequest]:
    """The oldest first."""
    voted = select(BreakGlassVote.request_id).where(BreakGlassVote.approver_id == visitor.user.id)
    return _to_vote(
        records, visitor, "break_glass.approve", BreakGlassRequest, BreakGlassState.REQUESTED, voted
    )


def erasures_to_vote(records: Records, visitor: Visitor) -> list[ErasureRequest]:
    """The oldest first."""
    voted = select(ErasureVote.request_id).where(ErasureVote.approver_id == visitor.user.id)
    return _to_vote(records, visitor, "erasure.approve", ErasureRequest, ErasureState.REQUESTED, voted)


def unsealings_to_vote(records: Records, visitor: Visitor) -> list[UnsealingRequest]:
    """The oldest first."""
    voted = select(UnsealingVote.request_id).where(UnsealingVote.voter_id == visitor.user.id)
    waiting = UnsealingState.REQUESTED
    return _to_vote(records, visitor, "results.unseal_approve", UnsealingRequest, waiting, voted)


def _to_vote(
    records: Records,
    visitor: Visitor,
    action: str,
    table: type[Asked],
    waiting: StrEnum,
    voted: SelectOfScalar[str],
) -> list[Asked]:
    """What waits, was asked by somebody else, and has no vote of the visitor: `voted` names what has."""
    if not visitor.may(action):
        return []
    rows = records.all(
        select(table)
        .where(
            table.state == waiting,
            table.requested_by != visitor.user.id,
            col(table.id).not_in(voted),
        )
        .order_by(col(table.requested_at))
    )
    return visible_rows(records, visitor.actor, action, rows)


def texts_to_review(records: Records, visitor: Visitor) -> int:
    """How many cleaned texts nobody has read yet."""
    if not visitor.may("text.review"):
        return 0
    with records.reading() as session:
        waiting = session.exec(
            select(TextReview.organisation_id, func.count())
            .where(TextReview.state == TextState.CLEANED)
            .group_by(TextReview.organisation_id)
        ).all()
    return sum(count for owner, count in waiting if can(visitor.actor, "text.review", owner))


def risk_of_newest_lock(records: Records, visitor: Visitor) -> tuple[DataLockRecord, RiskRun | None] | None:
    """The newest lock that the visitor may see the risk of, and its newest report; None without a lock."""
    if not visitor.may("risk.read"):
        return None
    locks = records.all(select(DataLockRecord).order_by(col(DataLockRecord.made_at).desc()))
    lock = next(iter(visible_rows(records, visitor.actor, "risk.read", locks)), None)
    if lock is None:
        return None
    reports: Sequence[RiskRun] = records.all(
        select(RiskRun)
        .where(RiskRun.of_kind == "lock", RiskRun.of_id == lock.id)
        .order_by(col(RiskRun.made_at).desc())
        .limit(1)
    )
    return lock, reports[0] if reports else None
