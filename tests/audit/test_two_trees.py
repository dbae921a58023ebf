"""A log with SM3, alone or beside SHA-256: two trees over the same entries, with nodes and heads of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlmodel import col, select

from rwd_platform.audit.checkpoints import (
    checkpoint_if_due,
    checkpoint_of,
    latest_checkpoint,
    make_checkpoint,
)
from rwd_platform.audit.extract import extract
from rwd_platform.audit.verify import verify_log
from rwd_platform.core.errors import Exit, PlatformError
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.hashes import SHA256_TREE, SM3_TREE
from rwd_platform.records.journal import HASH_FIXED
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpointSm3, AuditEntry, AuditNode, AuditNodeSm3
from rwd_platform.signing.ed25519 import Signer
from tests.audit.tampering import ask_both, body_of, by_file, change, copied, edited, exported, rebuild_trees
from tests.audit.test_verify import SIZE, eleven_entries, fill
from tests.conftest import LOG
from tests.log import reference, test_hashes


def with_profile(records: Records, profile: str) -> Records:
    """The same database, opened with another setting."""
    return Records(records.engine, log=LOG, keys=records.keys, clock=records.clock, profile=profile)


@pytest.fixture(params=["dual", "sm3"])
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def roots_by_hand(records: Records) -> dict[str, bytes]:
    bodies = [entry.body for entry in records.log_entries()]
    return {
        "sha256": reference.tree_hash([reference.leaf_hash(body) for body in bodies]),
        "sm3": test_hashes.tree_hash([test_hashes.theirs(b"\x00" + body) for body in bodies]),
    }


def test_both_trees_are_over_the_same_entries(records: Records, log_signer: Signer, profile: str) -> None:
    """Roots as computed by hand, one head a tree, each under its own origin; on both databases."""
    log = eleven_entries(with_profile(records, profile), log_signer)
    roots = roots_by_hand(log)
    trees = log.book.trees
    for tree in trees:
        head = checkpoint_of(log, tree, SIZE)
        assert head is not None
        claim = parse_checkpoint(head.note)
        assert (claim.origin, claim.size, claim.root) == (tree.origin(LOG), SIZE, roots[tree.name])
    found = verify_log(log, public_key=log_signer.public_key)
    assert (found.ok, found.size, found.signed_size) == (True, SIZE, SIZE)
    assert found.roots == {tree.name: roots[tree.name] for tree in trees}
    counts = [len(log.all(select(table))) for table in (AuditNode, AuditNodeSm3)]
    assert counts == [(2 * SIZE - 3) * (SHA256_TREE in trees), 2 * SIZE - 3]


def test_every_entry_says_which_trees_the_log_has(records_sqlite: Records, profile: str) -> None:
    """The choice is inside what is hashed; a log with SHA-256 alone has entries as they always were."""
    fill(with_profile(records_sqlite, profile), 2)
    assert {json.loads(entry.body)["hash"] for entry in records_sqlite.log_entries()} == {profile}


def test_a_log_of_before_says_nothing_of_it(records_sqlite: Records) -> None:
    fill(records_sqlite, 2)
    assert all("hash" not in json.loads(entry.body) for entry in records_sqlite.log_entries())


@pytest.mark.parametrize("was", ["sha256", "sm3", "dual"])
@pytest.mark.parametrize("wanted", ["sha256", "sm3", "dual"])
def test_the_first_entry_fixes_the_choice(records: Records, was: str, wanted: str) -> None:
    """Another setting later is a clear error: at the start, and for whoever would write all the same."""
    fill(with_profile(records, was), 3)
    other = with_profile(records, wanted)
    if was == wanted:
        other.check_log()
        fill(other, 1)
        return
    for act in (other.check_log, lambda: fill(other, 1)):
        with pytest.raises(PlatformError) as caught:
            act()
        assert (caught.value.code, caught.value.exit) == ("log.hash_fixed", Exit.BROKEN_ENVIRONMENT)
        assert was in caught.value.en and wanted in caught.value.en
    assert len(records.log_entries()) == 3


def test_before_the_first_entry_any_choice_is_free(records_sqlite: Records) -> None:
    for one in ("sha256", "sm3", "dual"):
        with_profile(records_sqlite, one).check_log()


def test_a_platform_with_another_setting_does_not_open(tmp_path: Path) -> None:
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.settings import Settings

    platform = open_platform(Settings(home=tmp_path, demo=True, log_hash="dual"))
    fill(platform.records, 1)
    assert json.loads(platform.records.log_entries()[0].body)["hash"] == "dual"
    platform.records.engine.dispose()
    with pytest.raises(PlatformError, match=HASH_FIXED.code):
        open_platform(Settings(home=tmp_path, demo=True))


def test_heads_of_both_trees_are_due_together(records_sqlite: Records, log_signer: Signer) -> None:
    log = with_profile(records_sqlite, "dual")
    fill(log, 1)
    assert checkpoint_if_due(log, log_signer) is not None
    assert checkpoint_if_due(log, log_signer) is None
    for tree in (SHA256_TREE, SM3_TREE):
        head = latest_checkpoint(log, tree)
        assert head is not None and head.size == 1


def test_a_rewritten_tree_with_sm3_is_not_signed(records_sqlite: Records, log_signer: Signer) -> None:
    log = eleven_entries(with_profile(records_sqlite, "dual"), log_signer)
    change(
        Path(str(log.engine.url.database)), "UPDATE audit_node_sm3 SET hash = zeroblob(32) WHERE level = 3"
    )
    fill(log, 1)
    with pytest.raises(PlatformError, match=r"audit\.forked"):
        make_checkpoint(log, log_signer, "release")
    heads = log.all(select(AuditCheckpointSm3).order_by(col(AuditCheckpointSm3.size).desc()))
    assert heads[0].size == SIZE


def test_packages_need_the_tree_with_sha256(records_sqlite: Records, log_signer: Signer) -> None:
    """Their proofs and the verifier inside them are by that hash; with both trees there is one."""
    log = with_profile(records_sqlite, "sm3")
    fill(log, 2)
    head = make_checkpoint(log, log_signer, "package")
    with pytest.raises(PlatformError, match=r"audit\.extract_needs_sha256"):
        extract(log, checkpoint=head)


# -- tampering, by both verifiers ------------------------------------------------------------------


@pytest.fixture
def file(records_sqlite: Records, log_signer: Signer, tmp_path: Path, profile: str) -> Path:
    log = eleven_entries(with_profile(records_sqlite, profile), log_signer)
    return copied(log, tmp_path / "evidence")


def test_an_honest_file_with_sm3_is_whole_and_so_is_its_export(
    file: Path, log_signer: Signer, tmp_path: Path, profile: str
) -> None:
    said = ask_both(file, log_signer.public_key)
    assert (said.found, said.size, said.signed_size) == ([], SIZE, SIZE)
    folder = exported(file, tmp_path / "export", profile)
    assert (folder / "leaves.sm3").is_file() and (folder / "leaves.sha256").is_file() is (profile == "dual")
    assert by_file(folder, log_signer.public_key) == ([], (SIZE, SIZE, 0))


def test_an_edited_entry_breaks_every_tree(file: Path, log_signer: Signer, profile: str) -> None:
    body = edited(body_of(file, 4), reason="something else")
    change(file, "UPDATE audit_entry SET body = ? WHERE sequence = 4", values=(body,))
    said = ask_both(file, log_signer.public_key)
    assert said.found.count(("node", 4)) >= (2 if profile == "dual" else 1)
    rebuild_trees(file, profile)
    said = ask_both(file, log_signer.public_key)
    assert said.found == [("checkpoint_root", 0)] * (4 if profile == "dual" else 2)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("DELETE FROM audit_node_sm3 WHERE level = 0 AND position = 4", "node"),
        ("UPDATE audit_node_sm3 SET hash = zeroblob(32) WHERE level = 0 AND position = 4", "node"),
        ("DELETE FROM audit_checkpoint_sm3", "unsigned"),
        ("UPDATE audit_checkpoint_sm3 SET note = 'x' WHERE size = 7", "checkpoint_text"),
        (
            "UPDATE audit_checkpoint_sm3 SET note = replace(note, '/sm3', '/md5') WHERE size = 7",
            "checkpoint_origin",
        ),
        ("INSERT INTO audit_node_sm3 (level, position, hash) VALUES (9, 9, x'00')", "extra_nodes"),
    ],
)
def test_what_is_done_to_the_tree_with_sm3_alone_is_found(
    file: Path, log_signer: Signer, statement: str, rule: str
) -> None:
    change(file, statement)
    said = ask_both(file, log_signer.public_key)
    assert said.rules == {rule}
    if rule == "unsigned":
        assert said.signed_size == 0  # vouched for is what every tree's heads vouch for


def test_a_log_cannot_be_passed_off_as_one_with_another_hash(file: Path, log_signer: Signer) -> None:
    """Its first entry rewritten to say SHA-256: the others say otherwise, and the signed roots too."""
    fields = json.loads(body_of(file, 0))
    del fields["hash"]
    body = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    change(file, "UPDATE audit_entry SET body = ? WHERE sequence = 0", values=(body,))
    said = ask_both(file, log_signer.public_key)
    assert ("body", 1) in said.found and ("node", 0) in said.found


def test_entries_are_the_same_rows_whatever_the_trees(records_sqlite: Records) -> None:
    fill(with_profile(records_sqlite, "dual"), 3)
    rows = records_sqlite.all(select(AuditEntry).order_by(col(AuditEntry.sequence)))
    assert [row.sequence for row in rows] == [0, 1, 2]
