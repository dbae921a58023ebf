"""What a transaction changes: rows as they were and as they become, for the entry's hashes and for its detail.

The hashes are over every field of every row. The detail keeps old and new values of the fields that
kept_changes.toml names, so that a reviewer of the audit trail sees what was changed into what.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import inspect as sa_inspect
from sqlmodel import Session, SQLModel

from rwd_platform.core.canonical import canonical_json, sha256_hex, sha256_of

POLICY = Path(__file__).with_name("kept_changes.toml")
PINNED = Path(__file__).with_name("pinned_rows.toml")
MOST_ROWS = 100  # of one transaction; of the others the entry keeps how many there were
LONGEST = 200  # characters of a value; of a longer one its hash is kept
_LARGEST = 2**53 - 1
_CHANGES = "rwd_changes"


class Changes:
    """The rows of a transaction as they were and as they become, noted at every flush.

    A flush in between (a query that needs ids) must not hide what it wrote from the entry.
    """

    def __init__(self, session: Session) -> None:
        self._rows: dict[int, SQLModel] = {}
        self._before: dict[int, dict[str, Any]] = {}
        self._deleted: set[int] = set()
        session.info[_CHANGES] = self

    def note(self, session: Any) -> None:
        for row in [*session.new, *session.dirty, *session.deleted]:
            key = id(row)
            if key not in self._rows:
                self._rows[key] = row
                if row not in session.new:
                    was = dict(sa_inspect(row).committed_state)  # only the attributes that changed
                    self._before[key] = {**_plain(row), **_bytes_as_hex(was)}
            if row in session.deleted:
                self._deleted.add(key)

    def hashes_and_kept(self) -> tuple[str, str, list[dict[str, Any]]]:
        """The hashes over all rows before and after, empty text where there was nothing; and what the detail keeps.

        Kept is `{"table", "id", "fields": {name: [old, new]}}` for each of the first rows with a change to keep, and
        `{"table", "more"}` with the number of the others. A row that is new has no old values, one that is gone no
        new ones.
        """
        after = {key: _plain(row) for key, row in self._rows.items() if key not in self._deleted}
        return (
            _hash_of([[str(self._rows[key].__tablename__), was] for key, was in self._before.items()]),
            _hash_of([[str(self._rows[key].__tablename__), becomes] for key, becomes in after.items()]),
            self._kept(after),
        )

    def pinned(self) -> dict[str, str]:
        """`<table> <id>` -> the hash of each row as it becomes, for the tables in pinned_rows.toml; "" for one deleted.

        `rwd audit verify` holds the row to the newest of them (rwd_platform.audit.against_rows).
        """
        return {
            f"{row.__tablename__} {_id_of(row)}": "" if key in self._deleted else hash_of_row(row)
            for key, row in self._rows.items()
            if str(row.__tablename__) in pinned_tables()
        }

    def _kept(self, after: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        more: dict[str, int] = {}
        for key, row in self._rows.items():
            table = str(row.__tablename__)
            fields = kept_fields().get(table)
            if fields is None:
                continue
            changed = dict(_changed(fields, self._before.get(key), after.get(key)))
            if changed and len(kept) < MOST_ROWS:
                kept.append({"table": table, "id": _id_of(row), "fields": changed})
            elif changed:
                more[table] = more.get(table, 0) + 1
        return kept + [{"table": table, "more": count} for table, count in sorted(more.items())]


def hash_of_row(row: SQLModel) -> str:
    """The hash that an entry has whose act wrote this row and no other, as it becomes."""
    return _hash_of([[str(row.__tablename__), _plain(row)]])


def note_changes(session: Any, _context: Any, _instances: Any) -> None:
    """Listens to every flush of a session that a `Changes` was made for."""
    session.info[_CHANGES].note(session)


@cache
def pinned_tables() -> frozenset[str]:
    """The tables whose rows are held to the log one by one."""
    with PINNED.open("rb") as stream:
        return frozenset(tomllib.load(stream)["pinned"])


@cache
def kept_fields() -> dict[str, tuple[str, ...]]:
    """Table -> the fields whose values are kept."""
    with POLICY.open("rb") as stream:
        return {table: tuple(fields) for table, fields in tomllib.load(stream)["kept"].items()}


def _changed(
    fields: tuple[str, ...], before: dict[str, Any] | None, after: dict[str, Any] | None
) -> Iterator[tuple[str, list[Any]]]:
    for name in fields:
        old = (before or {}).get(name)
        new = (after or {}).get(name)
        if old != new and not (old in (None, "") and new in (None, "")):
            yield name, [_short(old), _short(new)]


def _short(value: Any) -> Any:
    """The value as it may stand in the detail: texts and structures that are long, by their hash and length."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _LARGEST):
        return value
    text = value if isinstance(value, str) else canonical_json(value).decode()
    if len(text) > LONGEST:
        return {"sha256": sha256_hex(text.encode("utf-8", "surrogatepass")), "length": len(text)}
    return value


def _id_of(row: SQLModel) -> str:
    """The primary key; of several columns, one after the other."""
    return "/".join(str(getattr(row, column.key)) for column in sa_inspect(type(row)).primary_key)


def _plain(row: SQLModel) -> dict[str, Any]:
    """A row as JSON. Sealed columns stand as hex: they are no text in any encoding."""
    blobs = {name: value for name in type(row).model_fields if type(value := getattr(row, name)) is bytes}
    return {**row.model_dump(mode="json", exclude=set(blobs)), **_bytes_as_hex(blobs)}


def _bytes_as_hex(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if type(value) is bytes else value for name, value in values.items()}


def _hash_of(rows: list[list[Any]]) -> str:
    return sha256_of(sorted(rows, key=lambda row: (row[0], sha256_of(row[1])))) if rows else ""
