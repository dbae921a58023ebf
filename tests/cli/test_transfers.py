"""`rwd transfer inbound` and `rwd transfer rules`: JSON alone on stdout, both languages, and the exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.compliance import pins, shipped
from rwd_platform.compliance.inbound import inbound
from rwd_platform.compliance.pins import FOLDER
from rwd_platform.compliance.rulepack import load_pack
from tests.cli.calling import Rwd, is_chinese

FACTS: dict[str, Any] = {
    "on": "2026-11-02",
    "origin": "US",
    "persons": 10_001,
    "genomic_persons": 0,
    "health": True,
    "key_coded_or_identified": True,
    "exemption": None,
    "exemption_evidence": False,
    "sender_mechanism_on_file": False,
}


def written(path: Path, content: object) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


# -- inbound ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("persons", "verdict"), [(10_000, "ALLOW"), (10_001, "HOLD")])
def test_an_answer_is_exit_0_whatever_it_is(rwd: Rwd, tmp_path: Path, persons: int, verdict: str) -> None:
    facts = FACTS | {"persons": persons}
    answer = rwd("transfer", "inbound", written(tmp_path / "import.json", facts), "--json")
    assert answer.code == 0 and answer.document == inbound(facts, load_pack("inbound-2025")).as_dict()
    assert answer.document["verdict"] == verdict and is_chinese(answer.document["zh"])
    spoken = rwd("transfer", "inbound", tmp_path / "import.json")
    said = spoken.stdout.decode()
    assert (
        spoken.code == 0 and said.startswith(verdict) and "非法律意见" in said and "not legal advice" in said
    )


@pytest.mark.parametrize(
    ("case", "code", "named"),
    [
        (FACTS | {"surprise": 1}, "inbound.unknown_key", "surprise"),
        ({key: value for key, value in FACTS.items() if key != "origin"}, "inbound.missing_key", "origin"),
        (FACTS | {"origin": "MARS"}, "inbound.bad_value", "MARS"),
        (FACTS | {"on": "2024-01-01"}, "transfer.no_pack_on", "2024-01-01"),
        ([], "transfer.case_not_json", "import.json"),
        (b"\xff", "transfer.case_refused", "import.json"),
        (b'{"origin": "unknown", "origin": "OTHER"}', "transfer.case_refused", "origin"),
        (b"[" * 100_000, "transfer.case_refused", "64"),
        (b'{"persons": NaN}', "transfer.case_refused", "NaN"),
    ],
)
def test_facts_outside_the_vocabulary_are_exit_2_and_named(
    rwd: Rwd, tmp_path: Path, case: object, code: str, named: str
) -> None:
    answer = rwd("transfer", "inbound", written(tmp_path / "import.json", case), "--json")
    error = answer.document["error"]
    assert answer.code == 2 and error["code"] == code
    assert is_chinese(error["zh"]) and (named in error["en"] or code == "inbound.missing_key")


def test_a_pack_of_ones_own_answers_and_one_about_leaving_does_not(rwd: Rwd, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text((FOLDER / "inbound-2025.toml").read_text("utf-8").replace("10_000", "20_000"), "utf-8")
    case = written(tmp_path / "import.json", FACTS)
    assert rwd("transfer", "inbound", case, "--rules", own, "--json").document["verdict"] == "ALLOW"
    refused = rwd("transfer", "inbound", case, "--rules", "national-2026", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, "transfer.pack_malformed")
    assert rwd("transfer", "inbound", case, "--rules", "nonsense").code == 2


# -- rules -----------------------------------------------------------------------------------------------------------


def test_the_rules_are_one_document_with_every_pack(rwd: Rwd) -> None:
    answer = rwd("transfer", "rules", "--json")
    assert answer.code == 0 and answer.document["decides"] is True and answer.document["unusable"] == []
    packs = {pack["file"] for family in answer.document["families"] for pack in family["packs"]}
    assert packs == {path.name for path in FOLDER.glob("*.toml")} - {pins.PINS}


def test_the_rules_in_words_name_each_with_its_article_and_what_is_unconfirmed(rwd: Rwd) -> None:
    answer = rwd("transfer", "rules")
    said = answer.stdout.decode()
    for family in rwd("transfer", "rules", "--json").document["families"]:
        for pack in family["packs"]:
            assert pack["sha256"] in said and pack["title"]["zh"] in said and pack["title"]["en"] in said
            for rule in pack.get("rules", []):
                assert (
                    f"  {rule['id']} {rule['result']} · {rule['source']['zh']} · {rule['source']['en']}"
                    in said
                )
                assert rule["confirm"] is None or rule["confirm"]["zh"] in said
    assert "未采用 · not adopted" in said and "{" not in said and answer.code == 0


def test_a_pack_edited_by_hand_is_exit_1_and_named(
    rwd: Rwd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command answers, and its answer is no."""
    folder = Path(shutil.copytree(FOLDER, tmp_path / "rulepacks"))
    path = folder / "inbound-2025.toml"
    path.write_text(path.read_text("utf-8").replace("10_000", "99_999"), "utf-8")
    monkeypatch.setattr(shipped.shelf, "__defaults__", (folder,))
    answer = rwd("transfer", "rules", "--json")
    assert answer.code == 1 and answer.document["decides"] is False
    assert answer.document["unusable"][0]["file"] == "inbound-2025.toml"
    said = rwd("transfer", "rules").stdout.decode()
    assert "[transfer.pack_edited]" in said and "99,999" not in said
