"""`rwd evidence accept`: exit codes, the document and the words; what is judged is tested with the parts themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.core.text import Bilingual
from rwd_platform.flows import accept_package as flow
from studies.evidence.acceptance import MOST_FAULTS, TITLES, Acceptance, Fault, Part, fails
from studies.evidence.templates import verify as standalone
from tests.cli.calling import Rwd, is_chinese

SAYS = Bilingual("看过。", "Looked at.")
FIELDS = {"part", "id", "title", "status", "zh", "en", "counts", "places", "further_places", "next"}


def parts(**other: Part) -> tuple[Part, ...]:
    return tuple(other.get(id, Part(id, "holds", SAYS, {"rows": 3})) for id in TITLES)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "EP-x.zip"
    path.write_bytes(standalone.zip_bytes({"EP-x/bagit.txt": b"no bag"}))
    return path


def answering(monkeypatch: pytest.MonkeyPatch, found: Acceptance) -> list[tuple[object, ...]]:
    """What the flow was asked."""
    asked: list[tuple[object, ...]] = []

    def accept(*given: object) -> Acceptance:
        asked.append(given)
        return found

    monkeypatch.setattr(flow, "accept_package", accept)
    return asked


def test_a_package_that_is_none_is_exit_1_in_every_part(rwd: Rwd, package: Path) -> None:
    answer = rwd("evidence", "accept", package, "--json")
    document = answer.document
    assert answer.code == 1 and document["accepted"] is False
    assert [set(one) for one in document["parts"]] == [FIELDS] * 7
    assert [one["status"] for one in document["parts"]] == ["fails"] + ["not_asked"] * 6
    assert document["parts"][0]["next"]["zh"] and document["key"] == "inside"
    assert len(answer.stderr.splitlines()) == 1 and "NOT accepted" in answer.stderr


def test_the_words_are_in_both_languages_and_the_verdict_comes_last(rwd: Rwd, package: Path) -> None:
    said = rwd("evidence", "accept", package).stdout.decode()
    assert is_chinese(said) and said.splitlines()[-1].startswith("不予验收 · NOT accepted")
    assert all(f" {number} " in said for number in range(1, 8)) and "→" in said


@pytest.mark.parametrize("status", ["not_asked", "not_given"])
def test_what_was_not_asked_or_given_is_told_and_is_no_failure(
    rwd: Rwd, package: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    part = Part("lock", status, SAYS)  # type: ignore[arg-type]  # one of the four
    answering(monkeypatch, Acceptance("EP-1", False, parts(lock=part)))
    answer = rwd("evidence", "accept", package)
    assert answer.code == 0 and status.replace("_", " ") in answer.stdout.decode().splitlines()[-1]


def test_the_verdict_says_that_nobody_knows_who_signed_unless_the_key_was_given(
    rwd: Rwd, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integrity alone is exit 0 too, and is not called acceptance."""
    open_part = Part("verify", "not_given", SAYS, next=SAYS)
    answering(monkeypatch, Acceptance("EP-1", False, parts(verify=open_part)))
    answer = rwd("evidence", "accept", package)
    last = answer.stdout.decode().splitlines()[-1]
    assert answer.code == 0 and "integrity alone, signer unknown" in last and "签署人不明" in last
    assert "可以验收" not in last and "未提供 · not given 1" in last and "→" in answer.stdout.decode()
    answering(monkeypatch, Acceptance("EP-1", True, parts()))
    answer = rwd("evidence", "accept", package, "--key", "ab" * 32)
    assert answer.stdout.decode().splitlines()[-1].startswith("可以验收 · nothing fails")


def test_one_part_that_fails_is_exit_1(rwd: Rwd, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in TITLES:
        places = [Fault(f"place {number}", "错", "wrong") for number in range(MOST_FAULTS + 3)]
        answering(monkeypatch, Acceptance("EP-1", True, parts(**{id: fails(id, SAYS, SAYS, places)})))
        answer = rwd("evidence", "accept", package, "--json")
        failed = [one for one in answer.document["parts"] if one["status"] == "fails"]
        assert answer.code == 1 and [one["id"] for one in failed] == [id]
        assert len(failed[0]["places"]) == MOST_FAULTS and failed[0]["further_places"] == 3


def test_key_lock_and_decision_reach_the_flow(
    rwd: Rwd, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = tmp_path / "decision.json"
    decision.write_text("{}", encoding="utf-8")
    asked = answering(monkeypatch, Acceptance("EP-1", True, parts()))
    options = ("--key", "ab" * 32, "--rerun", tmp_path, "--decision", decision)
    assert rwd("evidence", "accept", package, *options).code == 0
    assert asked == [(package, bytes.fromhex("ab" * 32), tmp_path, decision)]


def test_what_is_not_there_is_exit_2(rwd: Rwd, package: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    for words in ((none,), (package, "--rerun", none), (package, "--rerun", package), (package, "--decision", none),
                  (package, "--decision", tmp_path), (package, "--key", "short")):  # fmt: skip
        answer = rwd("evidence", "accept", *words, "--json")
        assert answer.code == 2 and is_chinese(answer.document["error"]["zh"]), words
