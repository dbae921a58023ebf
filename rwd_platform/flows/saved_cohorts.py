"""Definitions that people work on, kept so that nothing typed is lost, also on a hospital's shared computer.

A text is kept as it is, whether it can be read or not. Who saves says which revision they began with: what somebody
else has saved meanwhile is never overwritten. A definition belongs to its organisation and is not there for others.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from rwd_platform.access.permissions import Action, check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import SavedCohort

KIND = "saved_cohort"
MOST_CHARACTERS = 200_000  # as many as a definition may have
LONGEST_NAME = 120
LIST_PAGE = 50

CHANGED_ELSEWHERE = Problem(
    code="cohort.changed_elsewhere",
    zh="这份队列定义已被他人（或在另一窗口）改过，您的文字没有保存，也没有覆盖对方的内容。",
    en="This definition was changed by somebody else, or in another window; yours was not saved and overwrote nothing.",
    next_zh="请点击“另存为新定义”保留您的文字，再打开原定义查看改动。",
    next_en='Press "Save as a new definition" to keep your text, then open this one again to see what changed.',
    http=409,
)
TOO_LONG = Problem(
    code="cohort.text_too_long",
    zh="定义最多 {characters} 个字符，名称最多 {name} 个字符；没有保存。",
    en="A definition has at most {characters} characters and its name {name}; nothing was saved.",
    next_zh="请缩短文字；逐个列出的代码可改写为代码表。",
    next_en="Shorten the text; codes that are listed one by one can become a code list.",
    http=413,
)


def create_cohort(platform: Platform, actor: Actor, name: str, definition: str) -> SavedCohort:
    """Begin a definition; also the copy of one. Raises `cohort.text_too_long`."""
    _check_may(platform, actor, "")
    name, definition = _checked(name, definition)
    now = as_text(platform.clock())
    row = SavedCohort(
        id=new_id("cohort", platform.clock()),
        organisation_id=actor.organisation,
        name=name,
        definition=definition,
        revision=1,
        created_by=actor.id,
        created_at=now,
        saved_by=actor.id,
        saved_at=now,
    )
    platform.records.write(row, audit=_saved(actor, row))
    return row


def save_cohort(
    platform: Platform, actor: Actor, cohort_id: str, name: str, definition: str, revision: int
) -> SavedCohort:
    """Keep the text. `revision`: of the text that the change began with. The same text again changes nothing.

    Raises `cohort.changed_elsewhere`, `cohort.text_too_long`.
    """
    row = find_cohort(platform, actor, cohort_id)
    name, definition = _checked(name, definition)
    if (row.name, row.definition) == (name, definition):
        return row

    with platform.records.transaction(audit=lambda: _saved(actor, row)) as session:
        row = session.get_one(SavedCohort, cohort_id, with_for_update=True)
        if row.revision != revision:
            raise CHANGED_ELSEWHERE.error()
        row.name, row.definition, row.revision = name, definition, revision + 1
        row.saved_by, row.saved_at = actor.id, as_text(platform.clock())
        session.add(row)
        session.flush()
    return find_cohort(platform, actor, cohort_id)


def find_cohort(platform: Platform, actor: Actor, cohort_id: str) -> SavedCohort:
    """One of the actor's organisation; another's looks like one that is not there."""
    _check_may(platform, actor, cohort_id)
    row = platform.records.find(SavedCohort, cohort_id)
    if row is None or row.organisation_id != actor.organisation:
        shown = cohort_id if len(cohort_id) <= 80 and cohort_id.isprintable() else "?"
        with refusals_recorded(platform.records, actor, Action.COHORT_COUNT, KIND, shown):
            raise NOT_FOUND.error(kind=KIND, id=shown)
    return row


def cohorts_of(platform: Platform, actor: Actor, first: int = 0) -> Sequence[SavedCohort]:
    """Those of the actor's organisation, the last changed first; LIST_PAGE of them."""
    _check_may(platform, actor, "")
    return platform.records.all(
        select(SavedCohort)
        .where(SavedCohort.organisation_id == actor.organisation)
        .order_by(col(SavedCohort.saved_at).desc(), col(SavedCohort.id).desc())
        .offset(first)
        .limit(LIST_PAGE)
    )


def _check_may(platform: Platform, actor: Actor, cohort_id: str) -> None:
    with refusals_recorded(platform.records, actor, Action.COHORT_COUNT, KIND, cohort_id):
        check_may(actor, Action.COHORT_COUNT)


def _checked(name: str, definition: str) -> tuple[str, str]:
    """As they are kept: line ends as everywhere here, no NUL, which a database cannot hold."""
    definition = definition.replace("\r\n", "\n").replace("\x00", "")
    name = " ".join(name.replace("\x00", "").split())
    if len(definition) > MOST_CHARACTERS or len(name) > LONGEST_NAME:
        raise too_long()
    return name, definition


def too_long() -> PlatformError:
    return TOO_LONG.error(characters=f"{MOST_CHARACTERS:,}", name=LONGEST_NAME)


def _saved(actor: Actor, row: SavedCohort) -> Act:
    return Act(actor, "cohort.saved", Object(KIND, row.id, sha256_hex(row.definition.encode())))
