"""Old and new values of what an act changed: sealed, bound by the entry, and never a secret or a patient's."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary
from sqlmodel import Session, SQLModel, select

import rwd_platform.records.tables  # noqa: F401 - fills SQLModel.metadata
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.query import Change, changes_of
from rwd_platform.audit.verify import verify_log
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object, sealed_digest
from rwd_platform.records.changes import LONGEST, MOST_ROWS, kept_fields
from rwd_platform.records.journal import CHANGES
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditDetail, AuditEntry, Organisation, PatientKey, User
from rwd_platform.signing.ed25519 import Signer

CATALOGUE = Path(__file__).parents[2] / "deidentify/classification/catalogue.csv"
PASSWORD_HASH = "planted-password-hash"


def act(action: str = "organisation.registered", **more: object) -> Act:
    return Act(Actor("u", "operator", "org"), action, Object("organisation", "org-1"), **more)  # type: ignore[arg-type]  # fields of an act, as the test names them


def hospital(name: str = "First", id: str = "org-1") -> Organisation:
    return Organisation(id=id, kind="hospital", name_zh="第一医院", name_en=name)


def person(**more: str) -> User:
    given = {"id": "user-1", "organisation_id": "org-1", "login": "a", "role": "hospital", "name": "甲",
             "password_hash": PASSWORD_HASH, "language": "zh", "created_at": "t"}  # fmt: skip
    return User(**(given | more))


def plain_of(records: Records, sequence: int) -> bytes:
    from rwd_platform.records.journal import open_detail

    row = records.get(AuditDetail, sequence)
    return open_detail(records.book, sequence, row.salt, row.sealed)[0]


def test_a_new_row_a_changed_row_and_one_that_is_gone(records: Records) -> None:
    """What it was and what it became, field by field; nothing where nothing changed."""
    records.write(hospital(), audit=act())
    made = changes_of(records, 0)
    assert Change("organisation", "org-1", "name_en", None, "First") in made.changes
    records.write(hospital("Second"), audit=act())
    assert changes_of(records, 1).changes == (Change("organisation", "org-1", "name_en", "First", "Second"),)
    records.write(hospital("Second"), audit=act())
    assert changes_of(records, 2).changes == ()
    with records.transaction(audit=act()) as session:
        session.delete(session.get_one(Organisation, "org-1"))
    gone = changes_of(records, 3)
    assert Change("organisation", "org-1", "name_en", "Second", None) in gone.changes


def test_a_flush_in_between_does_not_hide_the_first_value(records: Records) -> None:
    """Changed twice in one act: from what it was before the act to what it is after it."""
    records.write(hospital("First"), audit=act())
    with records.transaction(audit=act()) as session:
        row = session.get_one(Organisation, "org-1")
        row.name_en = "Between"
        session.flush()
        row.name_en = "Last"
    assert changes_of(records, 1).changes == (Change("organisation", "org-1", "name_en", "First", "Last"),)


def test_values_are_sealed_and_bound_by_the_entry(records: Records) -> None:
    """In no column in clear; the digest in the entry is of what was sealed, and another detail is told."""
    records.write(hospital("planted-name"), audit=act())
    row = records.get(AuditDetail, 0)
    entry = records.get(AuditEntry, 0)
    assert b"planted-name" not in row.sealed + row.salt + entry.body
    plain = plain_of(records, 0)
    assert b"planted-name" in plain
    assert json.loads(entry.body)["detail_digest"] == sealed_digest(row.salt, plain)
    records.write(hospital("another"), audit=act())
    with Session(records.engine) as session:  # behind the log: the second entry's detail under the first
        first, second = session.get_one(AuditDetail, 0), session.get_one(AuditDetail, 1)
        first.salt, first.sealed = second.salt, second.sealed
        session.commit()
    with pytest.raises(PlatformError) as caught:
        changes_of(records, 0)
    assert caught.value.code == "audit.detail_altered"


def test_an_erased_detail_is_said_to_be_erased_and_leaves_the_log_whole(
    records: Records, log_signer: Signer
) -> None:
    records.write(hospital(), audit=act())
    make_checkpoint(records, log_signer, "test")
    with Session(records.engine) as session:
        session.delete(session.get_one(AuditDetail, 0))
        session.commit()
    assert changes_of(records, 0).erased
    assert verify_log(records, public_key=log_signer.public_key).ok


def test_acts_without_changes_have_none(records: Records) -> None:
    """Nor have entries from before changes were kept."""
    records.record(act("package.read"))
    records.record(act("package.read", detail={"said": "something"}))
    for sequence in (0, 1):
        assert changes_of(records, sequence).changes == () and not changes_of(records, sequence).erased
    with pytest.raises(PlatformError, match=r"records\.not_found"):
        changes_of(records, 99)


def test_what_the_doer_said_stands_beside_it(records: Records) -> None:
    records.write(hospital(), audit=act(detail={"said": "because"}))
    told = json.loads(plain_of(records, 0))
    assert told["said"] == "because" and told[CHANGES][0]["table"] == "organisation"
    with pytest.raises(ValueError, match=CHANGES):
        records.write(hospital("Second"), audit=act(detail={CHANGES: "mine"}))
    assert records.get(Organisation, "org-1").name_en == "First"  # no entry, no act


def test_a_long_value_is_kept_by_its_hash(records: Records) -> None:
    import hashlib

    text = "名" * (LONGEST + 1)
    records.write(hospital(text), audit=act())
    (change,) = [one for one in changes_of(records, 0).changes if one.field == "name_en"]
    assert change.new == {"sha256": hashlib.sha256(text.encode()).hexdigest(), "length": LONGEST + 1}
    assert len(plain_of(records, 0)) < 600


def test_of_very_many_rows_some_are_kept_and_the_rest_counted(records_sqlite: Records) -> None:
    """An act on a hundred thousand rows must not make a log as large as the table."""
    rows = [hospital(f"name {number}", f"org-{number}") for number in range(MOST_ROWS + 37)]
    records_sqlite.write(*rows, audit=act())
    found = changes_of(records_sqlite, 0)
    assert len({one.id for one in found.changes}) == MOST_ROWS and found.more == {"organisation": 37}


def test_a_secret_is_never_kept(records: Records) -> None:
    """Neither as it was nor as it is: not in the columns and not in what was sealed."""
    records.write(hospital(), audit=act())
    records.write(person(), audit=act("user.created"))
    records.write(person(password_hash="another-hash", name="乙"), audit=act("user.changed"))
    for sequence in (1, 2):
        plain = plain_of(records, sequence)
        assert (
            PASSWORD_HASH.encode() not in plain
            and b"another-hash" not in plain
            and b"password_hash" not in plain
        )
    assert changes_of(records, 2).changes == (Change("user_account", "user-1", "name", "甲", "乙"),)


def test_nothing_about_one_patient_is_kept(records: Records) -> None:
    """An erasure would have to find it in the log too."""
    records.write(hospital(), audit=act())
    key = PatientKey(organisation_id="org-1", patient_id="P-planted", suite="intl", key_version=1, wrapped=b"w" * 32,
                     made_at="t", destroyed_at="")  # fmt: skip
    records.write(key, audit=act("patient_key.made"))
    assert changes_of(records, 1).changes == ()
    assert [row.sequence for row in records.all(select(AuditDetail))] == [0]


def test_the_list_of_kept_fields_names_no_secret_nothing_sealed_and_no_patient() -> None:
    """Held against the classification of every column: level 4 and 5, and tables about patients, are out."""
    with CATALOGUE.open(encoding="utf-8", newline="") as stream:
        levels = {
            (row["table"], row["column"]): row for row in csv.DictReader(stream) if row["zone"] == "records"
        }
    tables = SQLModel.metadata.tables
    for table, fields in kept_fields().items():
        assert table in tables and "patient_id" not in tables[table].columns
        for name in fields:
            column = tables[table].columns[name]
            assert not isinstance(column.type, LargeBinary)
            classified = levels.get((table, name), {"level": "1", "reason": "nothing personal in this table"})
            assert int(classified["level"]) < 4 and classified["reason"] != "secret", (table, name)
