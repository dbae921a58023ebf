"""The lines of `rwd validate`, as docs/reference/commands.md fixes them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.conform import validate_file
from ingestion.containers import Limits
from rwd_platform.core.errors import Exit, PlatformError
from tests.ingestion.sending import line, patient

FIELDS = ["file", "line", "resourceType", "id", "outcome", "issues"]


def verdicts(folder: Path, content: bytes, name: str = "a.ndjson", **options: Any) -> list[dict[str, Any]]:
    path = folder / name
    path.write_bytes(content)
    return list(validate_file(path, **options))


def test_there_is_a_line_for_each_resource(tmp_path: Path) -> None:
    """Blank lines are skipped and counted; what cannot be read has neither a type nor an id."""
    content = line(patient(1)) + b"\n\n" + line(patient(2, gender="x")) + b"\n{broken\n"
    found = verdicts(tmp_path, content)
    assert [list(one) for one in found] == [FIELDS] * 3
    assert [one["line"] for one in found] == [1, 3, 4]
    assert [one["outcome"] for one in found] == ["accept", "reject", "reject"]
    assert [(one["resourceType"], one["id"]) for one in found] == [
        ("Patient", "p1"),
        ("Patient", "p2"),
        (None, None),
    ]
    assert {one["file"] for one in found} == {str(tmp_path / "a.ndjson")}
    assert json.loads(json.dumps(found, ensure_ascii=False)) == found


def test_an_issue_has_a_code_a_place_and_both_languages(tmp_path: Path) -> None:
    (found,) = verdicts(tmp_path, line(patient(1, gender="x")))
    (issue,) = found["issues"]
    assert list(issue) == ["code", "expression", "zh", "en"]
    assert (issue["code"], issue["expression"]) == ("code-invalid", "Patient.gender")
    assert "代码" in issue["zh"] and "code" in issue["en"]


def test_a_pretty_document_is_one_item_and_a_bundle_one_line_for_each_entry(tmp_path: Path) -> None:
    pretty = json.dumps(patient(1), indent=2).encode()
    assert [one["line"] for one in verdicts(tmp_path, pretty, "a.json")] == [1]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": patient(n)} for n in (1, 2)],
    }
    found = verdicts(tmp_path, json.dumps(bundle, indent=1).encode(), "b.json")
    assert [(one["line"], one["id"], one["outcome"]) for one in found] == [
        (6, "p1", "accept"),
        (12, "p2", "accept"),
    ]


def test_compressed_files_are_named_as_they_were_given(tmp_path: Path) -> None:
    (found,) = verdicts(tmp_path, gzip.compress(line(patient(1))), "a.ndjson.gz")
    assert found["file"] == str(tmp_path / "a.ndjson.gz") and found["outcome"] == "accept"


def test_the_version_of_fhir_is_taken_into_account(tmp_path: Path) -> None:
    content = line({"resourceType": "Citation", "status": "draft"})
    assert verdicts(tmp_path, content)[0]["issues"][0]["code"] == "not-supported"
    assert verdicts(tmp_path, content, fhir_version="R5")[0]["outcome"] == "accept"


def test_a_type_or_an_id_that_is_no_text_is_not_printed(tmp_path: Path) -> None:
    (found,) = verdicts(tmp_path, b'{"resourceType":["Patient"],"id":{"a":1}}')
    assert (found["resourceType"], found["id"], found["outcome"]) == (None, None, "reject")


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "intake.not_found"), (b"", "intake.empty"), (b"\x1f\x8b\x08", "intake.truncated")],
)
def test_a_file_that_cannot_be_read_is_malformed_input(
    tmp_path: Path, content: bytes | None, code: str
) -> None:
    """An error for the whole file, not a verdict on a resource: the command answers 2, not 1."""
    path = tmp_path / "a.ndjson"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlatformError) as refused:
        list(validate_file(path))
    assert (refused.value.code, refused.value.exit) == (code, Exit.MALFORMED)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="not_found"):
        list(validate_file(tmp_path))


def test_limits_can_be_lowered(tmp_path: Path) -> None:
    found = verdicts(tmp_path, line(patient(1, name=[{"text": "x" * 100}])), limits=Limits(line_bytes=50))
    assert found[0]["issues"][0]["code"] == "too-long"
