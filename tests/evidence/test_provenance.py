"""What a package rests on: the same protocol, lock and results in every file, and in the log, in order."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import zipfile
from io import BytesIO

import pytest
import rfc8785

from studies.evidence.documents import INPUTS_JSON, LINEAGE, json_bytes
from studies.evidence.labels import file_labels
from studies.evidence.package import build
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from tests.evidence.fixtures import acts_of, log_extract, resigned, small_inputs, with_changes


def places(folder) -> set[str]:
    resigned(folder)
    return {failure.place for failure in verify_package(folder).failures}


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, 1.0, 1e21, 1e20, 123456789012345680000.0, 1e-6, 1e-7, 5e-324, 1.7976931348623157e308, -2.5e-9,
     333333333.33333329, 9007199254740991, 0.1, 100,
     "é\u2028\x07\"\\", {"b": [None, True], "a": {}, "\U0001f600": 1, "\ufb33": 2}],
)  # fmt: skip
def test_the_standalone_canonical_json_is_rfc_8785(value):
    """The standard library alone gives the bytes that the log's hash was made from."""
    assert standalone.canonical_json(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("data/01_protocol/freeze.json", "protocol_sha256"),
        (standalone.ARD_JSON, "protocol_sha256"),
        (standalone.PACKAGE_JSON, "protocol_sha256"),
        (standalone.ARD_JSON, "lock_id"),
    ],
)
def test_a_protocol_or_lock_named_otherwise_is_found(folder, name, key):
    """Signed again or not: freeze, package and results must name the protocol in the package and one lock."""
    path = folder / name
    document = json.loads(path.read_text("utf-8"))
    document[key] = "0" * 64
    path.write_bytes(json_bytes(document))
    assert name in places(folder)


def test_a_result_that_no_number_prints_is_covered_by_the_log(folder):
    """The log's hash is of all results: one that is printed nowhere cannot be changed either."""
    path = folder / standalone.ARD_JSON
    stored = json.loads(path.read_text("utf-8"))
    stored["series"][0]["points"][0][2] = "elsewhere"
    path.write_bytes(json_bytes(stored))
    assert standalone.ARD_JSON in places(folder)


@pytest.mark.parametrize("change", ["no freeze", "another lock", "other results", "late freeze"])
def test_a_log_without_freeze_lock_and_analysis_in_order_fails(change):
    """The three acts are in the extract, about this protocol, lock and results, one after the other."""
    results = small_inputs().results
    acts = acts_of(results)
    if change == "no freeze":
        del acts[2]
    elif change == "another lock":
        acts[3] = acts_of(dataclasses.replace(results, lock_id="lock-other"))[3]
    elif change == "other results":
        acts[6] = acts_of(dataclasses.replace(results, rows=results.rows[1:]))[6]
    else:
        acts[2], acts[3] = acts[3], acts[2]
    findings = standalone.Findings()
    log = log_extract(results, acts=acts)
    wanted = {one.action: one.object.id if one.action == "study.locked" else one.object.version
              for one in acts_of(results).values()}  # fmt: skip
    standalone.check_acts({standalone.AUDIT_EXTRACT: log.entries}, findings, wanted)
    assert [failure.place for failure in findings.failures] == [standalone.AUDIT_EXTRACT]


def test_a_cell_that_only_contains_the_number_is_found(folder):
    """Equality, not containment: 0.670 is not printed by 10.670."""
    path = folder / "data/05_results/tables/sensitivity_en.csv"
    text = path.read_text("utf-8-sig")
    path.write_text("\ufeff" + re.sub(r"(\d\.\d{3} \()", r"1\1", text, count=1), encoding="utf-8")
    assert path.relative_to(folder).as_posix() in places(folder)


def test_a_word_changed_in_the_docx_is_found_and_the_pdf_is_named_as_unread(package, folder):
    """The DOCX is compared with the report; what cannot be read is said to be covered by its hash only."""
    told = verify_package(package.path)
    assert told.hash_only == ("data/06_report/report_en.pdf", "data/06_report/report_zh.pdf")
    assert "hash and signature only: data/06_report/report_en.pdf" in "\n".join(told.lines())
    path = folder / "data/06_report/report_en.docx"
    made = BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "word/document.xml":
                content = content.replace(b"descriptive", b"conclusive")
            target.writestr(name, content)
    path.write_bytes(made.getvalue())
    assert "data/06_report/report_en.docx" in places(folder)


@pytest.mark.parametrize("spoil", ["head", "digest", "file", "rows", "gone"])
def test_a_lineage_that_does_not_trace_the_rows_is_found(folder, spoil):
    """Head, shape, digests, files and rows: a trace that leads nowhere is no trace."""
    path = folder / LINEAGE
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    if spoil == "head":
        lines[0] = lines[0].replace("row,", "subject,")
    elif spoil == "digest":
        lines[5] = lines[5][:-1] + "x"
    elif spoil == "rows":
        lines = [lines[0], *[line for line in lines[1:] if not line.startswith("0,")]]
    elif spoil == "file":
        inputs = json.loads((folder / INPUTS_JSON).read_text("utf-8"))
        (folder / INPUTS_JSON).write_bytes(json_bytes({**inputs, "files": []}))
    path.write_bytes(b"" if spoil == "gone" else gzip.compress("\n".join(lines).encode(), mtime=0))
    assert places(folder) & {LINEAGE, standalone.ROW_SETS_JSON}


def test_only_regular_files_in_folders_that_hold_some(folder):
    """A pipe would block a reader, an empty folder is listed nowhere: both are named."""
    os.mkfifo(folder / "data/pipe")
    (folder / "data/empty/inside").mkdir(parents=True)
    found = {failure.place for failure in verify_package(folder).failures}
    assert {"data/pipe", "data/empty", "data/empty/inside"} <= found


@pytest.mark.parametrize("key", ["lock_id", "rows", "id"])
def test_a_rerun_on_results_without_their_shape_names_the_file(folder, key):
    """A tampered results file is a failure by name; the recomputation is not even started."""
    path = folder / standalone.ARD_JSON
    stored = json.loads(path.read_text("utf-8"))
    del (stored["rows"][0] if key == "id" else stored)[key]
    path.write_bytes(json_bytes(stored))
    found = verify_package(folder, rerun=lambda stored: [row["id"] for row in stored["rows"]])
    assert found.rerun == "differs"
    assert standalone.ARD_JSON in {failure.place for failure in found.failures}


def test_a_hospitals_file_name_is_nowhere_in_the_package(tmp_path):
    """It may hold a patient's name and number: a file is known by hospital, position and hash."""
    hostile = "王小明_110101195001010017.ndjson"
    inputs = small_inputs()
    first = inputs.sources[0]
    source = dataclasses.replace(first, files=(dataclasses.replace(first.files[0], name=hostile),))
    assert file_labels((source, source)) == (("A-01.ndjson",), ("A-02.ndjson",))
    built = build(with_changes(inputs, sources=(source,)), tmp_path)
    for path in sorted(built.folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            if path.suffix == ".docx":
                with zipfile.ZipFile(BytesIO(content)) as archive:
                    content = b"".join(archive.read(name) for name in archive.namelist())
            for part in ("王小明", "110101195001010017", r"\u738b"):
                assert part.encode() not in content, path.name
    assert b"A-01.ndjson" in (built.folder / "data/04_quality/reconciliation.csv").read_bytes()
