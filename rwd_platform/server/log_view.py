"""The log for the pages and the API: a page of it, one entry with its changes and its proof, and the export.

Every function takes the visitor and leaves out what is not theirs to see.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlmodel import col, func, select

from rwd_platform.access.permissions import visible_organisation
from rwd_platform.access.projects import hidden_ids
from rwd_platform.audit.checkpoints import Head, latest_checkpoint
from rwd_platform.audit.proof_file import Inclusion, inclusion_of
from rwd_platform.audit.query import (
    EVERYTHING,
    ActChanges,
    LogFilter,
    LogLine,
    changes_of,
    find_line,
    lines_of,
    page_of,
)
from rwd_platform.core.clock import SHANGHAI, as_text
from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_table import defused
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.records import NOT_FOUND, Records
from rwd_platform.records.tables import AuditEntry, Organisation, User
from rwd_platform.server import acts, queries
from rwd_platform.server.deps import Visitor

PAGE_SIZE = 50
MOST_EXPORTED = 100_000
_LONGEST_NUMBER = 15  # digits of an entry's number; a longer one is nobody's
_REFUSED = ("access.refused", "access.refused_abroad")
_ANSWERS = ("transfer.decided", "transfer.inbound_decided")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200

DAY_UNFIT = Problem(
    code="log.day_unfit",
    zh="日期不能使用：请写成 2026-11-22 这样，起始不得晚于截止。",
    en="A day cannot be used: write it like 2026-11-22, and let the period begin before it ends.",
    next_zh="请改正日期后再筛选。",
    next_en="Correct the days and filter again.",
    http=422,
)


@dataclass(frozen=True)
class Asked:
    """What the reader asks for, as it was typed. `since` and `until` are days in Asia/Shanghai, both included."""

    action: str = ""
    object: str = ""
    actor: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""

    @property
    def query(self) -> str:
        """For an address: what is not empty."""
        return urlencode(
            {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name)}
        )


@dataclass(frozen=True)
class Shown:
    """An entry as people read it."""

    line: LogLine
    actor: Bilingual

    @property
    def outcome(self) -> str:
        """The entry's; of a question to the rules, their answer. Nobody was refused anything by an answer."""
        verdict = (self.line.decision or {}).get("verdict")
        is_answer = self.line.action in _ANSWERS and verdict in ("HOLD", "BLOCK")
        return str(verdict) if is_answer else self.line.outcome


@dataclass(frozen=True)
class Page:
    lines: tuple[Shown, ...]
    total: int
    page: int


@dataclass(frozen=True)
class ChangesSeen:
    """What may be said of an act's old and new values.

    state -- shown | kept_back (there are, for others to see) | sealed (words of the doer alone) | erased | altered |
             hashes_only | none
    """

    state: str
    changes: ActChanges = field(default_factory=ActChanges)
    problem: PlatformError | None = None


@dataclass(frozen=True)
class Card:
    """One entry with everything. `older`, `newer`: the visible entries beside it."""

    shown: Shown
    organisation: Bilingual
    changes: ChangesSeen
    inclusion: Inclusion
    facts: tuple[tuple[str, str], ...]
    older: int | None
    newer: int | None


# -- what may be seen ------------------------------------------------------------------------------------


def visible(records: Records, visitor: Visitor) -> sa.Select[Any]:
    """The whole log, or the entries of one's own organisation without those of studies closed to the visitor.

    What the visitor was refused stays, or its absence would tell a closed study from one that is not there.
    """
    organisation = visible_organisation(visitor.actor, "log.read")
    if organisation is None:
        return EVERYTHING
    query = EVERYTHING.where(col(AuditEntry.organisation_id) == organisation)
    hidden = hidden_ids(records, visitor.actor)
    if not hidden:
        return query
    refused = sa.and_(col(AuditEntry.action).in_(_REFUSED), col(AuditEntry.actor_id) == visitor.actor.id)
    return query.where(sa.or_(col(AuditEntry.object_id).not_in(hidden), refused))


def wanted(records: Records, asked: Asked, page: int = 1, page_size: int = PAGE_SIZE) -> LogFilter:
    """Raises `log.day_unfit`. A person may be asked for by name or login too."""
    since, until = as_day(asked.since), as_day(asked.until)
    if since and until and since > until:
        raise DAY_UNFIT.error()
    return LogFilter(
        actor_id=person_id(records, asked.actor),
        action=asked.action,
        object_id=asked.object,
        outcome=asked.outcome,
        since=as_text(midnight(since)) if since else "",
        until=as_text(midnight(until + timedelta(days=1))) if until else "",
        page=page,
        page_size=page_size,
    )


def as_day(text: str) -> date | None:
    """None for no text. Raises `log.day_unfit`."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise DAY_UNFIT.error() from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise DAY_UNFIT.error()
    return day


def midnight(day: date) -> datetime:
    """When the day begins in Asia/Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def person_id(records: Records, text: str) -> str:
    """The id of the one person who has this login or name; otherwise the text, which may be an id itself."""
    if not text:
        return ""
    called = records.all(select(User).where(sa.or_(col(User.login) == text, col(User.name) == text)))
    return called[0].id if len(called) == 1 else text


def log_page(records: Records, visitor: Visitor, filter: LogFilter) -> Page:
    """The newest first. A page beyond the last is the last."""
    found = page_of(records, visible(records, visitor), filter)
    return Page(tuple(in_words(records, found.lines)), found.total, found.page)


def refused_lately(records: Records, visitor: Visitor, limit: int) -> list[Shown]:
    """The newest acts that were refused; what the rules answered to a question is none of them."""
    seen = visible(records, visitor).where(col(AuditEntry.action).not_in(_ANSWERS))
    return in_words(records, page_of(records, seen, LogFilter(outcome="refused", page_size=limit)).lines)


def in_words(records: Records, lines: Iterable[LogLine]) -> list[Shown]:
    held = list(lines)
    names = queries.names_of(records, {one.actor_id for one in held})
    return [Shown(one, acts.person(one.actor_id, names)) for one in held]


def actions(records: Records, visitor: Visitor) -> list[str]:
    """The actions that have happened, for the filter."""
    seen = visible(records, visitor).with_only_columns(col(AuditEntry.action)).distinct()
    with records.reading() as session:
        return sorted(str(one) for one in session.connection().execute(seen).scalars())


def size(records: Records) -> int:
    """How many entries there are, whosever they are."""
    with records.reading() as session:
        return session.exec(select(func.count()).select_from(AuditEntry)).one()


def newest_head(records: Records) -> Head | None:
    return latest_checkpoint(records)


# -- one entry ---------------------------------------------------------------------------------------------


def entry(records: Records, visitor: Visitor, number: str) -> LogLine:
    """By its number as it stands in an address. What is absent, another's or no number looks alike."""
    found = find_line(records, visible(records, visitor), int(number)) if is_number(number) else None
    if found is None:
        raise NOT_FOUND.error(kind="audit_entry", id=shown_id(number))
    return found


def is_number(text: str) -> bool:
    """Whether it may be the number of an entry or the size of a head."""
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER


def shown_id(text: str) -> str:
    """An id out of an address, as an error may repeat it."""
    return text if is_number(text) else "?"


def proof_of(platform: Platform, line: LogLine) -> Inclusion:
    return inclusion_of(platform.records, platform.log_signer.public_key, line.sequence, line.body)


def card(platform: Platform, visitor: Visitor, number: str) -> Card:
    records = platform.records
    line = entry(records, visitor, number)
    organisation = records.find(Organisation, line.organisation_id)
    seen = visible(records, visitor)
    return Card(
        shown=in_words(records, [line])[0],
        organisation=Bilingual(organisation.name_zh, organisation.name_en)
        if organisation
        else Bilingual(line.organisation_id, line.organisation_id),
        changes=changes_seen(records, visitor, line),
        inclusion=proof_of(platform, line),
        facts=tuple(_flat(line.decision or {})),
        older=_beside(records, seen.where(col(AuditEntry.sequence) < line.sequence), newest=True),
        newer=_beside(records, seen.where(col(AuditEntry.sequence) > line.sequence), newest=False),
    )


def changes_seen(records: Records, visitor: Visitor, line: LogLine) -> ChangesSeen:
    """Values are for whoever reviews the log; others learn which fields there are."""
    if line.broken:
        return ChangesSeen("altered")
    if not line.has_detail:
        return ChangesSeen("hashes_only" if line.old_hash or line.new_hash else "none")
    try:
        found = changes_of(records, line.sequence)
    except PlatformError as error:
        return ChangesSeen("altered", problem=error)
    if found.erased:
        return ChangesSeen("erased")
    if not found.changes and not found.more:
        return ChangesSeen("sealed")
    return ChangesSeen("shown" if visitor.may("log.review") else "kept_back", found)


def value_text(value: Any) -> str | None:
    """A kept value for reading; None for one of which only the hash was kept."""
    if isinstance(value, Mapping):
        return None if set(value) == {"sha256", "length"} else str(dict(value))
    return str(value)


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """A structure as (place, text), in its own order: `terms.0.name`."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat(one, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _flat(one, f"{place}.{number}")
    else:
        yield place, str(value)


def _beside(records: Records, query: sa.Select[Any], *, newest: bool) -> int | None:
    order = col(AuditEntry.sequence).desc() if newest else col(AuditEntry.sequence)
    with records.reading() as session:
        return session.connection().execute(query.order_by(order).limit(1)).scalar()


# -- the export --------------------------------------------------------------------------------------------

HEAD = (
    "序号 sequence", "北京时间 Asia/Shanghai", "UTC", "操作人编号 actor id", "操作人 actor", "角色 role",
    "机构 organisation", "动作 action", "动作说明 act", "对象类别 object type", "对象编号 object id",
    "对象版本 object version", "结果 outcome", "理由 reason", "用途 purpose", "前摘要 old hash", "后摘要 new hash",
    "叶哈希 leaf hash", "内容被改动 entry altered",
)  # fmt: skip


def export(platform: Platform, visitor: Visitor, asked: Asked) -> Iterator[bytes]:
    """The filtered lines as CSV, the newest first: UTF-8 with a byte order mark, CRLF. The export is an act.

    Of more lines than MOST_EXPORTED the newest are given, and the last line says so.
    """
    records = platform.records
    filter = replace(wanted(records, asked), below=size(records))  # not the export itself
    seen = visible(records, visitor)
    total = page_of(records, seen, filter).total
    given = min(total, MOST_EXPORTED)
    batches = lines_of(records, seen, filter, given)
    typed = {one.name: getattr(asked, one.name) for one in fields(asked) if getattr(asked, one.name)}
    kept = _known(records, seen, asked, filter)
    act = Act(
        visitor.actor,
        "log.exported",
        Object("log", records.log),
        purpose="csv",
        decision={"lines": given, "of": total, "filter": kept},
        detail={"typed": typed} if typed != kept else None,
    )
    records.record(act)
    return _csv(records, batches, given, total)


def _known(records: Records, seen: sa.Select[Any], asked: Asked, filter: LogFilter) -> dict[str, str]:
    """Of the filter what may stand in the log for ever: days, and words that are in the log already.

    Anybody may type a patient's name or number into a search, and what is in the log cannot be erased.
    """
    alone = {
        "action": LogFilter(action=filter.action, page_size=1),
        "object": LogFilter(object_id=filter.object_id, page_size=1),
        "actor": LogFilter(actor_id=filter.actor_id, page_size=1),
        "outcome": LogFilter(outcome=filter.outcome, page_size=1),
    }
    words = {
        "action": filter.action, "object": filter.object_id, "actor": filter.actor_id, "outcome": filter.outcome
    }  # fmt: skip
    found = {name: word for name, word in words.items() if word and page_of(records, seen, alone[name]).total}
    return {**found, **{name: getattr(asked, name) for name in ("since", "until") if getattr(asked, name)}}


def _csv(records: Records, batches: Iterable[Iterable[LogLine]], given: int, total: int) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _rows([HEAD])
    for batch in batches:
        yield _rows(_cells(one) for one in in_words(records, batch))
    if given < total:
        said = f"只导出最新的 {given:,} 条，共 {total:,} 条 · cut: the newest {given:,} of {total:,} lines"
        yield _rows([(said, *[""] * (len(HEAD) - 1))])


def _cells(shown: Shown) -> tuple[object, ...]:
    line = shown.line
    words = acts.ACTS[line.action].zh if line.action in acts.ACTS else ""
    return (
        line.sequence, shanghai(line.at), line.at, line.actor_id, shown.actor.zh, line.actor_role, line.organisation_id,
        line.action, words, line.object_type, line.object_id, line.object_version, line.outcome, line.reason,
        line.purpose, line.old_hash, line.new_hash, line.leaf_hash, "是 yes" if line.broken else "",
    )  # fmt: skip


def _rows(lines: Iterable[Iterable[object]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([defused(cell) for cell in line] for line in lines)
    return out.getvalue().encode("utf-8", "replace")


def shanghai_day(instant: str) -> str:
    """The day in Asia/Shanghai; as it stands where it is no instant."""
    return shanghai(instant).partition(" ")[0]


def shanghai(instant: str) -> str:
    """To the second in Asia/Shanghai; as it stands where it is no instant, because somebody changed it."""
    try:
        return datetime.fromisoformat(instant).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return instant
