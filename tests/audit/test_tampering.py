"""A row behind the log, a byte of the file, an older backup: each is found and located, by two verifiers alike.

The platform's verifier (`rwd audit verify --database`) and the file that travels with an export are two
implementations. Every tampered database here goes to both, and they have to name the same rules at the same
entries.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint
from rwd_platform.signing.ed25519 import Signer
from tests.audit import tampering
from tests.audit.tampering import COLUMNS, ask_both, body_of, by_file, change, copied, edited, rebuild_trees
from tests.audit.test_verify import SIZE, eleven_entries, fill


@pytest.fixture
def file(records_sqlite: Records, log_signer: Signer, tmp_path: Path) -> Path:
    """Eleven entries, checkpoints at 7 and 11; a file that nobody has open."""
    return copied(eleven_entries(records_sqlite, log_signer), tmp_path / "evidence")


@pytest.fixture
def key(log_signer: Signer) -> bytes:
    return log_signer.public_key


def edit(path: Path, sequence: int, **changes: object) -> None:
    body = edited(body_of(path, sequence), **changes)
    change(path, "UPDATE audit_entry SET body = ? WHERE sequence = " + str(sequence), values=(body,))


def test_an_honest_file_is_whole(file: Path, key: bytes) -> None:
    said = ask_both(file, key)
    assert (said.found, said.size, said.signed_size) == ([], SIZE, SIZE)


@pytest.mark.parametrize("sequence", range(SIZE))
def test_an_edited_entry_is_named(file: Path, key: bytes, sequence: int) -> None:
    """Whichever it is; and the signed heads before it still stand."""
    edit(file, sequence, reason="something else")
    said = ask_both(file, key)
    assert ("node", sequence) in said.found
    assert ("checkpoint_root", 0 if sequence < 7 else 7) in said.found
    assert min(number for rule, number in said.found if rule == "node" and number is not None) <= sequence
    assert said.signed_size == (0 if sequence < 7 else 7)


@pytest.mark.parametrize("sequence", [0, 6, 7, 10])
def test_an_edited_entry_is_placed_between_signed_heads_though_its_tree_was_rebuilt(
    file: Path, key: bytes, sequence: int
) -> None:
    """Then only the signatures know: the entry lies after the last head that still fits."""
    edit(file, sequence, reason="something else")
    rebuild_trees(file)
    said = ask_both(file, key)
    assert said.found == (
        [("checkpoint_root", 0), ("checkpoint_root", 0)] if sequence < 7 else [("checkpoint_root", 7)]
    )


@pytest.mark.parametrize("sequence", range(SIZE - 1))
def test_a_deleted_entry_is_named_by_the_one_that_stands_in_its_place(
    file: Path, key: bytes, sequence: int
) -> None:
    change(file, f"DELETE FROM audit_entry WHERE sequence = {sequence}")
    said = ask_both(file, key)
    assert ("gap", sequence + 1) in said.found


@pytest.mark.parametrize("kept", range(SIZE))
def test_a_cut_tail_is_named_by_its_first_missing_entry(file: Path, key: bytes, kept: int) -> None:
    """Whether its nodes are still there or were cut with it."""
    change(file, f"DELETE FROM audit_entry WHERE sequence >= {kept}")
    said = ask_both(file, key)
    assert {("shorter", kept), ("extra_nodes", kept)} <= set(said.found)
    rebuild_trees(file)
    said = ask_both(file, key)
    assert said.rules == {"shorter"} and ("shorter", kept) in said.found


def test_two_entries_that_changed_places_are_named(file: Path, key: bytes) -> None:
    """Their rows swapped, their bodies as they were: each says the other's number."""
    change(
        file,
        "UPDATE audit_entry SET sequence = -1 WHERE sequence = 4",
        "UPDATE audit_entry SET sequence = 4 WHERE sequence = 5",
        "UPDATE audit_entry SET sequence = 5 WHERE sequence = -1",
    )
    said = ask_both(file, key)
    assert {("column", 4), ("column", 5), ("node", 4), ("node", 5)} <= set(said.found)


def test_a_repeated_entry_is_named(file: Path, key: bytes) -> None:
    """Entry 3 a second time at the end, as if it had been done twice."""
    change(
        file,
        f"INSERT INTO audit_entry ({COLUMNS}) SELECT {SIZE}, {COLUMNS.partition(', ')[2]} FROM audit_entry"
        " WHERE sequence = 3",
    )
    said = ask_both(file, key)
    assert {("column", SIZE), ("node", SIZE)} <= set(said.found)
    assert said.signed_size == SIZE  # what was signed is not touched by it


@pytest.mark.parametrize(
    "column", ["at", "organisation_id", "actor_id", "action", "object_type", "object_id", "outcome"]
)
def test_a_column_that_says_something_else_is_named(file: Path, key: bytes, column: str) -> None:
    change(file, f"UPDATE audit_entry SET {column} = 'elsewhere' WHERE sequence = 4")
    assert ask_both(file, key).found == [("column", 4)]


@pytest.mark.parametrize("value", ["x'ff'", "NULL", "7", "1.5", "'text'"])
def test_a_body_of_another_type_is_a_finding_and_no_crash(file: Path, key: bytes, value: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'body BLOB NOT NULL', 'body BLOB')")
    change(file, f"UPDATE audit_entry SET body = {value} WHERE sequence = 4")
    said = ask_both(file, key)
    assert ("body", 4) in said.found and ("node", 4) in said.found


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("statement", ["DELETE FROM audit_node", "UPDATE audit_node SET hash = zeroblob(32)"])
def test_a_spoilt_node_is_named_by_its_first_entry(
    file: Path, key: bytes, level: int, statement: str
) -> None:
    change(file, f"{statement} WHERE level = {level} AND position = 0")
    said = ask_both(file, key)
    assert said.found == [("node", 0)]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE audit_checkpoint SET note = 'nonsense' WHERE size = 7", "checkpoint_text"),
        ("UPDATE audit_checkpoint SET size = 6 WHERE size = 7", "checkpoint_text"),
        (
            "UPDATE audit_checkpoint SET note = replace(note, 'rwd.test', 'rwd.else') WHERE size = 7",
            "checkpoint_origin",
        ),
        ("DELETE FROM audit_checkpoint", "unsigned"),
    ],
)
def test_a_spoilt_head_is_found(file: Path, key: bytes, statement: str, rule: str) -> None:
    change(file, statement)
    assert ask_both(file, key).rules == {rule}


def test_a_wrong_key_is_found(file: Path, key: bytes) -> None:
    said = ask_both(file, key[::-1])
    assert said.rules == {"checkpoint_signature"} and said.signed_size == 0


@pytest.mark.parametrize("key", [b"\x00" * 32, b"\xff" * 32, b"\x01" + b"\x00" * 31])
def test_a_key_that_is_none_vouches_for_nothing(file: Path, key: bytes) -> None:
    """No point of the curve, or one of small order under which a signature would say nothing."""
    assert ask_both(file, key).signed_size == 0


def resigned(records: Records, log_signer: Signer, folder: Path, kept: int) -> Path:
    """Cut behind the log, its heads removed, and signed again by whoever holds the key."""
    path = str(records.engine.url.database)
    change(Path(path), f"DELETE FROM audit_entry WHERE sequence >= {kept}", "DELETE FROM audit_checkpoint")
    rebuild_trees(Path(path))
    make_checkpoint(records, log_signer, "again")
    return copied(records, folder)


@pytest.mark.parametrize("kept", [1, 6, 8, 10])
def test_a_log_cut_and_signed_again_is_found_by_a_head_that_somebody_kept(
    records_sqlite: Records, log_signer: Signer, tmp_path: Path, kept: int
) -> None:
    """By itself it looks whole; the kept head has more entries, and says from which on they are missing."""
    note = eleven_entries(records_sqlite, log_signer).get(AuditCheckpoint, SIZE).note
    path = resigned(records_sqlite, log_signer, tmp_path / "cut", kept)
    assert ask_both(path, log_signer.public_key).found == []
    assert ask_both(path, log_signer.public_key, [note]).found == [("shorter", kept)]


def test_a_fork_is_found_by_a_head_that_somebody_kept(
    records_sqlite: Records, log_signer: Signer, tmp_path: Path
) -> None:
    """Cut, gone on with another history, and signed at the old length."""
    note = eleven_entries(records_sqlite, log_signer).get(AuditCheckpoint, SIZE).note
    resigned(records_sqlite, log_signer, tmp_path / "cut", 8)
    fill(records_sqlite, SIZE - 8 + 2)
    make_checkpoint(records_sqlite, log_signer, "again")
    path = copied(records_sqlite, tmp_path / "forked")
    assert ask_both(path, log_signer.public_key).found == []
    fork = ask_both(path, log_signer.public_key, [note])
    assert fork.found == [("checkpoint_root", 8)]


def test_an_older_backup_is_found_by_a_later_head_kept_anywhere(
    records_sqlite: Records, log_signer: Signer, tmp_path: Path
) -> None:
    """Kept in an export, in a package, or by itself: the backup is true, and shorter than what was signed later."""
    eleven_entries(records_sqlite, log_signer)
    backup = copied(records_sqlite, tmp_path / "backup")
    fill(records_sqlite, 4)
    later = make_checkpoint(records_sqlite, log_signer, "release").note
    folder = tampering.exported(copied(records_sqlite, tmp_path / "later"), tmp_path / "export")
    assert ask_both(backup, log_signer.public_key).found == []
    assert ask_both(backup, log_signer.public_key, [later]).found == [("shorter", SIZE)]
    from rwd_platform.audit.notes import notes_in

    kept = notes_in((folder / "checkpoints.jsonl").read_text(encoding="utf-8"))
    assert later in kept
    assert ask_both(backup, log_signer.public_key, kept).found == [("shorter", SIZE)]


def test_an_old_schema_is_read_too(file: Path, key: bytes) -> None:
    """A backup from before the log had witnesses, reviews or a second tree: the log is what it was."""
    for table in ("audit_cosignature", "audit_node_sm3", "audit_checkpoint_sm3", "audit_witness"):
        change(file, f"DROP TABLE {table}")
    assert ask_both(file, key).found == []
    edit(file, 2, outcome="refused")
    assert ("node", 2) in ask_both(file, key).found


def pages_of(path: Path, *tables: str) -> list[int]:
    """The numbers of the file's pages that hold these tables' rows."""
    marks = ", ".join("?" * len(tables))
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute(f"SELECT pageno FROM dbstat WHERE name IN ({marks})", tables).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite cannot say which page is whose")
    return [number for (number,) in rows]


def test_a_flipped_byte_in_the_file_is_found_wherever_it_changes_the_log(
    records_sqlite: Records, log_signer: Signer, tmp_path: Path
) -> None:
    """Ninety places in the pages of entries, nodes and heads, drawn by chance.

    A flip that leaves every entry, column, node and head as it was (it fell into a page's unused part) is no
    tampering with the log; any other is found, by both verifiers or by the database itself.
    """
    fill(records_sqlite, 60)
    make_checkpoint(records_sqlite, log_signer, "freeze")
    file, key = copied(records_sqlite, tmp_path / "evidence"), log_signer.public_key
    pages = pages_of(file, "audit_entry", "audit_node", "audit_checkpoint")
    clean, whole, drawn = content_of(file), file.read_bytes(), random.Random(20261123)
    size = int.from_bytes(whole[16:18], "big")
    found = 0
    for turn in range(90):
        place = (pages[turn % len(pages)] - 1) * size + drawn.randrange(size)
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << drawn.randrange(8)
        path = tmp_path / "flipped.db"
        path.write_bytes(spoilt)
        if content_of(path) != clean:
            found += 1
            assert by_file(path, key)[0], place
            assert tampering.by_platform(path, key)[0], place
    assert found > 20


def content_of(path: Path) -> object:
    """Everything the log's tables say, in the order in which a verifier reads them; None when they cannot be read."""
    queries = (
        f"SELECT {COLUMNS} FROM audit_entry ORDER BY sequence",
        "SELECT level, position, hash FROM audit_node ORDER BY level, position",
        "SELECT size, note FROM audit_checkpoint ORDER BY size",
    )
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.text_factory = bytes
        try:
            return [connection.execute(query).fetchall() for query in queries]
        except sqlite3.DatabaseError:
            return None


@pytest.mark.parametrize("cut", [0, 1, 100, 4096, 20_000])
def test_a_truncated_file_is_told_and_never_called_whole(
    file: Path, key: bytes, cut: int, tmp_path: Path
) -> None:
    path = tmp_path / "short.db"
    path.write_bytes(file.read_bytes()[:cut])
    try:
        found, _ = by_file(path, key)
    except tampering.offline.WrongUse:
        return
    assert found


def test_what_is_still_in_the_write_ahead_log_is_read_with_the_file(
    records_sqlite: Records, log_signer: Signer, tmp_path: Path
) -> None:
    """A copy taken while the platform ran has its newest entries beside it in -wal; nothing beside it is touched."""
    eleven_entries(records_sqlite, log_signer)
    live = Path(str(records_sqlite.engine.url.database))
    copy = tmp_path / "taken" / "records.db"
    copy.parent.mkdir()
    for end in ("", "-wal"):
        shutil.copyfile(f"{live}{end}", f"{copy}{end}")
    before = {path.name: path.read_bytes() for path in copy.parent.iterdir()}
    assert before["records.db-wal"]
    found, (size, signed, _) = by_file(copy, log_signer.public_key)
    assert (found, size, signed) == ([], SIZE, SIZE)
    assert {path.name: path.read_bytes() for path in copy.parent.iterdir()} == before
    Path(f"{copy}-wal").unlink()
    assert by_file(copy, log_signer.public_key, [records_sqlite.get(AuditCheckpoint, SIZE).note])[0]
