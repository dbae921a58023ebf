"""The export as a whole: the same bytes every time, a manifest that is true, faults that are where it
says.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from deidentify.policy import load_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import scrub
from rwd_platform.demo.defects import KINDS, Defect
from rwd_platform.demo.exporter import DemoFiles, export
from tests.demo.test_hospitals import (
    hospital,
    ndjson_lines,
    own_resources_of_a,
    own_resources_of_b,
    table_of_c,
)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def defect(files: DemoFiles, kind: str) -> Defect:
    (found,) = [one for one in files.defects if one.kind == kind]
    return found


def planted_line(files: DemoFiles, kind: str) -> str:
    one = defect(files, kind)
    assert one.line is not None
    return ndjson_lines(hospital(files, one.hospital).folder / one.file)[one.line - 1]


def test_the_same_seed_gives_the_same_bytes(demo_files: DemoFiles, tmp_path: Path):
    """No clock, no machine, no order of a set: exported again elsewhere, over older files, all is the same."""
    (tmp_path / "hospital-b").mkdir()
    (tmp_path / "hospital-b" / "batch.json").write_text("left over from an earlier run")
    again = export(tmp_path)
    assert contents(tmp_path) == contents(demo_files.folder)
    assert again.patients == demo_files.patients


def test_another_seed_gives_other_bytes(demo_files: DemoFiles, tmp_path: Path):
    """The seed is really used, in every hospital."""
    export(tmp_path, seed=7)
    ours, other = contents(demo_files.folder), contents(tmp_path)
    assert ours.keys() == other.keys()
    assert not [name for name in ours if ours[name] == other[name]]


def test_the_manifest_lists_every_file_with_its_hash(demo_files: DemoFiles):
    """Whoever receives the folder can check that it is whole."""
    manifest = json.loads(demo_files.manifest.read_text(encoding="utf-8"))
    listed = {
        f"hospital-{one['organisation_id'][-1]}/{file['name']}": file["sha256"]
        for one in manifest["hospitals"]
        for file in one["files"]
    }
    assert listed == {
        name: sha for name, sha in contents(demo_files.folder).items() if name != "manifest.json"
    }
    assert "并非乐城真实证据" in manifest["zh"]
    assert "not evidence from Lecheng" in manifest["en"]


def test_the_manifest_holds_no_identifier(demo_files: DemoFiles):
    """It is shown to everybody; the identifiers are planted in the hospitals' files only."""
    text = demo_files.manifest.read_text(encoding="utf-8")
    assert not [one for one in demo_files.planted_identifiers().all() if one in text]


def test_every_kind_of_fault_is_planted_once_and_told(demo_files: DemoFiles):
    """Broken JSON to unmappable rows: each way of failing is seen once in the demo."""
    manifest = json.loads(demo_files.manifest.read_text(encoding="utf-8"))
    assert sorted(one["kind"] for one in manifest["planted"]) == sorted(KINDS)
    assert {one["expected"] for one in manifest["planted"]} == {
        "rejected",
        "quarantined",
        "duplicate",
        "quality",
    }
    assert all(one["zh"] and one["en"] for one in manifest["planted"])
    assert manifest["planted"] == [one.as_dict() for one in demo_files.defects]


def test_no_fault_lies_inside_a_transaction(demo_files: DemoFiles):
    """A transaction is accepted whole or not at all; a fault in one would cost a patient."""
    assert not [one for one in demo_files.defects if one.file == "bundles.zip"]


def test_the_broken_line_is_no_json(demo_files: DemoFiles):
    """It stops in the middle, as an interrupted export does."""
    line = planted_line(demo_files, "broken-json")
    assert line.startswith('{"resourceType"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)


def test_the_double_key_says_two_things(demo_files: DemoFiles):
    """An ordinary parser would silently take the last."""

    def pairs(found: list[tuple[str, Any]]) -> list[str]:
        return [key for key, _ in found]

    keys = json.loads(planted_line(demo_files, "duplicate-key"), object_pairs_hook=pairs)
    assert keys.count("status") == 2


@pytest.mark.parametrize("kind", ["unknown-element", "bad-date", "missing-element"])
def test_faulty_resources_are_refused_by_the_models(demo_files: DemoFiles, kind: str):
    """fhir.resources, which we did not write, rejects each of them."""
    from fhir.resources.R4B.observation import Observation
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        Observation.model_validate(json.loads(planted_line(demo_files, kind)))


@pytest.mark.parametrize("kind", ["unmappable-code", "implausible-value"])
def test_faults_of_meaning_are_valid_fhir(demo_files: DemoFiles, kind: str):
    """What only a code list or the quality gate can find passes the models."""
    from fhir.resources.R4B.observation import Observation

    Observation.model_validate(json.loads(planted_line(demo_files, kind)))


def test_the_implausible_count_stands_beside_the_true_one(demo_files: DemoFiles):
    """It is an extra Observation of a real patient on the same day; only the gate keeps it out of the
    study.
    """
    wrong = json.loads(planted_line(demo_files, "implausible-value"))
    assert wrong["valueQuantity"]["value"] == 999
    true = [
        one
        for one in own_resources_of_a(demo_files)
        if one.get("subject") == wrong["subject"] and one.get("code") == wrong["code"]
    ]
    assert len(true) == 1
    assert true[0]["effectiveDateTime"] == wrong["effectiveDateTime"]
    assert true[0]["valueQuantity"]["value"] <= 34
    assert true[0]["id"] != wrong["id"]


def test_what_was_sent_twice_is_the_same_to_the_byte(demo_files: DemoFiles):
    """A patient's line in another file, and a file under another name."""
    folder = hospital(demo_files, "a").folder
    again = folder / defect(demo_files, "file-sent-twice").file
    assert again.read_bytes() == (folder / "MedicationDispense.ndjson.gz").read_bytes()
    assert len(ndjson_lines(again)) == defect(demo_files, "file-sent-twice").units
    line = planted_line(demo_files, "patient-sent-twice")
    assert ndjson_lines(folder / "Patient.ndjson.gz").count(line) == 1


def test_the_dangling_reference_is_the_named_entry_on_the_named_line(demo_files: DemoFiles):
    """The place in the manifest is the place a person's editor shows."""
    one = defect(demo_files, "dangling-reference")
    text = (hospital(demo_files, "b").folder / one.file).read_text(encoding="utf-8")
    entry = json.loads(text)["entry"][(one.entry or 0) - 1]
    assert json.loads(text.split("\n")[(one.line or 0) - 1].rstrip(",")) == entry
    sent = {f"Patient/{r['id']}" for r in own_resources_of_b(demo_files) if r["resourceType"] == "Patient"}
    assert entry["resource"]["subject"]["reference"] not in sent


def test_the_two_faulty_rows_are_about_existing_patients(demo_files: DemoFiles):
    """An impossible date and a word nobody agreed on, each in a row added beside a true one."""
    date_row, word_row = (defect(demo_files, kind) for kind in ("row-impossible-date", "row-unknown-status"))
    drug = table_of_c(demo_files, date_row.file)[(date_row.row or 0) - 1]
    follow_up = table_of_c(demo_files, word_row.file)[(word_row.row or 0) - 1]
    assert drug["发药日期"] == "1985-02-30"
    assert follow_up["生存状态"] not in ("存活", "死亡")
    known = {row["病案号"] for row in table_of_c(demo_files, "病案首页.csv")}
    assert {drug["病案号"], follow_up["病案号"]} <= known
    assert date_row.line == (date_row.row or 0) + 1


def test_the_expected_accounts_add_up(demo_files: DemoFiles):
    """Received = accepted + rejected + quarantined + duplicate, counted from the files themselves."""
    sent = hospital(demo_files, "a")
    lines = sum(len(ndjson_lines(path)) for path in sent.files)
    assert sent.expected.received == lines
    assert (
        sent.expected.accepted == len(own_resources_of_a(demo_files)) + 1
    )  # the implausible one is admitted
    assert (sent.expected.rejected, sent.expected.quarantined) == (5, 1)
    other = hospital(demo_files, "b").expected
    assert other.as_dict() == {
        "received": len(own_resources_of_b(demo_files)) + 1,
        "accepted": len(own_resources_of_b(demo_files)),
        "rejected": 0,
        "quarantined": 1,
        "duplicate": 0,
    }


def test_gzip_files_carry_no_time_and_no_name(demo_files: DemoFiles):
    """The header's time is 0 and there is no file name, so that a repeated export is the same file."""
    for path in hospital(demo_files, "a").files:
        header = path.read_bytes()[:10]
        assert header[3] == 0
        assert header[4:8] == b"\0\0\0\0"
        assert gzip.decompress(path.read_bytes())


def identifiers_in(resources: Iterable[Any]) -> set[str]:
    """Everything in the resources that has the shape of a planted name, number or address."""
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in resources)
    runs = set(re.findall(r"[\u4e00-\u9fff]{3,}", text))
    names = {run[start : start + 3] for run in runs for start in range(len(run) - 2)}
    streets = set(re.findall(r"[\u4e00-\u9fff]{3}[0-9]{5}号", text))
    return names | streets | set(re.findall(r"[0-9A-Z]{9,}", text))


def test_no_planted_identifier_survives_the_lakes_policy(demo_files: DemoFiles):
    """All 24 thousand FHIR resources of two hospitals, scrubbed: of the 9,940 names, numbers, phones and
    addresses that were in them none is left, neither in a resource nor in the account.
    """
    policy = load_policy("lake")
    pseudonyms = Pseudonymiser(b"d" * 32, "org-hospital-a")
    sent = own_resources_of_a(demo_files) + own_resources_of_b(demo_files)
    planted = set(demo_files.planted_identifiers().all())
    assert len(planted & identifiers_in(sent)) == 5 * 2 * 994
    scrubbed = [scrub(resource, policy, pseudonyms) for resource in sent]
    assert not planted & identifiers_in([one.resource, one.dropped] for one in scrubbed)
