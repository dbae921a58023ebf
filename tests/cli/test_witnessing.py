"""`rwd witness` and the platform's side of it, by files alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import Rwd, is_chinese
from tests.cli.test_auditing import LOG, acted

NAME = "witness.test/hainan"


@pytest.fixture
def witness(rwd: Rwd, home: Path, tmp_path: Path) -> Path:
    """A witness that knows the log and is registered; the log's public key lies in log.pub."""
    folder = tmp_path / "witness"
    made = rwd("witness", "init", "--dir", folder, "--name", NAME)
    assert made.code == 0
    (tmp_path / "witness.pub").write_text(made.stdout.decode().splitlines()[0], encoding="utf-8")
    (tmp_path / "log.pub").write_text(acted(home), encoding="utf-8")
    assert rwd("witness", "trust", LOG, "--dir", folder, "--key", tmp_path / "log.pub").code == 0
    assert rwd("audit", "witness", "add", NAME, "--key", tmp_path / "witness.pub").code == 0
    return folder


def sign(rwd: Rwd, folder: Path, out: Path) -> int:
    assert rwd("audit", "to-witness", "--out", out.parent / "request").code == 0
    return rwd("witness", "sign", out.parent / "request", "--dir", folder, "--out", out).code


def test_by_file_a_head_is_cosigned_kept_and_vouched_for(
    rwd: Rwd, home: Path, witness: Path, tmp_path: Path
) -> None:
    """Twice, the second time with a proof; then the platform and a verifier say how far the witness vouches."""
    for _ in range(2):
        assert sign(rwd, witness, tmp_path / "note") == 0
        kept = rwd("audit", "from-witness", tmp_path / "note", "--json")
        assert kept.code == 0 and kept.document["witness"] == NAME
        acted(home)
    size = kept.document["size"]
    assert (tmp_path / "request").read_text(encoding="utf-8").startswith("old ")
    (row,) = rwd("audit", "witness", "list", "--json").document
    assert (row["name"], row["sizes"]) == (NAME, {"sha256": size})
    told = rwd("audit", "verify", "--witness", tmp_path / "witness.pub", "--json")
    assert (told.code, told.document["witnessed_size"]) == (0, size)
    in_words = rwd("audit", "verify", "--witness", tmp_path / "witness.pub").stdout.decode()
    assert f"{size:,}" in in_words and is_chinese(in_words)
    assert rwd("witness", "list", "--dir", witness, "--json").document["logs"][0]["size"] == size


def test_a_request_from_the_past_is_refused_with_what_to_do(
    rwd: Rwd, home: Path, witness: Path, tmp_path: Path
) -> None:
    """Exit 3, the size that was seen, and no file written."""
    assert sign(rwd, witness, tmp_path / "note") == 0
    answer = rwd("witness", "sign", tmp_path / "request", "--dir", witness, "--out", tmp_path / "again")
    assert answer.code == 3 and "witness.size_conflict" in answer.stderr
    size = json.loads(rwd("witness", "list", "--dir", witness, "--json").stdout)["logs"][0]["size"]
    assert f"--old {size}" in answer.stderr
    assert not (tmp_path / "again").exists()
    assert rwd("audit", "to-witness", "--out", tmp_path / "request", "--old", size).code == 0
    assert (
        rwd("witness", "sign", tmp_path / "request", "--dir", witness, "--out", tmp_path / "again").code == 0
    )


def test_a_witness_needs_no_deployment(rwd: Rwd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes none, and reads no setting."""
    monkeypatch.setenv("RWD_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("RWD_DATABASE_URL", "nonsense")
    assert rwd("witness", "init", "--dir", tmp_path / "w", "--name", NAME).code == 0
    assert rwd("witness", "trust", LOG, "--dir", tmp_path / "w", "--key", "ab" * 32).code == 0
    assert rwd("witness", "list", "--dir", tmp_path / "w").code == 0
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("init", "--name", "a b"), 2, "witness.name_unfit"),
        (("list",), 4, "witness.no_book"),
        (("trust", LOG, "--key", "zz"), 4, "witness.no_book"),
        (("sign", "none", "--out", "out"), 2, "cli.file_missing"),
    ],
)
def test_wrong_use_is_explained(
    rwd: Rwd, tmp_path: Path, words: tuple[str, ...], code: int, problem: str
) -> None:
    answer = rwd("witness", *words, "--dir", tmp_path / "w")
    assert answer.code == code and problem in answer.stderr and is_chinese(answer.stderr)


def test_a_tree_that_is_none_is_wrong_use(rwd: Rwd, home: Path, witness: Path, tmp_path: Path) -> None:
    assert rwd("audit", "to-witness", "--out", tmp_path / "r", "--hash", "md5").code == 2
    answer = rwd("audit", "to-witness", "--out", tmp_path / "r", "--hash", "sm3")
    assert answer.code == 2 and "audit.tree_absent" in answer.stderr
    assert not (tmp_path / "r").exists()
