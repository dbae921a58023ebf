"""Reviews of the audit trail for the pages: the list, one with a page of its entries, and what waits for a review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rwd_platform.core.text import Bilingual
from rwd_platform.flows import log_review
from rwd_platform.flows.log_review import PERIOD_UNFIT
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import LogReview, LogReviewFinding, LogReviewSignature
from rwd_platform.server import acts, log_view, queries
from rwd_platform.server.deps import Visitor

ENTRIES_PAGE = 25
LIST_PAGE = 30
# The fields of a review's filter, in words.
FILTERS: Mapping[str, Bilingual] = {
    "action": Bilingual("动作", "action"),
    "object_type": Bilingual("对象类别", "kind of object"),
    "object_id": Bilingual("对象编号", "object id"),
    "actor_id": Bilingual("操作人", "person"),
    "outcome": Bilingual("结果", "outcome"),
    "organisation_id": Bilingual("操作人的机构", "organisation"),
}


@dataclass(frozen=True)
class Line:
    """A review in a list."""

    review: LogReview
    opened_by: Bilingual
    findings: int
    signed_by: tuple[Bilingual, ...]


@dataclass(frozen=True)
class Reviewed:
    """An entry under review, with what it changed and what was found."""

    shown: log_view.Shown
    changes: log_view.ChangesSeen
    findings: tuple[LogReviewFinding, ...]


@dataclass(frozen=True)
class Sheet:
    """One review with a page of its entries. `mine`: the visitor has signed it."""

    line: Line
    entries: tuple[Reviewed, ...]
    page: int
    findings: Sequence[LogReviewFinding]
    signatures: Sequence[LogReviewSignature]
    names: Mapping[str, Bilingual]
    mine: bool

    @property
    def review(self) -> LogReview:
        return self.line.review

    @property
    def is_signed(self) -> bool:
        return bool(self.signatures)


def lines(
    platform: Platform, visitor: Visitor, *, first: int = 0, limit: int = LIST_PAGE
) -> tuple[list[Line], int]:
    """Newest first, and how many there are."""
    rows = log_review.reviews_of(platform, visitor.actor)
    return [_line(platform, visitor, row) for row in rows[first : first + limit]], len(rows)


def sheet(platform: Platform, visitor: Visitor, review_id: str, page: int = 1) -> Sheet:
    actor = visitor.actor
    row = log_review.review_of(platform, actor, review_id)
    found = log_review.entries_of(platform, actor, review_id, page, ENTRIES_PAGE)
    findings = log_review.findings_of(platform, actor, review_id)
    signatures = log_review.signatures_of(platform, actor, review_id)
    ids = {one.found_by for one in findings} | {one.signer_id for one in signatures}
    return Sheet(
        line=_line(platform, visitor, row),
        entries=tuple(
            Reviewed(
                one,
                log_view.changes_seen(platform.records, visitor, one.line),
                tuple(each for each in findings if each.sequence == one.line.sequence),
            )
            for one in log_view.in_words(platform.records, found.lines)
        ),
        page=found.page,
        findings=findings,
        signatures=signatures,
        names=_names(platform, ids),
        mine=any(one.signer_id == actor.id for one in signatures),
    )


def period(platform: Platform, since: str, until: str) -> tuple[datetime, datetime]:
    """Of days as they were typed. Raises `log.day_unfit`, and `log_review.period_unfit` where one is missing."""
    first, last = log_view.as_day(since), log_view.as_day(until)
    if first is None or last is None:
        raise PERIOD_UNFIT.error()
    return log_review.period_of_days(platform, first, last)


def _line(platform: Platform, visitor: Visitor, row: LogReview) -> Line:
    signers = [one.signer_id for one in log_review.signatures_of(platform, visitor.actor, row.id)]
    names = _names(platform, {row.opened_by, *signers})
    return Line(
        review=row,
        opened_by=names[row.opened_by],
        findings=len(log_review.findings_of(platform, visitor.actor, row.id)),
        signed_by=tuple(names[one] for one in signers),
    )


def _names(platform: Platform, ids: set[str]) -> dict[str, Bilingual]:
    known = queries.names_of(platform.records, ids)
    return {id: acts.person(id, known) for id in ids}
