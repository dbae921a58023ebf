"""`rwd audit verify` on files that somebody handed over, and `rwd audit export`."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd, is_chinese

LOG = "rwd-platform.example/log"


def opened(home: Path) -> Platform:
    return open_platform(Settings(home=home, demo=True))


def acted(home: Path, times: int = 3) -> str:
    """Some acts and a head over them; the log's public key in hex."""
    platform = opened(home)
    for turn in range(times):
        platform.records.record(
            Act(Actor("u", "operator", "org"), "package.read", Object("package", f"p-{turn}"))
        )
    make_checkpoint(platform.records, platform.log_signer, "test")
    key = platform.log_signer.public_key.hex()
    platform.records.engine.dispose()
    return key


def backup_of(home: Path, folder: Path) -> Path:
    folder.mkdir()
    path = folder / "records.db"
    with closing(sqlite3.connect(home / "records.db")) as live, closing(sqlite3.connect(path)) as copy:
        live.backup(copy)
    return path


def rules(answer: object) -> list[str]:
    return [one["rule"] for one in answer.document["findings"]]  # type: ignore[attr-defined]  # a document of JSON


def test_an_export_verifies_by_itself_and_does_not_hold_the_key(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    """The export is an act, its own last entry, and a head covers it; `verify_log.py` in it needs no platform."""
    key = acted(home)
    answer = rwd("audit", "export", "--out", tmp_path / "out", "--json")
    assert answer.code == 0
    folder = tmp_path / "out"
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert answer.document["entries"] == len(entries)
    assert entries[-1]["action"] == "log.exported"
    call = [sys.executable, "-I", "-S", str(folder / "verify_log.py"), str(folder), "--key", key, "--json"]
    done = subprocess.run(call, capture_output=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["size"], told["signed_size"]) == (0, len(entries), len(entries))
    for path in folder.iterdir():
        assert key.encode() not in path.read_bytes()


def test_an_export_does_not_mix_with_what_is_there(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    acted(home)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    answer = rwd("audit", "export", "--out", tmp_path / "out", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (3, "audit.export_not_empty")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_older_backup_is_found_by_what_an_export_kept(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    """Restored, it verifies by itself; with the later export's heads it is shorter than what was signed."""
    key = acted(home)
    backup = backup_of(home, tmp_path / "backup")
    acted(home)
    rwd("audit", "export", "--out", tmp_path / "out")
    call = ("audit", "verify", "--database", f"sqlite:///{backup}", "--key", key, "--json")
    assert rwd(*call).code == 0
    answer = rwd(*call, "--checkpoint", tmp_path / "out" / "checkpoints.jsonl")
    assert answer.code == 1 and set(rules(answer)) == {"shorter"}
    assert is_chinese(answer.document["findings"][0]["zh"])


def test_the_answer_names_entries_head_root_and_key(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    """For a person, each on its line: how many entries, how far a signed head reaches, and whose key it was held to."""
    key = acted(home)
    told = rwd("audit", "verify", "--json").document
    answer = rwd("audit", "verify")
    said = answer.stdout.decode()
    assert answer.code == 0
    assert f"✓ 核验通过，条目 {told['size']} · verified, {told['size']} entries" in said
    assert f"a signed head vouches for the first {told['signed_size']}" in said
    assert f"根 · root (sha256): {told['root']}" in said
    assert f"公钥（本部署）· this deployment's key: {key}" in said
    backup = backup_of(home, tmp_path / "backup")
    call = ("audit", "verify", "--database", f"sqlite:///{backup}", "--key")
    assert f"公钥（所给）· key given: {key}" in rwd(*call, key).stdout.decode()
    other = rwd(*call, "58" * 32)
    assert other.code == 1 and "✗ 核验不通过" in other.stdout.decode()


def test_verifying_a_file_does_not_change_it(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    key = acted(home)
    backup = backup_of(home, tmp_path / "backup")
    before = backup.read_bytes()
    assert rwd("audit", "verify", "--database", f"sqlite:///{backup}", "--key", key).code == 0
    assert backup.read_bytes() == before


def test_a_backup_of_an_older_schema_is_still_verified(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    """It lacks tables of today: the log alone is checked, which is said, and what was done to it is found."""
    key = acted(home)
    backup = backup_of(home, tmp_path / "backup")
    with closing(sqlite3.connect(backup)) as connection, connection:
        for table in ("log_review_signature", "log_review_finding", "log_review", "audit_cosignature"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0005'")
    call = ("audit", "verify", "--database", f"sqlite:///{backup}", "--key", key, "--json")
    answer = rwd(*call)
    assert answer.code == 0 and answer.document["records_compared"] is False
    assert "NOT compared" in rwd(*call[:-1]).stdout.decode()
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE audit_entry SET actor_id = 'somebody' WHERE sequence = 1")
    answer = rwd(*call)
    assert (answer.code, rules(answer)) == (1, ["column"])


def test_a_table_that_was_dropped_does_not_turn_the_comparison_of_records_off(
    rwd: Rwd, home: Path, tmp_path: Path
) -> None:
    key = acted(home)
    backup = backup_of(home, tmp_path / "backup")
    call = ("audit", "verify", "--database", f"sqlite:///{backup}", "--key", key, "--json")
    before = rwd(*call)
    assert before.code == 0 and before.document["records_compared"] is True
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("DROP TABLE release_link")
    answer = rwd(*call)
    assert (answer.code, rules(answer)) == (1, ["tables_missing"])
    assert "release_link" in answer.document["findings"][0]["en"]


@pytest.mark.parametrize("page", [2, 5, 9])
def test_a_damaged_file_is_an_answer_and_no_crash(rwd: Rwd, home: Path, tmp_path: Path, page: int) -> None:
    key = acted(home, 40)
    backup = backup_of(home, tmp_path / "backup")
    whole = bytearray(backup.read_bytes())
    whole[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    spoilt = shutil.copyfile(backup, tmp_path / "spoilt.db")
    Path(spoilt).write_bytes(whole)
    answer = rwd("audit", "verify", "--database", f"sqlite:///{spoilt}", "--key", key, "--json")
    assert answer.code in (0, 1, 4) and "Traceback" not in answer.stderr


def test_a_file_of_heads_that_holds_none_is_wrong_use(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    acted(home)
    for text in ("{nonsense", "{}", '{"note": "x"}', "nonsense"):
        (tmp_path / "kept").write_text(text)
        answer = rwd("audit", "verify", "--checkpoint", tmp_path / "kept", "--json")
        assert (answer.code, answer.document["error"]["code"]) == (2, "audit.checkpoint_malformed")


@pytest.mark.parametrize("key", ["zz", "00", "a+b+c", "none.pub", "name+00000000+" + "A" * 44])
def test_a_witness_key_that_cannot_be_read_is_wrong_use(rwd: Rwd, home: Path, key: str) -> None:
    acted(home)
    answer = rwd("audit", "verify", "--witness", key, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "signing.key_unreadable")
