"""Life cycles as tables: code, tests and the diagrams in the docs come from these dicts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from rwd_platform.core.errors import Problem
from rwd_platform.core.things import thing
from rwd_platform.records.state_words import state

State = TypeVar("State", bound=StrEnum)

STATE_NOT_ALLOWED = Problem(
    code="lifecycle.not_allowed",
    zh="{thing_zh} {id} 现为“{now_zh}”，不能变为“{wanted_zh}”。",
    en="The {thing_en} {id} is “{now_en}” and cannot become “{wanted_en}”.",
    next_zh="请重新查看当前状态后再操作；各状态的先后见 docs/reference/lifecycles.md。",
    next_en="Look at its present state again before you go on; docs/reference/lifecycles.md shows what follows what.",
    http=409,
)


class UploadState(StrEnum):
    OPEN = "open"
    RECEIVED = "received"
    ADMITTING = "admitting"
    ADMITTED = "admitted"
    FAILED = "failed"


class StudyState(StrEnum):
    REGISTERED = "registered"
    FROZEN = "frozen"
    LOCKED = "locked"
    ANALYSED = "analysed"


class PackageState(StrEnum):
    ASSEMBLED = "assembled"
    WITHDRAWN = "withdrawn"


class BreakGlassState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    OPENED = "opened"
    REFUSED = "refused"
    EXPIRED = "expired"


class ReleaseState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    RELEASED = "released"
    REFUSED = "refused"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    RECALLED = "recalled"


class ProvisionState(StrEnum):
    HELD = "held"
    BLOCKED = "blocked"
    RESERVED = "reserved"
    POSTED = "posted"
    CANCELLED = "cancelled"
    RECALLED = "recalled"
    DELETED = "deleted"


class UnsealingState(StrEnum):
    REQUESTED = "requested"
    UNSEALED = "unsealed"
    REFUSED = "refused"
    OUTDATED = "outdated"


class TextState(StrEnum):
    CLEANED = "cleaned"
    RELEASED = "released"
    WITHHELD = "withheld"


class ErasureState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    ERASING = "erasing"
    ERASED = "erased"
    REFUSED = "refused"


class QuestionState(StrEnum):
    ASKED = "asked"
    ANSWERED = "answered"
    RETURNED = "returned"
    CLOSED = "closed"
    REOPENED = "reopened"


class ReviewState(StrEnum):
    ASKED = "review_asked"
    ANSWERED = "review_answered"
    CLOSED = "review_closed"


class RoundState(StrEnum):
    OPEN = "round_open"
    CLOSED = "round_closed"


class SheetState(StrEnum):
    ISSUED = "sheet_issued"
    ACCEPTED = "sheet_accepted"
    WITHDRAWN = "sheet_withdrawn"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UPLOAD: Mapping[UploadState, frozenset[UploadState]] = {
    UploadState.OPEN: frozenset({UploadState.RECEIVED}),
    UploadState.RECEIVED: frozenset({UploadState.ADMITTING}),
    # Admitting may start again: a worker that died left the upload here, and admission is idempotent.
    UploadState.ADMITTING: frozenset({UploadState.ADMITTING, UploadState.ADMITTED, UploadState.FAILED}),
    UploadState.FAILED: frozenset({UploadState.ADMITTING}),
    UploadState.ADMITTED: frozenset(),
}
STUDY: Mapping[StudyState, frozenset[StudyState]] = {
    StudyState.REGISTERED: frozenset({StudyState.FROZEN}),
    StudyState.FROZEN: frozenset({StudyState.LOCKED}),
    StudyState.LOCKED: frozenset({StudyState.LOCKED, StudyState.ANALYSED}),
    StudyState.ANALYSED: frozenset({StudyState.LOCKED, StudyState.ANALYSED}),
}
PACKAGE: Mapping[PackageState, frozenset[PackageState]] = {
    PackageState.ASSEMBLED: frozenset({PackageState.WITHDRAWN}),
    PackageState.WITHDRAWN: frozenset(),
}
BREAK_GLASS: Mapping[BreakGlassState, frozenset[BreakGlassState]] = {
    BreakGlassState.REQUESTED: frozenset(
        {BreakGlassState.APPROVED, BreakGlassState.REFUSED, BreakGlassState.EXPIRED}
    ),
    BreakGlassState.APPROVED: frozenset({BreakGlassState.OPENED, BreakGlassState.EXPIRED}),
    # The answer is shown once: a second look needs a second request.
    BreakGlassState.OPENED: frozenset(),
    BreakGlassState.REFUSED: frozenset(),
    BreakGlassState.EXPIRED: frozenset(),
}
RELEASE: Mapping[ReleaseState, frozenset[ReleaseState]] = {
    ReleaseState.REQUESTED: frozenset(
        {ReleaseState.APPROVED, ReleaseState.REFUSED, ReleaseState.RETURNED, ReleaseState.WITHDRAWN}
    ),
    ReleaseState.APPROVED: frozenset({ReleaseState.RELEASED, ReleaseState.REFUSED, ReleaseState.WITHDRAWN}),
    # What has left is not unsaid: its recipient is asked to give it back, and no door hands it out any more.
    ReleaseState.RELEASED: frozenset({ReleaseState.RECALLED}),
    ReleaseState.RECALLED: frozenset(),
    ReleaseState.REFUSED: frozenset(),
    # Nothing is edited after it was put forward: what was mended is another content, and another request.
    ReleaseState.RETURNED: frozenset(),
    ReleaseState.WITHDRAWN: frozenset(),
}
_DECIDED = frozenset({ProvisionState.HELD, ProvisionState.BLOCKED, ProvisionState.RESERVED})
PROVISION: Mapping[ProvisionState, frozenset[ProvisionState]] = {
    # Decided again whenever asked: papers arrive, run out, or are revoked, until the moment of release.
    ProvisionState.HELD: _DECIDED | {ProvisionState.CANCELLED},
    ProvisionState.BLOCKED: _DECIDED | {ProvisionState.CANCELLED},
    ProvisionState.RESERVED: _DECIDED | {ProvisionState.POSTED, ProvisionState.CANCELLED},
    # What has left is counted for good: a recall asks for it back and does not unsay it.
    ProvisionState.POSTED: frozenset({ProvisionState.RECALLED}),
    ProvisionState.RECALLED: frozenset({ProvisionState.DELETED}),
    ProvisionState.DELETED: frozenset(),
    ProvisionState.CANCELLED: frozenset(),
}
UNSEALING: Mapping[UnsealingState, frozenset[UnsealingState]] = {
    # Outdated: the analyses were run again before anybody decided, and that run's diagnostics are others.
    UnsealingState.REQUESTED: frozenset(
        {UnsealingState.UNSEALED, UnsealingState.REFUSED, UnsealingState.OUTDATED}
    ),
    # What was seen cannot be made unseen.
    UnsealingState.UNSEALED: frozenset(),
    UnsealingState.REFUSED: frozenset(),
    UnsealingState.OUTDATED: frozenset(),
}
TEXT: Mapping[TextState, frozenset[TextState]] = {
    TextState.CLEANED: frozenset({TextState.RELEASED, TextState.WITHHELD}),
    TextState.RELEASED: frozenset({TextState.WITHHELD}),
    TextState.WITHHELD: frozenset(),
}
ERASURE: Mapping[ErasureState, frozenset[ErasureState]] = {
    ErasureState.REQUESTED: frozenset({ErasureState.APPROVED, ErasureState.REFUSED}),
    # A legal hold placed after the second approval refuses the request still.
    ErasureState.APPROVED: frozenset({ErasureState.ERASING, ErasureState.REFUSED}),
    # Erasing may start again: every step can be done twice, and there is no way back once a key is gone.
    ErasureState.ERASING: frozenset({ErasureState.ERASING, ErasureState.ERASED}),
    ErasureState.ERASED: frozenset(),
    ErasureState.REFUSED: frozenset(),
}
QUESTION: Mapping[QuestionState, frozenset[QuestionState]] = {
    # Closed without an answer: the finding is gone, or the question was a mistake. A second person says so.
    QuestionState.ASKED: frozenset({QuestionState.ANSWERED, QuestionState.CLOSED}),
    QuestionState.ANSWERED: frozenset({QuestionState.RETURNED, QuestionState.CLOSED}),
    QuestionState.RETURNED: frozenset({QuestionState.ANSWERED, QuestionState.CLOSED}),
    # Only a quality run opens a question again, when it still shows what was said to be mended.
    QuestionState.CLOSED: frozenset({QuestionState.REOPENED}),
    QuestionState.REOPENED: frozenset({QuestionState.ANSWERED, QuestionState.CLOSED}),
}
# A question about a package: asked again where the answer was none; whoever asked closes it, answered or not.
REVIEW: Mapping[ReviewState, frozenset[ReviewState]] = {
    ReviewState.ASKED: frozenset({ReviewState.ANSWERED, ReviewState.CLOSED}),
    ReviewState.ANSWERED: frozenset({ReviewState.ASKED, ReviewState.CLOSED}),
    ReviewState.CLOSED: frozenset(),
}
# A round of source verification: its sheets may come back while it is open.
ROUND: Mapping[RoundState, frozenset[RoundState]] = {
    RoundState.OPEN: frozenset({RoundState.CLOSED}),
    RoundState.CLOSED: frozenset(),
}
SHEET: Mapping[SheetState, frozenset[SheetState]] = {
    SheetState.ISSUED: frozenset({SheetState.ACCEPTED, SheetState.WITHDRAWN}),
    # A hospital that looked again sends the sheet again: the later one counts.
    SheetState.ACCEPTED: frozenset({SheetState.ACCEPTED, SheetState.WITHDRAWN}),
    # The lock that it is of was erased, and its bytes with it.
    SheetState.WITHDRAWN: frozenset(),
}
JOB: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING}),
    # Running may start again: the lease of a worker that died runs out.
    JobState.RUNNING: frozenset({JobState.RUNNING, JobState.DONE, JobState.FAILED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.DONE: frozenset(),
}


def check_transition(
    table: Mapping[State, frozenset[State]], kind: str, id: str, now: State, wanted: State
) -> State:
    """`wanted`, or the error that says why not."""
    if wanted not in table[now]:
        words, is_now, is_wanted = thing(kind), state(now.value), state(wanted.value)
        raise STATE_NOT_ALLOWED.error(
            id=id,
            thing_zh=words.zh,
            thing_en=words.en,
            now_zh=is_now.zh,
            now_en=is_now.en,
            wanted_zh=is_wanted.zh,
            wanted_en=is_wanted.en,
        )
    return wanted
