"""The audit trail of a period is reviewed: looked at entry by entry, findings noted, and signed by a person.

    open_review   a period that is over, and a filter; what is looked at is fixed by the log's signed head
    add_finding   what is wrong with an entry, and why
    sign_review   one person who does not run the platform signs; nothing is added afterwards

ICH E6(R3) asks for a review of audit trails that is planned and documented. What was looked at is pinned by number,
first and last entry, a digest over the entries' hashes and the root that the log had then: an entry that comes
later, whatever instant it claims, is not part of a review that was opened before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, check_may, visible_organisation
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.audit.checkpoints import make_checkpoint, stored_nodes
from rwd_platform.audit.query import LogFilter, LogPage, is_matching, matching, read_log
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import SHANGHAI, as_text, shanghai_date
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.log_coverage import Signed, uncovered
from rwd_platform.flows.platform import Platform
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.log.merkle import root_of
from rwd_platform.records.records import is_storable
from rwd_platform.records.tables import LogReview, LogReviewFinding, LogReviewSignature

KIND = "log_review"
LONGEST_TEXT = 2000
FIRST_YEAR = 2000  # an earlier one is no period of ours, and may be no instant in UTC
FILTERS = ("actor_id", "action", "object_type", "object_id", "outcome", "organisation_id")

PERIOD_UNFIT = Problem(
    code="log_review.period_unfit",
    zh="审查期间不能使用：起始须早于截止，截止不得晚于现在。",
    en="The period cannot be reviewed: it must begin before it ends, and be over.",
    next_zh="请选择已经结束的期间。",
    next_en="Choose a period that is over.",
)
FILTER_UNFIT = Problem(
    code="log_review.filter_unfit",
    zh="筛选条件不能使用；可用的条件为 {known}。",
    en="The filter cannot be used; it may name {known}.",
    next_zh="请只用这些条件，其值为不超过 200 个字符的文字。",
    next_en="Use these alone, with texts of at most 200 characters.",
)
TEXT_UNFIT = Problem(
    code="log_review.text_unfit",
    zh="发现与理由都须填写，且各不超过 {longest} 个字符。",
    en="A finding and its reason must both be there, with at most {longest} characters each.",
    next_zh="请补充或缩短文字。",
    next_en="Complete or shorten the text.",
)
NOT_IN_REVIEW = Problem(
    code="log_review.not_in_review",
    zh="第 {sequence} 条不在本次审查的范围内。",
    en="Entry {sequence} is not part of this review.",
    next_zh="请在本次审查所列的条目中选择；其他条目请另行开始审查。",
    next_en="Choose one of the entries that this review lists; open another review for others.",
)
SIGNED_ALREADY = Problem(
    code="log_review.signed_already",
    zh="您已签署过这一期间的审查，同一人不能签署两次。",
    en="You signed a review of this period already; the same person cannot sign it twice.",
    next_zh="如需复核，请由另一位有权审查日志的人员签署。",
    next_en="For a second look, let another person who may review the log sign.",
    http=409,
    exit=Exit.REFUSED,
)
CLOSED = Problem(
    code="log_review.closed",
    zh="这次审查已签署，不能再添加发现。",
    en="This review is signed; no finding can be added.",
    next_zh="如有新的发现，请另行开始一次审查。",
    next_en="Open another review for what was found since.",
    http=409,
    exit=Exit.REFUSED,
)
LOG_CHANGED = Problem(
    code="log_review.log_changed",
    zh="审查开始以来，所审查的日志条目已发生变化，不能签署。",
    en="The entries under review are not what they were when it was opened; it cannot be signed.",
    next_zh="请停止写入，运行 `rwd audit verify` 并保全数据库，由审计人员调查。",
    next_en="Stop writing, run `rwd audit verify`, keep the database as it is and let an auditor look.",
    http=409,
    exit=Exit.REFUSED,
)
NOT_BY_OPERATOR = Problem(
    code="log_review.not_by_operator",
    zh="日志审查不能由运行平台的人员签署。",
    en="Whoever runs the platform does not sign reviews of its log.",
    next_zh="请由审计管理员签署。",
    next_en="Let the audit administrator sign.",
    http=403,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Looked:
    """What a review's period and filter find: pinned when it is opened, found again when it is signed."""

    entries: int
    first_sequence: int
    last_sequence: int
    leaves_sha256: str


def open_review(
    platform: Platform, actor: Actor, since: datetime, until: datetime, **chosen: str
) -> LogReview:
    """A review of the entries of a period, `until` exclusive; `chosen` are fields of FILTERS.

    Raises 403 for whoever may not review the log, `log_review.period_unfit` for a period that is not over.
    """
    with refusals_recorded(platform.records, actor, Action.LOG_REVIEW, KIND, "new"):
        check_may(actor, Action.LOG_REVIEW)
        if since.year < FIRST_YEAR or not since < until <= platform.clock():
            raise PERIOD_UNFIT.error()
        _check_filter(chosen)
    chosen = {name: value for name, value in chosen.items() if value}  # one that is empty filters nothing
    own = visible_organisation(actor, Action.LOG_REVIEW)
    if own is not None:
        chosen["organisation_id"] = own
    head = parse_checkpoint(make_checkpoint(platform.records, platform.log_signer, "review").note)
    row = LogReview(
        id=new_id(KIND, platform.clock()),
        organisation_id=actor.organisation,
        since=as_text(since),
        until=as_text(until),
        filter=dict(sorted(chosen.items())),
        tree_size=head.size,
        root=head.root.hex(),
        opened_by=actor.id,
        opened_at=as_text(platform.clock()),
        **vars(Looked(0, -1, -1, "")),
    )
    with platform.records.reading() as session:
        found = _look(session, row)
    for place in fields(found):
        setattr(row, place.name, getattr(found, place.name))
    act = Act(actor, "log_review.opened", Object(KIND, row.id, row.leaves_sha256), decision=_facts(row))
    platform.records.write(row, audit=act)
    return row


@dataclass(frozen=True)
class Waiting:
    """What nobody has signed a review of yet.

    entries    -- how many are in no signed review of all entries: of before one, between two, or come after
    earliest   -- the instant of the earliest of them; "" where there is none
    signed_at  -- when a review of all entries was last signed; "" where none ever was
    open       -- reviews that were opened and that nobody has signed, the newest first
    """

    entries: int
    earliest: str
    signed_at: str
    open: tuple[LogReview, ...]


def waiting(platform: Platform, actor: Actor) -> Waiting:
    """A review with a filter looks at a part: it covers no entry."""
    check_may(actor, Action.LOG_REVIEW)
    signatures, reviews = platform.records.all(select(LogReviewSignature)), reviews_of(platform, actor)
    signed = {one.review_id for one in signatures}
    whole = {one.id: one for one in reviews if one.id in signed and not one.filter}
    with platform.records.reading() as session:
        left = uncovered(session, (Signed(one.since, one.until, one.tree_size) for one in whole.values()))
    return Waiting(
        left.entries,
        left.earliest,
        max((one.signed_at for one in signatures if one.review_id in whole), default=""),
        tuple(one for one in reviews if one.id not in signed),
    )


def period_of_days(platform: Platform, first: date, last: date) -> tuple[datetime, datetime]:
    """Whole days of Asia/Shanghai, both included; today ends now. Raises `log_review.period_unfit` for days to come."""
    today = shanghai_date(platform.clock())
    if last > today or first.year < FIRST_YEAR:
        raise PERIOD_UNFIT.error()
    end = platform.clock() if last == today else _midnight(last + timedelta(days=1))
    return _midnight(first), end


def period_waiting(platform: Platform, actor: Actor) -> tuple[datetime, datetime]:
    """From the earliest entry that is in no signed review until now: every entry that waits is in it."""
    longest = _midnight(date(FIRST_YEAR, 1, 1))
    try:
        return max(datetime.fromisoformat(waiting(platform, actor).earliest), longest), platform.clock()
    except (ValueError, TypeError):  # somebody wrote what is no instant there
        return longest, platform.clock()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def review_of(platform: Platform, actor: Actor, review_id: str) -> LogReview:
    check_may(actor, Action.LOG_REVIEW)
    return platform.records.get(LogReview, review_id)


def entries_of(
    platform: Platform, actor: Actor, review_id: str, page: int = 1, page_size: int = 50
) -> LogPage:
    """The entries under review, newest first."""
    check_may(actor, Action.LOG_REVIEW)
    wanted = _filter_of(platform.records.get(LogReview, review_id))
    return read_log(platform.records, LogFilter(**{**vars(wanted), "page": page, "page_size": page_size}))


def reviews_of(platform: Platform, actor: Actor) -> Sequence[LogReview]:
    """Every review, the newest first."""
    check_may(actor, Action.LOG_REVIEW)
    query = select(LogReview).order_by(col(LogReview.opened_at).desc(), col(LogReview.id).desc())
    return platform.records.all(query)


def findings_of(platform: Platform, actor: Actor, review_id: str) -> Sequence[LogReviewFinding]:
    """In the order of the entries."""
    check_may(actor, Action.LOG_REVIEW)
    query = select(LogReviewFinding).where(LogReviewFinding.review_id == review_id)
    return platform.records.all(query.order_by(col(LogReviewFinding.sequence), col(LogReviewFinding.id)))


def signatures_of(platform: Platform, actor: Actor, review_id: str) -> Sequence[LogReviewSignature]:
    check_may(actor, Action.LOG_REVIEW)
    query = select(LogReviewSignature).where(LogReviewSignature.review_id == review_id)
    return platform.records.all(
        query.order_by(col(LogReviewSignature.signed_at), col(LogReviewSignature.signer_id))
    )


def add_finding(
    platform: Platform, actor: Actor, review_id: str, sequence: int, text: str, reason: str
) -> LogReviewFinding:
    """Note what is wrong with an entry under review, and why. Not after somebody signed."""
    with refusals_recorded(platform.records, actor, Action.LOG_REVIEW, KIND, review_id):
        check_may(actor, Action.LOG_REVIEW)
        if not all(one.strip() and len(one) <= LONGEST_TEXT and is_storable(one) for one in (text, reason)):
            raise TEXT_UNFIT.error(longest=LONGEST_TEXT)
        act = Act(
            actor,
            "log_review.finding_added",
            Object(KIND, review_id),
            decision={"sequence": sequence},
            detail={"text": text, "reason": reason},
        )
        with platform.records.transaction(audit=act) as session:
            review = _review(platform, session, review_id)
            if session.exec(_signatures(review_id)).first() is not None:
                raise CLOSED.error()
            if not is_matching(session, _filter_of(review), sequence):
                raise NOT_IN_REVIEW.error(sequence=sequence)
            row = LogReviewFinding(
                id=new_id("finding", platform.clock()),
                review_id=review_id,
                sequence=sequence,
                text=text,
                reason=reason,
                found_by=actor.id,
                found_at=as_text(platform.clock()),
            )
            session.add(row)
    return row


def sign_review(platform: Platform, actor: Actor, review_id: str) -> LogReviewSignature:
    """Sign that the entries were looked at, with the findings as they stand. By a person, with an account in use.

    Raises `log_review.signed_already` for a period that the same person signed, in this review or another of the
    same filter, and `log_review.log_changed` when the entries are not those that were looked at.
    """
    findings: list[LogReviewFinding] = []
    reviews: list[LogReview] = []

    def act() -> Act:
        decision = {**_facts(reviews[0]), "findings": len(findings), "findings_sha256": _hash_of(findings)}
        return Act(
            actor,
            "log_review.signed",
            Object(KIND, review_id, reviews[0].leaves_sha256),
            decision=decision,
        )

    with refusals_recorded(platform.records, actor, Action.LOG_REVIEW, KIND, review_id):
        check_may(actor, Action.LOG_REVIEW)
        if actor.role == Role.OPERATOR:
            raise NOT_BY_OPERATOR.error()
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            review = _review(platform, session, review_id)
            reviews.append(review)
            _check_unsigned(session, review, actor)
            _check_unchanged(platform, session, review)
            findings.extend(
                session.exec(
                    select(LogReviewFinding)
                    .where(LogReviewFinding.review_id == review_id)
                    .order_by(col(LogReviewFinding.id))
                ).all()
            )
            row = LogReviewSignature(
                review_id=review_id,
                signer_id=actor.id,
                organisation_id=actor.organisation,
                signed_at=as_text(platform.clock()),
            )
            session.add(row)
    make_checkpoint(platform.records, platform.log_signer, "review")
    return row


def _check_filter(chosen: dict[str, str]) -> None:
    fit = all(
        name in FILTERS and isinstance(value, str) and len(value) <= 200 and is_storable(value)
        for name, value in chosen.items()
    )
    if not fit:
        raise FILTER_UNFIT.error(known=", ".join(FILTERS))


def _filter_of(review: LogReview) -> LogFilter:
    chosen: dict[str, Any] = dict(review.filter)
    return LogFilter(since=review.since, until=review.until, below=review.tree_size or -1, **chosen)


def _look(session: Session, review: LogReview) -> Looked:
    digest, count, first, last = hashlib.sha256(), 0, -1, -1
    for entry in matching(session, _filter_of(review)):
        digest.update(entry.leaf_hash)
        first = entry.sequence if count == 0 else first
        count, last = count + 1, entry.sequence
    return Looked(count, first, last, digest.hexdigest())


def _review(platform: Platform, session: Session, review_id: str) -> LogReview:
    """The review, or the error of one that is not there."""
    return session.get(LogReview, review_id) or platform.records.get(LogReview, review_id)


def _signatures(review_id: str) -> Any:
    return select(LogReviewSignature).where(LogReviewSignature.review_id == review_id)


def _check_unsigned(session: Session, review: LogReview, actor: Actor) -> None:
    same_period = (
        select(LogReview)
        .join(LogReviewSignature, col(LogReviewSignature.review_id) == col(LogReview.id))
        .where(
            LogReviewSignature.signer_id == actor.id,
            LogReview.since == review.since,
            LogReview.until == review.until,
        )
    )
    if any(one.filter == review.filter for one in session.exec(same_period).all()):
        raise SIGNED_ALREADY.error()


def _check_unchanged(platform: Platform, session: Session, review: LogReview) -> None:
    tree = platform.records.book.trees[0]
    now = _look(session, review)
    try:
        root = root_of(review.tree_size, stored_nodes(session, tree), tree.digest).hex()
    except LookupError:
        raise LOG_CHANGED.error() from None
    if now != Looked(*(getattr(review, one.name) for one in fields(Looked))) or root != review.root:
        raise LOG_CHANGED.error()


def _facts(review: LogReview) -> dict[str, Any]:
    """What was looked at, as it stands in the log."""
    return {
        "since": review.since,
        "until": review.until,
        "entries": review.entries,
        "first": review.first_sequence,
        "last": review.last_sequence,
        "size": review.tree_size,
        "root": review.root,
    }


def _hash_of(findings: Sequence[LogReviewFinding]) -> str:
    return sha256_of([one.model_dump(mode="json") for one in findings])
