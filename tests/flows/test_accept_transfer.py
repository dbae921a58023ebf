"""Part 7 of an acceptance: a decision about a transfer abroad is held against the package that it names, or is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.compliance.case import read_case
from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.rulepack import NATIONAL
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.demo.questions import facts_of_transfer
from rwd_platform.flows.accept_transfer import LARGEST, transfer_part

PACKAGE = "EP-0123456789abcdef0123456789abcdef"
ON = "2026-11-02"


def record(*, anonymised: bool, **changes: Any) -> dict[str, Any]:
    """What the API gives of a transfer: the same patients, once anonymised and once row by row."""
    facts = facts_of_transfer(on=ON, sensitive_persons=596, anonymised_and_reviewed=anonymised)
    decision = decide(facts, pack_in_force(NATIONAL, read_case(facts).on)).as_dict()
    made = {
        "id": "transfer-1",
        "package_id": PACKAGE,
        "direction": "outbound",
        "verdict": decision["verdict"],
        "facts": facts,
        "decision": decision,
    }
    return {**made, **changes}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "decision.json"


def judged(file: Path, document: object) -> tuple[str, str]:
    file.write_text(json.dumps(document), encoding="utf-8")
    part = transfer_part(PACKAGE, file)
    assert any("一" <= letter <= "鿿" for letter in part.says.zh)
    assert (part.next is not None) == (part.status == "fails")
    return part.status, part.says.en


def test_without_a_file_nothing_is_asked_for(file: Path) -> None:
    part = transfer_part(PACKAGE, None)
    assert part.status == "not_given" and "--decision" in part.says.en


def test_a_record_that_allows_this_package_holds_and_its_facts_give_it_again(file: Path) -> None:
    status, said = judged(file, record(anonymised=True))
    assert status == "holds" and "ALLOW" in said and "again" in said and "not signed" in said


def test_a_provision_without_facts_is_not_taken_at_its_word(file: Path) -> None:
    """An office that is shown no counts gets no facts: who has them has to give the record."""
    status, said = judged(file, record(anonymised=True, facts=None))
    assert status == "not_given" and "cannot be decided again" in said and "shows no facts" in said


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"verdict": "ALLOW", "package_id": PACKAGE}, "shows no facts"),
        ({"verdict": "ALLOW", "package_id": PACKAGE, "facts": {}}, "shows no facts"),
        (record(anonymised=True, decision=None), "rule pack"),
        (record(anonymised=True, decision={"rule_pack": {"sha256": "0" * 64}}), "rule pack"),
        (record(anonymised=True, facts={"on": 3}), "not such as the rule pack decides on"),
    ],
)
def test_an_allow_that_cannot_be_decided_again_is_not_given_and_says_why(
    file: Path, document: dict[str, Any], why: str
) -> None:
    """Anybody can write two keys into a file."""
    status, said = judged(file, document)
    assert status == "not_given" and why in said


def test_the_facts_of_another_case_do_not_carry_an_allow(file: Path) -> None:
    facts = record(anonymised=False)["facts"]
    assert judged(file, record(anonymised=True, facts=facts))[0] == "fails"


def test_what_is_on_hold_fails(file: Path) -> None:
    status, said = judged(file, record(anonymised=False))
    assert status == "fails" and "HOLD" in said


def test_what_rwd_transfer_decide_prints_names_no_package_and_says_nothing_of_this_one(file: Path) -> None:
    printed = record(anonymised=True)["decision"]
    assert "package_id" not in printed
    for document in (printed, record(anonymised=True, package_id="")):
        status, said = judged(file, document)
        assert status == "not_asked" and "names no package" in said


def test_a_decision_about_another_package_fails(file: Path) -> None:
    status, said = judged(file, record(anonymised=True, package_id="EP-" + "f" * 32))
    assert status == "fails" and "another package" in said


def test_a_decision_about_data_that_come_in_fails(file: Path) -> None:
    assert judged(file, record(anonymised=True, direction="inbound"))[0] == "fails"


def test_a_verdict_that_its_own_facts_do_not_give_fails(file: Path) -> None:
    status, said = judged(file, record(anonymised=False, verdict="ALLOW"))
    assert status == "fails" and "own facts" in said


@pytest.mark.parametrize(
    "document",
    [[], {}, 3, "ALLOW", {"verdict": "YES"}, {"verdict": "ALLOW", "package_id": 3}, {"verdict": []}],
)
def test_what_is_no_decision_is_a_no(file: Path, document: object) -> None:
    assert judged(file, document)[0] == "fails"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b'{"verdict": "ALLOW", "verdict": "HOLD"}', b"[" * 100_000, b" " * (LARGEST + 1)],
)
def test_a_file_that_is_no_json_or_too_large_is_a_no(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    part = transfer_part(PACKAGE, file)
    assert part.status == "fails" and part.next is not None


@pytest.mark.parametrize(
    "odd",
    [
        {"facts": {"on": 3}},
        {"decision": []},
        {"decision": {"rule_pack": "x"}},
        {"facts": {}},
        {"id": "\x1b[2J"},
    ],
)
def test_an_odd_record_is_judged_without_an_error(file: Path, odd: dict[str, Any]) -> None:
    file.write_text(json.dumps(record(anonymised=False, **odd)), encoding="utf-8")
    part = transfer_part(PACKAGE, file)
    assert part.status == "fails" and "\x1b" not in json.dumps(part.as_dict())
