"""Rows of the tables in records/pinned_rows.toml, each held to the newest entry that wrote it.

An edit, a row put in and a row taken out are found one by one, whatever column they touch. What another comparison
found of the same row is not said twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from sqlalchemy import inspect as sa_inspect
from sqlmodel import Session, SQLModel, col, select

from rwd_platform.audit.findings import Findings
from rwd_platform.audit.query import bytes_of
from rwd_platform.records import tables
from rwd_platform.records.changes import hash_of_row, pinned_tables
from rwd_platform.records.tables import AuditEntry

_MARK = b'"rows":{'  # canonical JSON has it in no other way


def compare_rows(session: Session, findings: Findings) -> None:
    newest = _newest(session)
    for table in _tables():
        name = str(table.__tablename__)
        here = {key: held for key, held in newest.items() if key.startswith(f"{name} ")}
        _compare(session, table, here, findings)


def _tables() -> Iterator[type[SQLModel]]:
    """The classes of the pinned tables, in the order of their names."""
    of_name = {str(one.__tablename__): one for one in vars(tables).values() if _is_table(one)}
    return (of_name[name] for name in sorted(pinned_tables()))


def _is_table(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, SQLModel) and hasattr(one, "__table__")


def _newest(session: Session) -> dict[str, tuple[int, str]]:
    """`<table> <id>` -> the newest entry that wrote the row, and the hash it gave. A broken body is `verify_log`'s."""
    newest: dict[str, tuple[int, str]] = {}
    query = select(AuditEntry.sequence, AuditEntry.body).order_by(col(AuditEntry.sequence))
    for sequence, body in session.exec(query.execution_options(yield_per=2000)):
        raw = bytes_of(body)
        if _MARK not in raw:
            continue
        try:
            rows = json.loads(raw)["rows"]
            newest.update({str(key): (sequence, str(held)) for key, held in rows.items()})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    return newest


def _compare(
    session: Session, table: type[SQLModel], newest: Mapping[str, tuple[int, str]], findings: Findings
) -> None:
    name, seen = str(table.__tablename__), set()
    columns = sa_inspect(table).primary_key
    for ids in session.execute(select(*columns).order_by(*columns)).all():
        key = f"{name} {'/'.join(map(str, ids))}"
        seen.add(key)
        sequence, held = newest.get(key, (None, ""))
        if key in findings.records:
            continue
        if sequence is None or not held:
            findings.add("record_unlogged", record=key, action="rows")
        elif _hash_at(session, table, tuple(ids)) != held:
            findings.add("record_changed", sequence=sequence, record=key, field="*")
    expected = {key for key, (_, held) in newest.items() if held}
    for key in sorted(expected - seen - findings.records):
        findings.add("record_missing", sequence=newest[key][0], record=key)


def _hash_at(session: Session, table: type[SQLModel], ids: tuple[object, ...]) -> str:
    """The hash of the row as it is; "" for one that has not even the form any more."""
    try:
        row = session.get(table, ids)
        return hash_of_row(row) if row is not None else ""
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""
