"""Rows that decide who may do what, and what leaves: whatever column is edited behind the log, the row is named."""

# ruff: noqa: F811 - an argument of the name of a fixture is that fixture

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from sqlalchemy import inspect as sa_inspect
from sqlmodel import SQLModel

from rwd_platform.audit.against_records import compare
from rwd_platform.audit.against_rows import _tables
from rwd_platform.core.canonical import canonical_json
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object, make_entry
from rwd_platform.records import tables
from rwd_platform.records.changes import hash_of_row, pinned_tables
from rwd_platform.records.tables import Organisation, User
from tests.audit.test_against_releases import home, ids, platform  # noqa: F401 - fixtures
from tests.flows.releasing import OFFICER


def told(platform: Platform) -> set[tuple[str, str]]:
    """The rule and the sentence of every finding."""
    size = platform.records.log_entries(limit=10_000)[-1].sequence + 1
    return {(one.rule, one.en) for one in compare(platform.records, size).kept}


def behind_the_log(platform: Platform, *statements: tuple[str, tuple[Any, ...]]) -> None:
    with sqlite3.connect(str(platform.records.engine.url.database)) as connection:
        for statement, values in statements:
            assert connection.execute(statement, values).rowcount > 0, statement
    connection.close()


def one_row(platform: Platform, table: type[SQLModel]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Where a row stands (a condition and its values), and what it holds. Where no flow of the fixture wrote one, an
    act writes it now.
    """
    keys = [column.name for column in sa_inspect(table).primary_key]
    row = first_of(platform, str(table.__tablename__), keys)
    if row is None:
        made = table(**{column.name: filling(platform, column) for column in sa_inspect(table).columns})
        platform.records.write(made, audit=Act(OFFICER, "row.written", Object("row", "1")))
        row = first_of(platform, str(table.__tablename__), keys)
    assert row is not None
    return " AND ".join(f"{key} = ?" for key in keys), tuple(row[key] for key in keys), row


def first_of(platform: Platform, table: str, keys: list[str]) -> dict[str, Any] | None:
    with sqlite3.connect(str(platform.records.engine.url.database)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(keys)}").fetchone()
    connection.close()
    return dict(row) if row is not None else None


def filling(platform: Platform, column: Any) -> Any:
    """A value that the column takes: of a key into another table, one that is there."""
    for foreign in column.foreign_keys:
        table, name = foreign.target_fullname.split(".")
        there = first_of(platform, table, [name])
        if there is None:
            of_table = {
                str(one.__tablename__): one for one in vars(tables).values() if hasattr(one, "__table__")
            }
            one_row(platform, of_table[table])
            there = first_of(platform, table, [name])
        assert there is not None
        return there[name]
    kind = column.type.python_type
    return {int: 1, bool: True, float: 1.5, bytes: b"x", dict: {"a": 1}}.get(kind, "x")


def another(value: Any) -> Any:
    """Something else of the same kind."""
    if isinstance(value, bytes):
        return value + b"\x00"
    if isinstance(value, int):
        return value + 1
    try:
        return json.dumps([json.loads(value)])
    except (TypeError, ValueError):
        return f"{value or ''}x"


ALL = sorted(pinned_tables())
CLASSES = {str(one.__tablename__): one for one in _tables()}


def test_every_pinned_table_is_one_of_ours() -> None:
    assert sorted(CLASSES) == ALL and len(ALL) > 15


@pytest.mark.parametrize("table", ALL)
def test_whatever_column_is_edited_the_row_is_named(platform: Platform, table: str) -> None:
    where, key, row = one_row(platform, CLASSES[table])
    name, before = f"{table} {'/'.join(map(str, key))}", told(platform)
    known = any(f" {name}" in text for _, text in before)  # put there by the fixture, without a flow
    for column, value in row.items():
        if f"{column} = ?" in where:
            continue
        behind_the_log(platform, (f"UPDATE {table} SET {column} = ? WHERE {where}", (another(value), *key)))
        found = told(platform) - before
        assert known or any(name in text for _, text in found), f"{column} of {name}"
        behind_the_log(platform, (f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *key)))
    assert told(platform) == before


@pytest.mark.parametrize("table", ALL)
def test_a_row_that_was_put_in_and_one_that_was_taken_out_are_named(platform: Platform, table: str) -> None:
    where, key, row = one_row(platform, CLASSES[table])
    before = told(platform)
    copy = {name: f"{value}-x" if f"{name} = ?" in where else value for name, value in row.items()}
    if "login" in copy:
        copy["login"] = "somebody-else"
    columns, marks = ", ".join(copy), ", ".join("?" * len(copy))
    try:
        behind_the_log(platform, (f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(copy.values())))
    except sqlite3.IntegrityError:  # another column is unique
        pass
    else:
        added = "/".join(f"{one}-x" for one in key)
        assert any(f"{table} {added}" in text for _, text in told(platform) - before)
        behind_the_log(platform, (f"DELETE FROM {table} WHERE {where}", tuple(f"{one}-x" for one in key)))
    behind_the_log(platform, (f"DELETE FROM {table} WHERE {where}", key))
    name = f"{table} {'/'.join(map(str, key))}"
    gone = [text for _, text in told(platform) - before if name in text]
    assert gone or any(name in text for _, text in before)


def test_a_researcher_who_made_himself_a_privacy_officer_is_named_with_the_entry(platform: Platform) -> None:
    """By the entry that wrote the account last."""
    user = User(
        id="user-quiet", organisation_id="org-operator", login="quiet", role="researcher", name="静",
        password_hash="x", created_at="2026-11-02T08:00:00.000000Z",
    )  # fmt: skip
    entry = platform.records.write(user, audit=Act(OFFICER, "user.registered", Object("user", user.id)))
    before = told(platform)
    behind_the_log(platform, ("UPDATE user_account SET role = 'privacy' WHERE login = 'quiet'", ()))
    ((rule, text),) = told(platform) - before
    assert (
        rule == "record_changed" and "user_account user-quiet" in text and f"entry {entry.sequence} " in text
    )


def test_a_row_that_was_changed_by_the_platform_is_held_to_the_newest_entry(platform: Platform) -> None:
    before = told(platform)
    row = platform.records.get(Organisation, "org-operator")
    row.name_en = "Another name"
    platform.records.write(row, audit=Act(OFFICER, "organisation.renamed", Object("organisation", row.id)))
    assert told(platform) == before
    with platform.records.transaction(audit=Act(OFFICER, "user.removed", Object("user", "x"))) as session:
        session.delete(session.get(User, OFFICER.id))
    assert told(platform) == before, "taken away by an act is not gone behind the log"


def test_two_rows_of_one_act_have_each_a_hash_of_its_own(platform: Platform) -> None:
    rows = [Organisation(id=f"org-{n}", kind="hospital", name_zh="院", name_en=f"H{n}") for n in (1, 2)]
    platform.records.write(
        *rows, audit=Act(OFFICER, "organisation.registered", Object("organisation", "both"))
    )
    body = json.loads(platform.records.log_entries(limit=10_000)[-1].body)
    assert body["rows"] == {f"organisation {row.id}": hash_of_row(row) for row in rows}
    before = told(platform)
    behind_the_log(platform, ("UPDATE organisation SET kind = 'authority' WHERE id = 'org-2'", ()))
    ((_, text),) = told(platform) - before
    assert "organisation org-2" in text


def test_an_entry_with_rows_is_canonical_and_one_without_is_as_it_was() -> None:
    act = Act(OFFICER, "user.registered", Object("user", "u"), decision={"rows": {"a": 1}}, reason='"rows":{')
    fixed = {"log": "l", "sequence": 3, "at": "2026-11-02T08:00:00.000000Z", "old_hash": "", "new_hash": ""}
    without = make_entry(act, **fixed, detail_hash="")
    assert "rows" not in json.loads(without.body)
    rows = {"user_account u": "ab" * 32, "organisation ü": ""}
    entry = make_entry(act, **fixed, detail_hash="", rows=rows)
    assert json.loads(entry.body)["rows"] == rows and entry.body == canonical_json(json.loads(entry.body))


@pytest.mark.parametrize("body", ["CAST(body AS TEXT)", "5", "9e12", "''", "x'ff'", "'\"rows\":{'"])
def test_a_body_of_another_kind_ends_no_comparison(platform: Platform, body: str) -> None:
    """The entry is a finding of its own; the rows of every other are still held to theirs."""
    rows = [Organisation(id=f"org-{n}", kind="hospital", name_zh="院", name_en=f"H{n}") for n in (1, 2)]
    first, second = (
        platform.records.write(
            row, audit=Act(OFFICER, "organisation.registered", Object("organisation", row.id))
        )
        for row in rows
    )
    behind_the_log(
        platform,
        (f"UPDATE audit_entry SET body = {body} WHERE sequence = ?", (first.sequence,)),
        ("UPDATE organisation SET kind = 'authority' WHERE id = 'org-2'", ()),
    )
    found = told(platform)
    assert any("organisation org-2" in text and f"entry {second.sequence} " in text for _, text in found)


def test_an_old_entry_whose_words_look_like_rows_names_none(platform: Platform) -> None:
    before = told(platform)
    act = Act(OFFICER, "receipt.read", Object("receipt", "s"), decision={"rows": {"user_account x": "y"}})
    platform.records.record(act)
    assert told(platform) == before
