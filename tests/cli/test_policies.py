"""`rwd policy`, and what `rwd deidentify` does with policies of one's own: answers, exit codes, languages."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from deidentify.policy import shipped_policies
from tests.cli.calling import Rwd, is_chinese
from tests.flows.sending import grade, ndjson, patient

HEAD = 'name = "own"\nversion = "1"\nzh = "自有"\nen = "own"\n'
SHIFTING = (
    HEAD
    + """
[Patient]
active = "keep"
birthDate = "date:year"
deceasedDateTime = "date:shift"
[Observation]
id = "pseudonym"
status = "keep"
"code.coding.system" = "keep"
"code.coding.code" = "keep"
"subject.reference" = "reference:Patient"
effectiveDateTime = "date:shift"
[systems]
"https://rwd-platform.example/CodeSystem/demo-measure" = "keep"
"""
)


def write(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_list_names_every_policy_of_the_house(rwd: Rwd) -> None:
    """One object a line: name, version, hash and what it is for in both languages."""
    answer = rwd("policy", "list", "--json")
    assert answer.code == 0
    assert [line["name"] for line in answer.lines] == list(shipped_policies())
    for line in answer.lines:
        assert is_chinese(line["zh"]) and line["en"] and len(line["sha256"]) == 64 and line["version"]
    assert all(name in rwd("policy", "list").stdout.decode() for name in shipped_policies())


def test_show_gives_every_rule_with_what_comes_from_the_bases(rwd: Rwd) -> None:
    """What a reader of one file of three would have to put together, put together."""
    shown = rwd("policy", "show", "cross_border", "--json").document
    assert shown["bases"] == ["hipaa_safe_harbor", "default"] and shown["as_of"] == "2026-01-01"
    assert shown["rules"]["Patient"]["birthDate"] == "age-band:5"
    assert shown["rules"]["Patient"]["gender"] == "keep"
    assert "Practitioner" in shown["dropped_types"]
    assert shown["systems"]["http://hl7.org/fhir/sid/icd-10"] == "generalise:icd10:category"
    text = rwd("policy", "show", "lake")
    assert text.stderr == "" and b"birthDate" in text.stdout


@pytest.mark.parametrize("name", shipped_policies())
def test_lint_finds_no_error_in_the_policies_of_the_house(rwd: Rwd, name: str) -> None:
    """Exit 0: there may be warnings, as in a limited data set."""
    answer = rwd("policy", "lint", name, "--json")
    assert answer.code == 0
    assert {line["severity"] for line in answer.lines} <= {"warning", "note"}


def test_lint_answers_1_for_errors_and_2_for_what_it_cannot_read(rwd: Rwd, tmp_path: Path) -> None:
    """Errors are listed all at once; a folder, no TOML, no UTF-8, 10 MB and a circle are named."""
    wrong = write(
        tmp_path, "wrong.toml", HEAD + '[Patient]\nnose = "keep"\nname = "keep"\n[Human]\nid = "keep"\n'
    )
    answer = rwd("policy", "lint", wrong, "--json")
    assert answer.code == 1
    rules = {line["rule"] for line in answer.lines}
    assert rules >= {
        "lint.unknown_path",
        "lint.kept_identifying",
        "lint.unknown_type",
        "lint.modifier_left_out",
    }
    assert all(is_chinese(line["zh"]) and line["en"] for line in answer.lines)
    (tmp_path / "folder.toml").mkdir()
    for unreadable in (
        tmp_path / "folder.toml",
        tmp_path / "none.toml",
        write(tmp_path, "empty.toml", ""),
        write(tmp_path, "text.toml", "Patient: keep"),
        write(tmp_path, "gb.toml", (HEAD + "# 中").encode("gb18030")),
        write(tmp_path, "large.toml", b"#" * 10_000_000),
        write(tmp_path, "circle.toml", HEAD + 'extends = "circle.toml"\n'),
        write(tmp_path, "verb.toml", HEAD + '[Patient]\nid = "hash"\n'),
    ):
        answer = rwd("policy", "lint", unreadable, "--json")
        assert answer.code == 2, unreadable.name
        assert answer.document["error"]["code"] in ("policy.malformed", "policy.unknown")
        assert is_chinese(answer.document["error"]["zh"])


def test_example_shows_the_invented_patient_before_and_after(rwd: Rwd) -> None:
    """The same rows that the page draws side by side."""
    shown = rwd("policy", "example", "cross_border", "--json").document
    assert len(shown["before"]) == len(shown["after"])
    rows = {row["path"]: row for row in shown["rows"]}
    assert rows["Patient.birthDate"]["after"] == "1936" and rows["Patient.name.text"]["after"] is None
    assert all(is_chinese(row["zh"]) for row in rows.values())
    text = rwd("policy", "example", "cross_border")
    assert "1932-02-03 → 1936" in text.stdout.decode() and text.stderr == ""


def test_deidentify_shifts_the_dates_of_a_patient_alike_over_files_and_runs(rwd: Rwd, tmp_path: Path) -> None:
    """One key, several files, several runs: the days between a patient's dates are those of the hospital."""
    own = write(tmp_path, "own.toml", SHIFTING)
    key = write(tmp_path, "key", b"k" * 32)
    people = write(tmp_path, "people.ndjson", ndjson(patient("p1", deceasedDateTime="1960-02-29")))
    measured = write(tmp_path, "measured.ndjson", ndjson(grade(of="p1", effectiveDateTime="2024-03-01")))
    for files, out in (((people, measured), "a"), ((measured,), "b"), ((people,), "b")):
        answer = rwd(
            "deidentify", *files, "--policy", own, "--out", tmp_path / out, "--key-file", key, "--json"
        )
        assert (answer.code, answer.document["rejected"]) == (0, 0)
    born = json.loads((tmp_path / "a" / "people.ndjson").read_bytes())["deceasedDateTime"]
    seen = json.loads((tmp_path / "a" / "measured.ndjson").read_bytes())["effectiveDateTime"]
    true = date(2024, 3, 1) - date(1960, 2, 29)
    assert date.fromisoformat(seen) - date.fromisoformat(born) == true and born != "1960-02-29"
    for name in ("people.ndjson", "measured.ndjson"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ('[Patient]\nnose = "keep"', "Patient.nose"),
        ('[Human]\nid = "keep"', "Human"),
        ('[Patient]\nid = "hash"', "hash"),
        ('[Patient]\nid = "generalise:icd11:1"', "icd11"),
        ('extends = "own.toml"', "own.toml"),
    ],
)
def test_a_policy_that_cannot_be_obeyed_stops_before_any_data_are_touched(
    rwd: Rwd, tmp_path: Path, rules: str, named: str
) -> None:
    """Exit 2, the fault is named, and not even the output folder is made."""
    own = write(tmp_path, "own.toml", HEAD + rules)
    file = write(tmp_path, "a.ndjson", ndjson(patient()))
    answer = rwd("deidentify", file, "--policy", own, "--out", tmp_path / "out", "--json")
    assert answer.code == 2
    assert named in answer.document["error"]["en"] and named in answer.document["error"]["zh"]
    assert not (tmp_path / "out").exists()


def test_an_input_whose_name_holds_a_number_of_a_person_is_refused(rwd: Rwd, tmp_path: Path) -> None:
    """The output is named after the input, so nothing is written; the refusal does not show the number again."""
    for name in ("病人15412345678.ndjson", "id_11010519491231002X.json"):
        content = ndjson(patient()) if name.endswith("ndjson") else json.dumps(patient())
        file = write(tmp_path, name, content)
        answer = rwd("deidentify", file, "--policy", "default", "--out", tmp_path / "out", "--json")
        assert (answer.code, answer.document["error"]["code"]) == (3, "deidentify.name_holds_number")
        said = answer.stdout.decode() + answer.stderr
        assert "15412345678" not in said and "11010519491231002X" not in said
        assert not (tmp_path / "out").exists()
    file = write(tmp_path, "Patient-2024.ndjson", ndjson(patient()))
    assert rwd("deidentify", file, "--policy", "default", "--out", tmp_path / "o", "--json").code == 0


def test_what_was_left_behind_is_told_by_path_and_never_by_value(rwd: Rwd, tmp_path: Path) -> None:
    """stdout names elements; what posed as an element's name is not shown."""
    planted = patient(
        "p", name=[{"text": "王璟琰"}], extension=[{"url": "http://x/15412345678", "valueString": "甲"}]
    )
    file = write(tmp_path, "a.ndjson", ndjson(planted))
    answer = rwd("deidentify", file, "--policy", "cross_border", "--out", tmp_path / "out", "--json")
    said = answer.stdout.decode() + answer.stderr
    assert answer.document["dropped"]["Patient.name"] == 1
    assert "王璟琰" not in said and "15412345678" not in said and "甲" not in said


def test_a_patient_without_any_identifier_is_written(rwd: Rwd, tmp_path: Path) -> None:
    """Nothing to take away is no fault; with date:shift there is then no offset, so the date goes."""
    file = write(tmp_path, "a.ndjson", ndjson({"resourceType": "Patient", "deceasedDateTime": "1960-02-29"}))
    own = write(tmp_path, "own.toml", SHIFTING)
    answer = rwd("deidentify", file, "--policy", own, "--out", tmp_path / "out", "--json")
    assert answer.document["written"] == 1 and answer.document["dropped"] == {"Patient.deceasedDateTime": 1}
    assert "1960" not in (tmp_path / "out" / "a.ndjson").read_text(encoding="utf-8")
