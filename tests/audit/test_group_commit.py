"""Many acts in one transaction: one after the other in the log, all of them or none, and as durable as one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import DBAPIError

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.verify import verify_log
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records import journal
from rwd_platform.records.records import Records
from rwd_platform.signing.ed25519 import Signer
from tests.log.reference import leaf_hash, tree_hash


def acts(count: int, name: str = "g") -> list[Act]:
    who = Actor("u", "operator", "org")
    return [Act(who, "package.read", Object("package", f"{name}-{number}")) for number in range(count)]


def test_a_group_stands_in_the_log_as_single_acts_would(records: Records, log_signer: Signer) -> None:
    """In order, after what was there, under the same root as entries appended one by one; on both databases."""
    records.record(acts(1, "before")[0])
    made = records.append_many(acts(300))
    records.record(acts(1, "after")[0])
    assert [entry.sequence for entry in made] == list(range(1, 301))
    rows = records.log_entries(limit=1000)
    assert [row.object_id for row in rows[1:301]] == [f"g-{number}" for number in range(300)]
    assert [row.body for row in rows[1:301]] == [entry.body for entry in made]
    make_checkpoint(records, log_signer, "test")
    found = verify_log(records, public_key=log_signer.public_key)
    assert found.ok and found.root == tree_hash([leaf_hash(row.body) for row in rows])


def test_each_act_of_a_group_may_have_its_own_detail(records_sqlite: Records) -> None:
    from rwd_platform.records.tables import AuditDetail

    who = Actor("u", "operator", "org")
    group = [
        Act(who, "package.read", Object("package", str(number)), detail={"n": number} if number % 2 else None)
        for number in range(6)
    ]
    made = records_sqlite.append_many(group)
    for entry in made:
        row = records_sqlite.find(AuditDetail, entry.sequence)
        assert bool(json.loads(entry.body)["detail_digest"]) is (row is not None) is bool(entry.sequence % 2)


def test_a_group_with_an_act_that_cannot_be_written_is_not_written_at_all(records: Records) -> None:
    """A lone surrogate in the last of many: nothing of the group is in the log, and the log goes on."""
    who = Actor("u", "operator", "org")
    bad = Act(who, "package.read", Object("package", "x"), reason="\ud800")
    with pytest.raises(ValueError):
        records.append_many([*acts(50), bad])
    assert records.log_entries() == []
    assert records.record(acts(1)[0]).sequence == 0


def test_no_acts_are_no_transaction_to_speak_of(records: Records) -> None:
    assert records.append_many([]) == []
    assert records.log_entries() == []


def test_groups_and_single_acts_from_many_threads_make_one_line(records: Records, log_signer: Signer) -> None:
    """Every group is together, no number is missing or given twice."""

    def work(number: int) -> None:
        if number % 2:
            records.record(acts(1, f"single{number}")[0])
        else:
            records.append_many(acts(9, f"group{number}"))

    with ThreadPoolExecutor(8) as many:
        list(many.map(work, range(24)))
    rows = records.log_entries(limit=1000)
    assert [row.sequence for row in rows] == list(range(12 * 9 + 12))
    names = [row.object_id.partition("-")[0] for row in rows]
    for number in range(0, 24, 2):
        first = names.index(f"group{number}")
        assert names[first : first + 9] == [f"group{number}"] * 9
    make_checkpoint(records, log_signer, "test")
    assert verify_log(records, public_key=log_signer.public_key).ok


def test_a_drivers_error_has_its_usual_name_and_none_of_the_values(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place in the log that is taken: SQLAlchemy's error, and what was to be written is not in its text."""
    records.record(acts(1)[0])
    monkeypatch.setattr(journal, "NODE_TABLE", {"sha256": "no_such_table"})
    with pytest.raises(DBAPIError) as caught:
        records.append_many(acts(1, "planted-name"))
    assert "planted-name" not in str(caught.value)
    monkeypatch.undo()
    assert records.record(acts(1)[0]).sequence == 1
