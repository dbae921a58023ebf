"""The control plane's promise: no entry, no act - and no act, no entry. On SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, col, delete, select, update

from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Entry, Object, detail_digest
from rwd_platform.log.merkle import inclusion_proof, root_of, verify_inclusion
from rwd_platform.records.records import EXEMPT, NOT_FOUND, Records
from rwd_platform.records.tables import (
    AuditDetail,
    AuditEntry,
    AuditNode,
    HalfLogin,
    Job,
    LoginAttempt,
    OidcAttempt,
    Organisation,
    Upload,
    UploadFile,
    User,
    WebSession,
)

OPERATOR = Actor("user-op", "operator", "org-platform")


def act(action: str = "organisation.registered", id: str = "org-1", **more: object) -> Act:
    return Act(OPERATOR, action, Object("organisation", id), **more)  # type: ignore[arg-type]


def hospital(id: str = "org-1", name: str = "First Hospital") -> Organisation:
    return Organisation(id=id, kind="hospital", name_zh="第一医院", name_en=name)


def entries(records: Records) -> list[AuditEntry]:
    return list(records.log_entries(limit=10_000))


def stored_root(records: Records, size: int) -> bytes:
    with records.reading() as session:
        return root_of(size, lambda level, position: session.get_one(AuditNode, (level, position)).hash)


def independent_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1 by its recursive definition."""
    from tests.log.reference import tree_hash

    return tree_hash(leaves)


def test_a_write_stores_the_row_and_its_entry(records: Records) -> None:
    """A row and the entry that says who wrote it land together; the entry names the object and the actor."""
    entry = records.write(hospital(), audit=act(reason="contract signed"))
    assert records.get(Organisation, "org-1").name_en == "First Hospital"
    [row] = entries(records)
    assert (row.sequence, row.body) == (0, entry.body)
    body = json.loads(row.body)
    assert body["reason"] == "contract signed"
    assert body["tenant"] == row.organisation_id == "org-platform"
    assert body["object"] == {"type": "organisation", "id": "org-1", "version": ""}


def test_an_exception_inside_the_transaction_leaves_neither_row_nor_entry(records: Records) -> None:
    """Whatever breaks before the commit, the log does not claim what did not happen."""
    with pytest.raises(ZeroDivisionError), records.transaction(audit=act()) as session:
        session.add(hospital())
        session.flush()
        _ = 1 / 0
    assert records.find(Organisation, "org-1") is None
    assert entries(records) == []


def test_an_act_that_cannot_be_written_down_undoes_the_change(records: Records) -> None:
    """An entry is canonical JSON; a reason that is not text in any encoding stops the whole write."""
    with pytest.raises(ValueError):
        records.write(hospital(), audit=act(reason="\ud800"))
    assert records.find(Organisation, "org-1") is None
    assert entries(records) == []
    records.write(hospital(), audit=act())  # and the log goes on at 0
    assert [row.sequence for row in entries(records)] == [0]


def test_a_broken_constraint_leaves_no_entry(records: Records) -> None:
    """A user of an organisation that does not exist is refused by the database, also by SQLite."""
    user = User(
        id="user-1", organisation_id="nobody", login="a", role="hospital", name="A",
        password_hash="x", created_at="2026-11-02T08:00:00.000000Z",
    )  # fmt: skip
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        records.write(user, audit=act())
    assert records.find(User, "user-1") is None
    assert entries(records) == []


def test_rows_that_depend_on_each_other_are_written_in_one_act(records: Records) -> None:
    """An upload and its files are one act. The order in which rows are given does not matter."""
    upload = Upload(
        id="upload-1", organisation_id="org-1", source_system="his", agreement="a", platform_role="entrusted",
        consent_version="1", ethics_id="e", fhir_version="R4", state="open",
        received_at="2026-11-02T08:00:00.000000Z", received_by="user-op",
    )  # fmt: skip
    files = [
        UploadFile(
            id=f"file-{place}", organisation_id="org-1", upload_id="upload-1", position=place,
            name="a.ndjson", sha256="00", bytes=1 << 40,
        )
        for place in range(5)
    ]  # fmt: skip
    records.write(*files, upload, hospital(), audit=act())
    assert records.get(UploadFile, "file-4").bytes == 1 << 40
    assert len(entries(records)) == 1


def test_the_hashes_say_what_was_before_and_what_is_now(records: Records) -> None:
    """`old_hash` of a change is `new_hash` of the one before: a chain a reviewer can follow."""
    bodies = [
        json.loads(records.write(hospital(name=name), audit=act()).body) for name in ("One", "Two", "One")
    ]
    assert bodies[0]["old_hash"] == ""
    assert bodies[0]["new_hash"] == sha256_of([["organisation", hospital(name="One").model_dump()]])
    assert bodies[1]["old_hash"] == bodies[0]["new_hash"]
    assert bodies[2]["old_hash"] == bodies[1]["new_hash"] != bodies[2]["new_hash"]
    assert bodies[2]["new_hash"] == bodies[0]["new_hash"]


def test_a_write_that_changes_nothing_says_so(records: Records) -> None:
    """The same row again: an entry, because somebody acted, whose two hashes agree."""
    records.write(hospital(), audit=act())
    body = json.loads(records.write(hospital(), audit=act()).body)
    assert body["old_hash"] == body["new_hash"] != ""


def test_a_deletion_has_an_old_hash_and_no_new_one(records: Records) -> None:
    """What was deleted stays provable by its hash."""
    first = json.loads(records.write(hospital(), audit=act()).body)
    with records.transaction(audit=act("organisation.removed")) as session:
        session.delete(session.get_one(Organisation, "org-1"))
    last = json.loads(entries(records)[-1].body)
    assert (last["old_hash"], last["new_hash"]) == (first["new_hash"], "")


def test_the_hash_does_not_depend_on_the_order_of_rows(records: Records) -> None:
    """Two rows written together give one hash, whichever was named first."""
    one = json.loads(records.write(hospital("a"), hospital("b"), audit=act()).body)
    two = json.loads(records.write(hospital("b"), hospital("a"), audit=act()).body)
    assert one["new_hash"] == two["old_hash"] == two["new_hash"]


def test_an_act_without_a_row_is_an_entry(records: Records) -> None:
    """Reading, downloading and being refused change no row and are in the log."""
    body = json.loads(records.record(act("package.downloaded", outcome="refused")).body)
    assert (body["old_hash"], body["new_hash"], body["outcome"]) == ("", "", "refused")


def test_the_act_may_name_what_was_made_inside(records: Records) -> None:
    """An act given as a function is asked at the end, when the id of what was made is known."""
    made: list[str] = []
    with records.transaction(audit=lambda: act(id=made[0])) as session:
        made.append("org-late")
        session.add(hospital("org-late"))
    assert entries(records)[-1].object_id == "org-late"


def test_personal_detail_stays_out_of_the_entry_and_can_be_erased(records: Records) -> None:
    """The entry holds a salted digest; erasing the sealed detail leaves the tree as it was."""
    entry = records.record(act(detail={"patient": "planted-name"}))
    assert b"planted-name" not in entry.body
    with records.reading() as session:
        sealed = session.get_one(AuditDetail, 0)
        assert b"planted-name" not in sealed.sealed
        assert json.loads(entry.body)["detail_digest"] == detail_digest(
            sealed.salt, {"patient": "planted-name"}
        )
    root = stored_root(records, 1)
    with Session(records.engine) as session:
        session.delete(session.get_one(AuditDetail, 0))
        session.commit()
    assert stored_root(records, 1) == root == entry.leaf_hash


@pytest.mark.parametrize("table", sorted(EXEMPT, key=lambda table: table.__name__), ids=lambda t: t.__name__)
def test_exempt_tables_are_touched_without_an_entry(records: Records, table: type) -> None:
    """Heartbeats, sessions and attempts would drown the log; these five tables and no other."""
    rows = {
        Job: Job(id="job-1", organisation_id="o", kind="admit", key="k", payload={}, state="queued",
                 queued_at="t", queued_by="u"),
        LoginAttempt: LoginAttempt(login_sha256="00", failures=1),
        WebSession: WebSession(token_sha256="00", user_id="user-1", organisation_id="org-1", csrf_token="c",
                               created_at="t", last_seen_at="t", expires_at="t"),
        HalfLogin: HalfLogin(token_sha256="00", user_id="user-1", organisation_id="org-1", created_at="t",
                             expires_at="t"),
        OidcAttempt: OidcAttempt(token_sha256="00", state_sha256="01", nonce="n", verifier="v", purpose="login",
                                 user_id="", next="/", expires_at="t"),
    }  # fmt: skip
    assert set(rows) == EXEMPT
    user = User(id="user-1", organisation_id="org-1", login="a", role="hospital", name="A",
                password_hash="x", created_at="t")  # fmt: skip
    records.write(hospital(), user, audit=act())
    records.touch(rows[table])
    assert len(entries(records)) == 1


def test_other_tables_cannot_be_touched(records: Records) -> None:
    """A write that means something needs its audit; `touch` refuses it and stores nothing."""
    with pytest.raises(TypeError, match="Organisation is not exempt"):
        records.touch(hospital())
    assert records.find(Organisation, "org-1") is None


def test_a_mixed_touch_stores_nothing_at_all(records: Records) -> None:
    """One row that is not exempt spoils the whole transaction."""
    with pytest.raises(TypeError):
        records.touch(LoginAttempt(login_sha256="00", failures=1), hospital())
    assert records.find(LoginAttempt, "00") is None


def test_an_absent_row_says_what_to_do(records: Records) -> None:
    """The error names the kind and the id, in both languages, with the next step."""
    with pytest.raises(PlatformError) as caught:
        records.get(Upload, "upload-none")
    assert (caught.value.code, caught.value.http) == ("records.not_found", 404)
    assert caught.value.zh.startswith("找不到数据批次 upload-none，")
    assert caught.value.en.startswith("There is no batch upload-none, ")


def test_every_table_that_may_be_asked_for_is_named_in_words() -> None:
    for kind, zh, en in (
        ("verification_sheet", "源数据核查表", "sheet of source verification"),
        ("study", "研究", "study"),
    ):
        error = NOT_FOUND.error(kind=kind, id="?")
        assert error.zh == f"找不到{zh}，或您无权查看。" and error.en.startswith(f"There is no {en}, ")


def test_eight_threads_make_one_log_without_gaps(records: Records) -> None:
    """Eight writers at once: every entry has its own number, none is missing, and the tree is right."""
    barrier = threading.Barrier(8)

    def write(worker: int) -> None:
        barrier.wait()
        for turn in range(6):
            records.write(hospital(f"org-{worker}-{turn}"), audit=act(id=f"org-{worker}-{turn}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    rows = entries(records)
    assert [row.sequence for row in rows] == list(range(48))
    assert [json.loads(row.body)["seq"] for row in rows] == list(range(48))
    leaves = [Entry(row.sequence, row.body).leaf_hash for row in rows]
    assert stored_root(records, 48) == independent_root(leaves)
    assert len(records.all(select(Organisation))) == 48
    with records.reading() as session:
        proof = inclusion_proof(
            17, 48, lambda level, position: session.get_one(AuditNode, (level, position)).hash
        )
    assert verify_inclusion(leaves[17], 17, 48, proof, independent_root(leaves))


def test_a_writer_gets_its_own_entry_back_while_others_write(records: Records) -> None:
    """`write` answers with the entry of this write, also when another lands right after its commit."""
    others: list[str] = []

    def write_another(_session: object) -> None:
        if not others:
            others.append("org-other")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(records.record, act(id="org-other")).result(20)

    event.listen(Session, "after_commit", write_another)
    try:
        mine = records.write(hospital(), audit=act(id="org-1"))
    finally:
        event.remove(Session, "after_commit", write_another)
    assert [row.object_id for row in entries(records)] == ["org-1", "org-other"]
    assert json.loads(mine.body)["object"]["id"] == "org-1"


def test_readers_do_not_wait_for_a_writer(records: Records) -> None:
    """A long transaction of one person does not stop another from reading the state before it."""
    records.write(hospital(name="Before"), audit=act())
    with records.transaction(audit=act()) as session:
        session.merge(hospital(name="After"))
        session.flush()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(records.get, Organisation, "org-1").result(10).name_en == "Before"
    assert records.get(Organisation, "org-1").name_en == "After"


def test_a_flush_inside_the_transaction_does_not_blank_the_hashes(records: Records) -> None:
    """Asking the database something in between must not lose what was before and after."""
    with records.transaction(audit=act()) as session:
        session.add(hospital())
        session.flush()
        assert session.exec(select(Organisation)).first() is not None
    assert json.loads(entries(records)[-1].body)["new_hash"] != ""


def test_a_flush_inside_touching_does_not_open_a_back_door(records: Records) -> None:
    """A row that is not exempt is refused also when it was flushed before the end."""
    with pytest.raises(TypeError), records.touching() as session:
        session.add(hospital())
        session.flush()
    assert records.find(Organisation, "org-1") is None


def test_a_row_changed_twice_in_one_act_has_its_first_and_last_hash(records: Records) -> None:
    """Before is what the database held before the act, after is what it holds when the act is over."""
    one = json.loads(records.write(hospital(name="One"), audit=act()).body)
    with records.transaction(audit=act()) as session:
        row = session.get_one(Organisation, "org-1")
        row.name_en = "Two"
        session.add(row)
        session.flush()
        row.name_en = "Three"
        session.add(row)
    last = json.loads(entries(records)[-1].body)
    assert last["old_hash"] == one["new_hash"]
    assert last["new_hash"] == sha256_of([["organisation", hospital(name="Three").model_dump()]])


@pytest.mark.parametrize(
    "statement", [update(Organisation).values(name_en="After"), delete(Organisation)], ids=str
)
@pytest.mark.parametrize("door", ["touching", "reading", "transaction"])
def test_a_statement_cannot_change_rows_behind_the_log(records: Records, door: str, statement: Any) -> None:
    """UPDATE and DELETE statements leave no row to hash: in a transaction, too, the entry would not know of them."""
    records.write(hospital(name="Before"), audit=act())
    more = {"audit": act("organisation.changed")} if door == "transaction" else {}
    with pytest.raises(TypeError), getattr(records, door)(**more) as session:
        session.exec(statement)
        session.commit()
    assert records.get(Organisation, "org-1").name_en == "Before"
    assert len(entries(records)) == 1


def test_a_reading_session_cannot_write(records: Records) -> None:
    """`reading` is for queries; a row added there never arrives without an audit."""
    with pytest.raises(Exception), records.reading() as session:  # noqa: B017 - any refusal will do
        session.add(hospital())
        session.commit()
    assert records.find(Organisation, "org-1") is None


def test_the_log_is_read_in_its_order_and_in_pieces(records: Records) -> None:
    """`log_entries` starts at a number and stops at a limit."""
    for turn in range(5):
        records.record(act(id=f"org-{turn}"))
    assert [row.sequence for row in records.log_entries(first=2, limit=2)] == [2, 3]
    assert records.log_entries(first=99) == []


def test_every_column_that_finds_an_entry_is_a_copy_of_its_body(records: Records) -> None:
    """The columns are for searching; what counts is the body that was hashed."""
    records.record(act("study.frozen", id="study-1", outcome="failed"))
    row = records.all(select(AuditEntry).where(col(AuditEntry.action) == "study.frozen"))[0]
    body = json.loads(row.body)
    assert (row.at, row.actor_id, row.object_type) == (
        body["ts"],
        body["actor"]["id"],
        body["object"]["type"],
    )
    assert (row.object_id, row.outcome, row.organisation_id) == ("study-1", "failed", body["tenant"])
