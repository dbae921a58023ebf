"""Whether the log can be relied on, in four facts, for the homes of those who answer for it or rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rwd_platform.access.roles import Role
from rwd_platform.audit.heads import HeadSeen, read_heads
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import log_review
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.verify_whole_log import Verified, last_verification
from rwd_platform.flows.witnessed import witnesses
from rwd_platform.server import log_view
from rwd_platform.server.deps import Visitor

_ROLES = frozenset({Role.AUDITOR, Role.REGULATOR})
_DAY_MINUTES = 24 * 60
_OLD_MINUTES = 60  # a worker signs every minute there is something to sign


@dataclass(frozen=True)
class Standing:
    """The log as it stands.

    size       -- entries now
    unsigned   -- entries that the newest head does not cover yet
    minutes    -- since the newest head was signed
    witnessed  -- witness -> the largest head of the log's first tree that it cosigned; 0 for none
    waiting    -- what is in no signed review; None for whoever does not review
    """

    size: int
    last: Verified | None
    head: HeadSeen | None
    unsigned: int
    minutes: int
    witnessed: dict[str, int]
    waiting: log_review.Waiting | None

    @property
    def is_head_late(self) -> bool:
        """There is something to sign, and nobody has for an hour: no worker runs."""
        return self.unsigned > 0 and self.minutes >= _OLD_MINUTES


def standing(platform: Platform, visitor: Visitor) -> Standing | None:
    """None for roles whose home does not show it."""
    if visitor.user.role not in _ROLES or not visitor.may("log.read"):
        return None
    tree = platform.records.book.trees[0]
    heads = read_heads(platform.records, platform.log_signer.public_key, tree, limit=1).heads
    head = heads[0] if heads else None
    size = log_view.size(platform.records)
    return Standing(
        size=size,
        last=last_verification(platform),
        head=head,
        unsigned=size - head.size if head else size,
        minutes=_minutes_since(platform, head.at) if head else 0,
        witnessed={row.name: reach[tree.name] for row, reach in witnesses(platform)},
        waiting=log_review.waiting(platform, visitor.actor) if visitor.may("log.review") else None,
    )


def to_review(platform: Platform, visitor: Visitor) -> list[tuple[str, Bilingual, str, Bilingual]]:
    """What an auditor has to look at: tone, words, where, and what the button says."""
    if not visitor.may("log.review"):
        return []
    todos = []
    last = last_verification(platform)
    if last is not None and not last.ok:
        words = Bilingual("上次核验日志时发现问题", "The last verification of the log found something wrong")
        todos.append(("bad", words, "/log/verify", Bilingual("查看", "See it")))
    waiting = log_review.waiting(platform, visitor.actor)
    for one in waiting.open[:3]:
        days = f"{log_view.shanghai(one.since)} – {log_view.shanghai(one.until)}"
        words = Bilingual(f"一次日志审查待签署：{days}", f"A review of the log waits to be signed: {days}")
        todos.append(("held", words, f"/log/reviews/{one.id}", Bilingual("继续", "Go on")))
    if waiting.entries and _is_due(platform, waiting):
        day = log_view.shanghai_day(waiting.earliest)
        words = Bilingual(
            f"{waiting.entries:,} 条日志不在任何已签署的审查中，最早一条在 {day}",
            f"{waiting.entries:,} entries are in no signed review, the earliest of {day}",
        )
        todos.append(("held", words, "/log/reviews/new", Bilingual("开始审查", "Open a review")))
    return todos


def _is_due(platform: Platform, waiting: log_review.Waiting) -> bool:
    """Not where all that waits is of the last day: whoever signs leaves entries by that alone."""
    return not waiting.signed_at or _minutes_since(platform, waiting.earliest) >= _DAY_MINUTES


def _minutes_since(platform: Platform, at: str) -> int:
    try:
        return int((platform.clock() - datetime.fromisoformat(at)).total_seconds() // 60)
    except ValueError:  # somebody wrote something else there
        return 0
