"""`rwd release check`: no database, no key; the exit code is the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import Rwd

TABLE = "arm,count\nexposed,{a}\ncomparator,120\nTotal,{total}\n"


@pytest.fixture
def conditions(tmp_path: Path) -> Path:
    path = tmp_path / "conditions.json"
    path.write_text(json.dumps({"purpose": "上市后研究"}))
    return path


def written(tmp_path: Path, a: str, total: int, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_text(TABLE.format(a=a, total=total))
    return path


@pytest.mark.parametrize(
    ("a", "total", "code"), [("65", 185, 0), ("7", 127, 1), ("", 127, 1), ("-3", 117, 2)]
)
def test_the_exit_code_is_the_answer(
    rwd: Rwd, tmp_path: Path, conditions: Path, a: str, total: int, code: int
):
    """0 pass, 1 fail or review, 2 malformed; stdout is one JSON document."""
    asked = (
        "release",
        "check",
        written(tmp_path, a, total),
        "--recipient",
        "sponsor",
        "--conditions",
        conditions,
    )
    answer = rwd(*asked, "--json")
    assert answer.code == code
    if code < 2:
        assert answer.document["outcome"] == ("pass", "fail")[code]
        assert bool(answer.document["smallest_change"]) is bool(code)
    else:
        assert answer.document["error"]["code"] == "disclosure.results_malformed"


def test_a_missing_condition_is_a_refusal_by_name(rwd: Rwd, tmp_path: Path):
    """A competent authority without its conditions: exit 3, and each is named."""
    answer = rwd(
        "release", "check", written(tmp_path, "7", 127), "--recipient", "competent_authority", "--json"
    )
    assert answer.code == 3
    assert [one["where"] for one in answer.document["findings"]] == [
        "condition.purpose", "condition.authorisation", "condition.encryption", "condition.approvers",
    ]  # fmt: skip


def test_what_the_circle_holds_is_compared(rwd: Rwd, tmp_path: Path, conditions: Path):
    """The same line, one person fewer than in the table that was released before."""
    before, now = written(tmp_path, "65", 185, "before.csv"), written(tmp_path, "64", 184)
    asked = (
        "release",
        "check",
        now,
        "--recipient",
        "sponsor",
        "--conditions",
        conditions,
        "--released",
        before,
    )
    answer = rwd(*asked, "--json")
    assert answer.code == 1
    assert {one["rule"] for one in answer.document["findings"]} == {"differencing_totals"}


def test_wrong_use_is_named(rwd: Rwd, tmp_path: Path):
    good = written(tmp_path, "65", 185)
    assert rwd("release", "check", tmp_path / "none.csv", "--recipient", "sponsor").code == 2
    assert rwd("release", "check", good, "--recipient", "neighbour").code == 2
    (tmp_path / "bad.json").write_text("[]")
    answer = rwd(
        "release", "check", good, "--recipient", "sponsor", "--conditions", tmp_path / "bad.json", "--json"
    )
    assert (answer.code, answer.document["error"]["code"]) == (2, "release.conditions_not_json")


def test_the_list_of_an_empty_deployment_is_empty(rwd: Rwd, home: Path):
    answer = rwd("release", "list", "--json")
    assert (answer.code, answer.lines) == (0, [])
