"""What an act changed: old and new values out of the entry's sealed detail, for whoever reviews the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag

from rwd_platform.core.errors import Problem
from rwd_platform.log.entry import read_entry
from rwd_platform.records.journal import CHANGES, open_detail
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditDetail, AuditEntry

DETAIL_ALTERED = Problem(
    code="audit.detail_altered",
    zh="第 {sequence} 条日志的细节与条目不符：细节在日志之外被改动，或不是用本部署的密钥加密的。",
    en="The detail of entry {sequence} is not what the entry says: it was changed behind the log, or sealed with "
    "another key than this deployment's.",
    next_zh="请保全数据库并运行 `rwd audit verify`；若刚更换过根密钥文件，请核对 RWD_ROOT_KEY_FILE。",
    next_en="Keep the database and run `rwd audit verify`; if the root key file was just replaced, check "
    "RWD_ROOT_KEY_FILE.",
    http=409,
)


@dataclass(frozen=True)
class Change:
    """One field of one row. `old` is None for a row that is new, `new` for one that is gone.

    A long value stands as `{"sha256": ..., "length": ...}`.
    """

    table: str
    id: str
    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class ActChanges:
    """What is known of an act's changes.

    more    -- by table, how many further rows it changed beyond those that are kept
    erased  -- the entry had a detail, which was erased since; what it said nobody knows any more
    """

    changes: tuple[Change, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)
    erased: bool = False


def changes_of(records: Records, sequence: int) -> ActChanges:
    """Old and new values of an entry's act; nothing for an act that changed nothing that is kept, or an old entry.

    Raises `records.not_found` for an entry that is none, and `audit.detail_altered` when the detail is not the one
    that the entry is bound to.
    """
    entry = records.get(AuditEntry, sequence)
    try:
        digest = read_entry(entry.body).get("detail_digest")
    except (ValueError, RecursionError, AttributeError) as error:  # no entry, or not even bytes any more
        raise DETAIL_ALTERED.error(sequence=sequence) from error
    if not digest:
        return ActChanges()
    row = records.find(AuditDetail, sequence)
    if row is None:
        return ActChanges(erased=True)
    try:
        plain, found = open_detail(records.book, sequence, row.salt, row.sealed)
    except (InvalidTag, ValueError) as error:
        raise DETAIL_ALTERED.error(sequence=sequence) from error
    if found != digest:
        raise DETAIL_ALTERED.error(sequence=sequence)
    return _read(json.loads(plain).get(CHANGES, ()))


def _read(kept: Any) -> ActChanges:
    changes = [
        Change(str(one["table"]), str(one["id"]), name, old, new)
        for one in kept
        if "fields" in one
        for name, (old, new) in one["fields"].items()
    ]
    more = {str(one["table"]): int(one["more"]) for one in kept if "more" in one}
    return ActChanges(tuple(changes), more)
