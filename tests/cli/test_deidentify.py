"""`rwd deidentify` tells on stderr what it left out and why, and what is wrong with a policy of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import Rwd, is_chinese

LINES = """{"resourceType":"Patient","id":"a","birthDate":"1950-01-01"}
not JSON, and 13876543210 in it
{"resourceType":"Nope","id":"x"}
"""
POLICY = """name = "mine"
version = "1"
zh = "测试"
en = "test"
[Patient]
id = "pseudonym"
[Condition]
id = "pseudonym"
subject = "drop"
"""


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    path = tmp_path / "sent.ndjson"
    path.write_text(LINES, "utf-8")
    return path


def test_what_was_left_out_is_told_with_place_rule_and_next_step(
    rwd: Rwd, sent: Path, tmp_path: Path
) -> None:
    """A clerk who reads `rejected 2` asks which two. Nothing of what stood there is repeated."""
    found = rwd("deidentify", sent, "--policy", "default", "--out", tmp_path / "out", "--json")
    assert (found.code, found.document["rejected"]) == (0, 2)
    assert "sent.ndjson:2" in found.stderr and "[json.syntax]" in found.stderr
    assert "sent.ndjson:3" in found.stderr and "[resource.type_unknown]" in found.stderr
    assert "13876543210" not in found.stderr and is_chinese(found.stderr)


def test_of_many_the_first_twenty_are_told_and_the_others_counted(rwd: Rwd, tmp_path: Path) -> None:
    path = tmp_path / "many.ndjson"
    path.write_text(LINES.splitlines()[0] + "\n" + "no JSON\n" * 50, "utf-8")
    found = rwd("deidentify", path, "--policy", "default", "--out", tmp_path / "out", "--json")
    assert found.document["rejected"] == 50
    assert found.stderr.count("many.ndjson:") == 20 and "30 more" in found.stderr


def test_a_policy_with_lint_errors_is_obeyed_with_a_warning(rwd: Rwd, sent: Path, tmp_path: Path) -> None:
    """A Condition without its subject is no valid FHIR: said before, and the way to see each error."""
    (tmp_path / "mine.toml").write_text(POLICY, "utf-8")
    found = rwd("deidentify", sent, "--policy", tmp_path / "mine.toml", "--out", tmp_path / "out", "--json")
    assert found.code == 0 and "rwd policy lint" in found.stderr
    assert (
        "rwd policy lint"
        not in rwd("deidentify", sent, "--policy", "default", "--out", tmp_path / "other", "--json").stderr
    )
